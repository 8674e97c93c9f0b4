//! The Lambda `remove-coupon`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![cart::operations::remove_coupon::function()])
}
