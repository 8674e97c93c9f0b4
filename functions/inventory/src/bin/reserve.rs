//! The Lambda `reserve`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![inventory::operations::reserve::function()])
}
