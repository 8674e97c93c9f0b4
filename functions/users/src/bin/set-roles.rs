//! The Lambda `set-roles`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![users::operations::set_roles::function()])
}
