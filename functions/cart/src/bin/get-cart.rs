//! The Lambda `get-cart`. A cart at present prices.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![cart::operations::get_cart::function()])
}
