//! The Lambda `stripe-webhook`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![checkout::operations::stripe_webhook::function()])
}
