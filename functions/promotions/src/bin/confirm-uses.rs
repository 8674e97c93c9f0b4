//! The Lambda `confirm-uses`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![promotions::operations::confirm_uses::function()])
}
