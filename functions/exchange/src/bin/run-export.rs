//! The Lambda `run-export`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![exchange::operations::run_export::function()])
}
