//! Serves the issuer's discovery document.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![users::operations::get_openid_configuration::function()])
}
