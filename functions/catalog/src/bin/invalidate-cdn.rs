//! The Lambda `invalidate-cdn`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![catalog::operations::invalidate_cdn::function()])
}
