//! The Lambda `write-ledger`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![inventory::operations::write_ledger::function()])
}
