//! The Lambda `relay-stream-transfers`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![exchange::operations::relay_stream_transfers::function()])
}
