//! The Lambda `receive-transfer`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![inventory::operations::receive_transfer::function()])
}
