//! The Lambda `set-warehouses`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![inventory::operations::set_warehouses::function()])
}
