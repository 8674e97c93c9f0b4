//! The Lambda `create-coupon`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![promotions::operations::create_coupon::function()])
}
