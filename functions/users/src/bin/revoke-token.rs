//! Signs out.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![users::operations::revoke_token::function()])
}
