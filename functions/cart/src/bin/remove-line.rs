//! The Lambda `remove-line`. Takes a line out of a cart.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![cart::operations::remove_line::function()])
}
