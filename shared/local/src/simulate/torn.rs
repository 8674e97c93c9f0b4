//! Reads of several items that are no one instant: what the engine reads at once, AWS reads item by item.
//!
//! It owns the cuts of one simulation. It must never change what is read, only when.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use engine::{BoxFuture, Call, ConnectorFailure, Layer, Next, Reply};
use serde_json::Value;
use testkit::virtual_time::Random;

/// Cuts every batch of reads in two, with a pause between them.
pub(super) struct Torn(Mutex<Random>);

impl Torn {
    pub fn of(seed: u64, function: &str) -> Self {
        Self(Mutex::new(Random::stream(seed, &format!("torn reads of {function}"))))
    }

    fn draw(&self, keys: usize) -> (usize, Duration) {
        let mut random = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let most = u64::try_from(keys).unwrap_or(1).saturating_sub(1);
        let cut = usize::try_from(random.below(most)).unwrap_or(0).saturating_add(1);
        let pause = if random.below(2) == 0 { 500 } else { 10 };
        (cut, Duration::from_millis(random.below(pause)))
    }
}

/// The keys that a batch reads, when it reads several of one table.
fn keys(body: &mut Value) -> Option<(String, &mut Vec<Value>)> {
    let mut tables = body["RequestItems"].as_object_mut()?.iter_mut();
    let (table, wanted) = tables.next()?;
    let keys = wanted["Keys"].as_array_mut().filter(|keys| keys.len() > 1)?;
    tables.next().is_none().then(|| (table.clone(), keys))
}

impl Layer for Torn {
    fn call<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Result<Reply, ConnectorFailure>> {
        Box::pin(async move {
            let (mut first, mut second) = (call.json().clone(), call.json().clone());
            if call.operation != "BatchGetItem" {
                return next.run(call).await;
            }
            let Some((table, rest)) = keys(&mut second) else { return next.run(call).await };
            let (cut, pause) = self.draw(rest.len());
            rest.drain(..cut);
            if let Some((_, begin)) = keys(&mut first) {
                begin.truncate(cut);
            }
            let before = next.run(call.clone().with_json(first)).await?;
            tokio::time::sleep(pause).await;
            let mut after = next.run(call.with_json(second)).await?;
            if !before.is_success() || !after.is_success() {
                return Ok(if before.is_success() { after } else { before });
            }
            let mut body = after.json();
            let items = before.json()["Responses"][table.as_str()].as_array().cloned().unwrap_or_default();
            if let Some(list) = body["Responses"][table.as_str()].as_array_mut() {
                list.extend(items);
            }
            after.body = body.to_string().into();
            Ok(after)
        })
    }
}
