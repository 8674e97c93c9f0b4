//! The Lambda `get-order`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![orders::operations::get_order::function()])
}
