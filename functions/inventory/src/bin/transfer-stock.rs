//! The Lambda `transfer-stock`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![inventory::operations::transfer_stock::function()])
}
