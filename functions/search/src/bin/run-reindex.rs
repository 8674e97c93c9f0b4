//! The Lambda `run-reindex`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![search::operations::run_reindex::function()])
}
