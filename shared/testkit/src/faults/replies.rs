//! Refusals in the exact words of AWS, so that the SDK reads them as it would there.
//!
//! It owns the shapes of what the engine never says by itself: throttling, conflicts of transactions, failures of the
//! service. It must never decide when to say them.

use engine::{Call, Reply, Service};
use serde_json::{Value, json};

const NAMESPACE: &str = "com.amazonaws.dynamodb.v20120810";

/// Refused for want of capacity: DynamoDB has two words for it, by the table's way of paying.
pub(super) fn throttled(call: &Call, on_demand: bool) -> Reply {
    match call.service {
        Service::DynamoDb if on_demand => too_hot(&[]),
        Service::DynamoDb => {
            let message = "The level of configured provisioned throughput for the table was exceeded. Consider increasing \
                your provisioning level with the UpdateTable API.";
            let kind = format!("{NAMESPACE}#ProvisionedThroughputExceededException");
            refusal(&json!({ "__type": kind, "message": message }))
        }
        Service::Sqs => Reply::error(Service::Sqs, 400, "RequestThrottled", "Request throttled"),
        service => Reply::error(service, 400, "ThrottlingException", "Rate exceeded"),
    }
}

/// What an on-demand table answers when a partition takes no more. The reasons are pairs of `reason` and `resource`.
pub(crate) fn too_hot(reasons: &[Value]) -> Reply {
    let message = "Throughput exceeds the current capacity of your table or index. DynamoDB is automatically scaling your \
        table or index so please try again shortly. If exceptions persist, check if you have a hot key: \
        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html";
    let kind = "com.amazon.coral.availability#ThrottlingException";
    refusal(&json!({ "__type": kind, "message": message, "throttlingReasons": reasons }))
}

/// Status 500.
pub(super) fn server_error(service: Service) -> Reply {
    match service {
        Service::DynamoDb => {
            let body =
                json!({ "__type": format!("{NAMESPACE}#InternalServerError"), "message": "Internal server error" });
            Reply::raw(service, 500, body.to_string())
        }
        _ => Reply::internal(service, "internal failure"),
    }
}

/// A transaction was in the way, of one item or of one action of a transaction.
pub(super) fn conflict(call: &Call, pick: u64) -> Reply {
    let Some(actions) = call.json()["TransactItems"].as_array() else { return in_conflict() };
    let count = u64::try_from(actions.len()).unwrap_or_default().max(1);
    let hit = usize::try_from(pick % count).unwrap_or_default();
    let codes = (0..actions.len()).map(|index| if index == hit { Some(Cancelled::Conflict) } else { None });
    cancelled(&codes.collect::<Vec<_>>())
}

/// What a write of one item is answered while a transaction has that item.
pub(crate) fn in_conflict() -> Reply {
    let kind = format!("{NAMESPACE}#TransactionConflictException");
    refusal(&json!({ "__type": kind, "message": "Transaction is ongoing for the item" }))
}

/// Why one action of a transaction was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cancelled {
    /// Another transaction has the item.
    Conflict,
    /// The partition takes no more.
    Throttled,
}

/// What a transaction is answered that was cancelled: for each action a reason, or none.
pub(crate) fn cancelled(reasons: &[Option<Cancelled>]) -> Reply {
    let code = |reason: &Option<Cancelled>| match reason {
        None => "None",
        Some(Cancelled::Conflict) => "TransactionConflict",
        Some(Cancelled::Throttled) => "ThrottlingError",
    };
    let reason = |reason: &Option<Cancelled>| match reason {
        None => json!({ "Code": "None" }),
        Some(Cancelled::Conflict) => {
            json!({ "Code": code(reason), "Message": "Transaction is ongoing for the item" })
        }
        Some(Cancelled::Throttled) => {
            let message = "Throughput exceeds the current capacity of your table or index.";
            json!({ "Code": code(reason), "Message": message })
        }
    };
    let codes: Vec<_> = reasons.iter().map(code).collect();
    let message =
        format!("Transaction cancelled, please refer cancellation reasons for specific reasons [{}]", codes.join(", "));
    refusal(&json!({
        "__type": format!("{NAMESPACE}#TransactionCanceledException"),
        "CancellationReasons": reasons.iter().map(reason).collect::<Vec<_>>(),
        "Message": message,
    }))
}

fn refusal(body: &Value) -> Reply {
    Reply::raw(Service::DynamoDb, 400, body.to_string())
}
