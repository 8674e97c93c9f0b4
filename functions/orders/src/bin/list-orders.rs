//! The Lambda `list-orders`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![orders::operations::list_orders::function()])
}
