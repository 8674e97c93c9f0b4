//! The Lambda `merge-cart`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![cart::operations::merge_cart::function()])
}
