//! The Lambda `set-stock-settings`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![inventory::operations::set_stock_settings::function()])
}
