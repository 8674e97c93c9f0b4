//! The Lambda `get-coupon`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![promotions::operations::get_coupon::function()])
}
