//! Makes accounts.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![users::operations::register::function()])
}
