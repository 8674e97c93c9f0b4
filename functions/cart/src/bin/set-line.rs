//! The Lambda `set-line`. Sets a line of a cart.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![cart::operations::set_line::function()])
}
