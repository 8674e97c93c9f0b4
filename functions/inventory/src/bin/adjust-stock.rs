//! The Lambda `adjust-stock`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![inventory::operations::adjust_stock::function()])
}
