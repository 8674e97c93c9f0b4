//! The Lambda `suggest`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![search::operations::suggest::function()])
}
