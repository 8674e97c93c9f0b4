//! The Lambda `delete-search-rule`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![search::operations::delete_search_rule::function()])
}
