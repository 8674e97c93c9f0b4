//! The Lambda `get-stock`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![inventory::operations::get_stock::function()])
}
