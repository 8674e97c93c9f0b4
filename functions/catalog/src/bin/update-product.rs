//! The Lambda `update-product`. Changes a product.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![catalog::operations::update_product::function()])
}
