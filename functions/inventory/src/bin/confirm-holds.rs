//! The Lambda `confirm-holds`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![inventory::operations::confirm_holds::function()])
}
