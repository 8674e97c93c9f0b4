//! The Lambda `build-recommendations`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![recommendations::operations::build_recommendations::function()])
}
