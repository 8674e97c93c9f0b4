//! The Lambda `close-cart`. Takes what an order bought out of its cart.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![cart::operations::close_cart::function()])
}
