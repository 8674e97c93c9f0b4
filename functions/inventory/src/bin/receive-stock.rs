//! The Lambda `receive-stock`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![inventory::operations::receive_stock::function()])
}
