//! The Lambda `alert-low-stock`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![notifications::operations::alert_low_stock::function()])
}
