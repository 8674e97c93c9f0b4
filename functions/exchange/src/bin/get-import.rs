//! The Lambda `get-import`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![exchange::operations::get_import::function()])
}
