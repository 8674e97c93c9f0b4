//! The Lambda `apply-coupon`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![cart::operations::apply_coupon::function()])
}
