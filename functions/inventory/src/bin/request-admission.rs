//! The Lambda `request-admission`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![inventory::operations::request_admission::function()])
}
