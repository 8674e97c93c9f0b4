//! The Lambda `list-categories`. The tree of categories.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![catalog::operations::list_categories::function()])
}
