//! The Lambda `list-search-rules`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![search::operations::list_search_rules::function()])
}
