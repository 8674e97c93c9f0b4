//! The Lambda `change-review`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![reviews::operations::change_review::function()])
}
