//! The Lambda `get-gift-card`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![promotions::operations::get_gift_card::function()])
}
