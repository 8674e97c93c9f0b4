//! The Lambda `get-product`. One product.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![catalog::operations::get_product::function()])
}
