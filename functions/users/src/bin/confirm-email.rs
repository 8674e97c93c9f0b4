//! The Lambda `confirm-email`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![users::operations::confirm_email::function()])
}
