//! The Lambda `inspect-reviews`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![reviews::operations::inspect_reviews::function()])
}
