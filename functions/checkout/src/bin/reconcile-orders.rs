//! The Lambda `reconcile-orders`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![checkout::operations::reconcile_orders::function()])
}
