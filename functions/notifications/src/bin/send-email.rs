//! Sends mail about orders.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![notifications::operations::send_email::function()])
}
