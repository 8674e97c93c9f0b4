//! The Lambda `refund-order`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![checkout::operations::refund_order::function()])
}
