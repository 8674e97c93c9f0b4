//! The Lambda `rate-products`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![reviews::operations::rate_products::function()])
}
