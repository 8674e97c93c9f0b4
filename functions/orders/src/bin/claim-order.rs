//! The Lambda `claim-order`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![orders::operations::claim_order::function()])
}
