//! The Lambda `set-shards`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![inventory::operations::set_shards::function()])
}
