//! `main` of every Lambda binary. Not generic, so that a binary only links what the libraries compiled.

use std::process::ExitCode;

use aws::{Config, Platform};
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::value::RawValue;

use crate::function::{BoxError, Function};

/// Runs one of the functions in Lambda: the one that `OXCART_FUNCTION` names, or the only one there is.
#[must_use]
pub fn serve(functions: Vec<Function>) -> ExitCode {
    match start(functions) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn start(functions: Vec<Function>) -> Result<(), BoxError> {
    let config = Config::from_env()?;
    let wanted = functions.iter().position(|function| function.name == config.function);
    let index = match (wanted, functions.len()) {
        (Some(index), _) => index,
        (None, 1) => 0,
        (None, _) => {
            let names: Vec<&str> = functions.iter().map(|function| function.name).collect();
            return Err(format!("OXCART_FUNCTION must be one of {}", names.join(", ")).into());
        }
    };
    let running = functions[index].start(&Platform::start(config)?)?;
    let handler = service_fn(move |event: LambdaEvent<Box<RawValue>>| {
        let running = running.clone();
        async move {
            let (payload, context) = event.into_parts();
            let answer = running.invoke(payload.get().to_owned(), context).await?;
            Ok::<Box<RawValue>, BoxError>(RawValue::from_string(answer)?)
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(lambda_runtime::run(handler))
}
