//! The Lambda `adjust-gift-card`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![promotions::operations::adjust_gift_card::function()])
}
