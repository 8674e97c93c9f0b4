//! The Lambda `capture-order`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![checkout::operations::capture_order::function()])
}
