//! The Lambda `list-addresses`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![users::operations::list_addresses::function()])
}
