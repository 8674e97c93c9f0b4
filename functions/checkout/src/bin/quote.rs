//! The Lambda `quote`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![checkout::operations::quote::function()])
}
