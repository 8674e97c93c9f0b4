//! The Lambda `create-product`. Creates a product.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![catalog::operations::create_product::function()])
}
