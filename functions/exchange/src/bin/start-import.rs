//! The Lambda `start-import`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![exchange::operations::start_import::function()])
}
