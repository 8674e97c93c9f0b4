//! The Lambda `remove-address`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![users::operations::remove_address::function()])
}
