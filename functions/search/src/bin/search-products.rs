//! The Lambda `search-products`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![search::operations::search_products::function()])
}
