//! The Lambda `commit-reservation`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![inventory::operations::commit_reservation::function()])
}
