//! The Lambda `set-search-rule`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![search::operations::set_search_rule::function()])
}
