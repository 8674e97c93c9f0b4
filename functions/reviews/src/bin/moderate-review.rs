//! The Lambda `moderate-review`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![reviews::operations::moderate_review::function()])
}
