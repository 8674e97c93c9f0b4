//! The Lambda `get-export`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![exchange::operations::get_export::function()])
}
