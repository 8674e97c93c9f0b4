//! The Lambda `create-gift-card`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![promotions::operations::create_gift_card::function()])
}
