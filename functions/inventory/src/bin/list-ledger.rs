//! The Lambda `list-ledger`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![inventory::operations::list_ledger::function()])
}
