//! The Lambda `get-reservation`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![inventory::operations::get_reservation::function()])
}
