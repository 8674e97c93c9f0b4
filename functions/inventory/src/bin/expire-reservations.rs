//! The Lambda `expire-reservations`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![inventory::operations::expire_reservations::function()])
}
