//! The Lambda `archive-product`. Takes a product out of sale.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![catalog::operations::archive_product::function()])
}
