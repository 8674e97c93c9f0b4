//! The Lambda `start-export`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![exchange::operations::start_export::function()])
}
