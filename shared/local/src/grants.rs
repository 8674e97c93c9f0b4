//! From the grants of a declaration to those that the engine's guard checks: the same list, with this stage's names.

use std::collections::BTreeSet;

use aws::{Grant, QueueSpec, Resource};
use lambda::{Function, Trigger};

use crate::setup;
use crate::shop::PREFIX;

/// All grants of a function in a shop with this payment provider.
pub(crate) fn of(function: &Function, queues: &[QueueSpec], payments: &str) -> BTreeSet<engine::Grant> {
    let grants = function.grants.iter().filter(|grant| grant.applies(payments));
    grants.flat_map(|grant| named(grant, queues)).collect()
}

fn named(grant: &Grant, queues: &[QueueSpec]) -> Vec<engine::Grant> {
    let queue = |name: &str| queues.iter().find(|queue| queue.name == name);
    let resource = match grant.resource {
        Resource::Table { name } => setup::table_name(name),
        Resource::Index { table, name } => format!("{}/index/{name}", setup::table_name(table)),
        Resource::Stream { table } => format!("{}/stream", setup::table_name(table)),
        Resource::Queue { name } => queue(name).map_or_else(|| format!("{PREFIX}-{name}"), setup::queue_name),
        Resource::DeadLetters { name } => {
            queue(name).map_or_else(|| format!("{PREFIX}-{name}-dead"), setup::dead_letters_name)
        }
        Resource::Key { name } => format!("key/{PREFIX}-{name}"),
        Resource::Secret { name } => format!("secret/{PREFIX}/{name}"),
        Resource::Objects { name } => format!("object/{PREFIX}-files/{name}"),
        // Neither mail nor searches nor requests to the CDN leave through the engine. What the search adapter asks for is held against its grants where
        // its exchanges are recorded (functions/search/tests).
        Resource::Sender | Resource::Search { .. } | Resource::Distribution => return Vec::new(),
    };
    grant.actions.iter().map(|action| engine::Grant::new(*action, resource.clone())).collect()
}

/// What Lambda asks for before it reads a queue or a stream for a function, whether or not the function itself uses it.
pub(crate) fn of_trigger(function: &Function) -> BTreeSet<engine::Grant> {
    let all = |actions: &[&str], resource: String| -> BTreeSet<engine::Grant> {
        actions.iter().map(|action| engine::Grant::new(*action, resource.clone())).collect()
    };
    match &function.trigger {
        Trigger::Queue { queue, .. } => {
            let reading =
                ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"];
            let mut own = all(&reading, setup::queue_name(queue));
            own.extend(all(&["sqs:SendMessage"], setup::dead_letters_name(queue)));
            own
        }
        Trigger::Stream { table, .. } => {
            let reading = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"];
            all(&reading, format!("{}/stream", setup::table_name(table.name)))
        }
        Trigger::Http(_) | Trigger::Schedule { .. } => BTreeSet::new(),
    }
}
