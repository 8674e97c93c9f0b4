//! The Lambda `index-products`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![search::operations::index_products::function()])
}
