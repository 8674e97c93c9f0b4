//! The Lambda `list-products-by-status`. Lists products by status, for staff.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![catalog::operations::list_products_by_status::function()])
}
