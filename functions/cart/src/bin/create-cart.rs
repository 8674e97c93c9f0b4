//! The Lambda `create-cart`. Creates an empty cart.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![cart::operations::create_cart::function()])
}
