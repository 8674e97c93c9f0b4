//! The Lambda `run-import`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![exchange::operations::run_import::function()])
}
