//! The Lambda `get-me`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![users::operations::get_me::function()])
}
