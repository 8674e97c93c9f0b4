//! The Lambda `add-address`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![users::operations::add_address::function()])
}
