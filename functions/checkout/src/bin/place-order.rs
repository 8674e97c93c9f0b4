//! The Lambda `place-order`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![checkout::operations::place_order::function()])
}
