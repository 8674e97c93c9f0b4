//! The Lambda `finish-upload`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![exchange::operations::finish_upload::function()])
}
