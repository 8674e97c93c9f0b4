//! The Lambda `list-reviews`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![reviews::operations::list_reviews::function()])
}
