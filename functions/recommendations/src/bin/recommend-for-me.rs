//! The Lambda `recommend-for-me`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![recommendations::operations::recommend_for_me::function()])
}
