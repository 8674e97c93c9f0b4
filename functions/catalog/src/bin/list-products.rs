//! The Lambda `list-products`. The products of a category, page by page.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![catalog::operations::list_products::function()])
}
