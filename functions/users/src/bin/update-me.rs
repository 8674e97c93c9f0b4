//! The Lambda `update-me`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![users::operations::update_me::function()])
}
