//! The Lambda `start-reindex`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![search::operations::start_reindex::function()])
}
