//! The Lambda `retry-payment`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![checkout::operations::retry_payment::function()])
}
