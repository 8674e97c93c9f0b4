//! The Lambda `record-views`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![recommendations::operations::record_views::function()])
}
