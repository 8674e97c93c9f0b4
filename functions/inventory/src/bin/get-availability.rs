//! The Lambda `get-availability`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![inventory::operations::get_availability::function()])
}
