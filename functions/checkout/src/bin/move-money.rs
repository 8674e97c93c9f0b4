//! The Lambda `move-money`.

fn main() -> std::process::ExitCode {
    lambda::serve(vec![checkout::operations::move_money::function()])
}
