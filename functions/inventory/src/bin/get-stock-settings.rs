//! The Lambda `get-stock-settings`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![inventory::operations::get_stock_settings::function()])
}
