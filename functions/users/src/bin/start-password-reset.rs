//! The Lambda `start-password-reset`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![users::operations::start_password_reset::function()])
}
