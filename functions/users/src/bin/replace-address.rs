//! The Lambda `replace-address`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![users::operations::replace_address::function()])
}
