//! Signs in and refreshes.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![users::operations::issue_token::function()])
}
