//! The Lambda `delete-review`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![reviews::operations::delete_review::function()])
}
