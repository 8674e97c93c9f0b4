//! The Lambda `inspect-product`. Shows staff a product.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![catalog::operations::inspect_product::function()])
}
