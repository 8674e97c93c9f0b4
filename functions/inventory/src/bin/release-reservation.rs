//! The Lambda `release-reservation`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![inventory::operations::release_reservation::function()])
}
