//! The Lambda `check-drift`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![inventory::operations::check_drift::function()])
}
