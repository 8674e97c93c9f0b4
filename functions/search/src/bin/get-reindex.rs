//! The Lambda `get-reindex`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![search::operations::get_reindex::function()])
}
