//! The Lambda `confirm-password-reset`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![users::operations::confirm_password_reset::function()])
}
