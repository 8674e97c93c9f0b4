//! The Lambda `post-review`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![reviews::operations::post_review::function()])
}
