//! The Lambda `get-warehouses`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![inventory::operations::get_warehouses::function()])
}
