//! Serves the keys of access tokens.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![users::operations::get_jwks::function()])
}
