//! The Lambda `get-transfer`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![inventory::operations::get_transfer::function()])
}
