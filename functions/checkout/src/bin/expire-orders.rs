//! The Lambda `expire-orders`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![checkout::operations::expire_orders::function()])
}
