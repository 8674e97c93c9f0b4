//! The Lambda `recommend-for-product`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![recommendations::operations::recommend_for_product::function()])
}
