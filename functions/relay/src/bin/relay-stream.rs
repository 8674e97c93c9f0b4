//! The Lambda `relay-stream`: one function per table.

fn main() -> std::process::ExitCode {
    lambda::serve(relay::functions())
}
