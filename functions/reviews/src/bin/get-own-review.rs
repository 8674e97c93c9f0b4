//! The Lambda `get-own-review`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![reviews::operations::get_own_review::function()])
}
