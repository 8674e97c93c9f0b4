//! A queue's attributes: which exist, their bounds, and what they mean to the store.
//!
//! Bounds are SQS's own (developer guide, "Amazon SQS quotas"). It owns no data and must never read a message.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::wire::Refusal;
use crate::{ACCOUNT, REGION};

/// Attributes as they go over the wire: names and texts.
pub(crate) type Attributes = BTreeMap<String, String>;

/// The largest message, body and attributes together: 1 MiB (256 KiB until August 2025).
pub(crate) const MOST_MESSAGE_BYTES: i64 = 1024 * 1024;
pub(crate) const MOST_VISIBILITY_SECONDS: i64 = 43_200;
pub(crate) const MOST_DELAY_SECONDS: i64 = 900;
pub(crate) const MOST_WAIT_SECONDS: i64 = 20;

/// Attributes that are whole numbers: name, least, most, default.
const NUMBERS: [(&str, i64, i64, i64); 5] = [
    ("DelaySeconds", 0, MOST_DELAY_SECONDS, 0),
    ("MaximumMessageSize", 1024, MOST_MESSAGE_BYTES, MOST_MESSAGE_BYTES),
    ("MessageRetentionPeriod", 60, 1_209_600, 345_600),
    ("ReceiveMessageWaitTimeSeconds", 0, MOST_WAIT_SECONDS, 0),
    ("VisibilityTimeout", 0, MOST_VISIBILITY_SECONDS, 30),
];

/// Attributes that are kept and given back, and mean nothing in one process.
const KEPT: [&str; 7] = [
    "DeduplicationScope",
    "FifoThroughputLimit",
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "Policy",
    "RedriveAllowPolicy",
    "SqsManagedSseEnabled",
];

/// Where messages go that were received too often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Redrive {
    pub(crate) target: String,
    pub(crate) most_receives: i64,
}

/// A queue's attributes, parsed.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) delay_seconds: i64,
    pub(crate) most_bytes: i64,
    pub(crate) retention_seconds: i64,
    pub(crate) wait_seconds: i64,
    pub(crate) visibility_seconds: i64,
    pub(crate) fifo: bool,
    pub(crate) content_deduplication: bool,
    pub(crate) redrive: Option<Redrive>,
}

impl Settings {
    /// Parses attributes; every name must be known and every value within SQS's bounds.
    pub(crate) fn parse(name: &str, attributes: &Attributes) -> Result<Self, Refusal> {
        for attribute in attributes.keys() {
            let known = NUMBERS.iter().any(|(number, ..)| number == attribute)
                || KEPT.contains(&attribute.as_str())
                || matches!(attribute.as_str(), "FifoQueue" | "ContentBasedDeduplication" | "RedrivePolicy");
            if !known {
                return Err(Refusal::new("InvalidAttributeName", format!("Unknown Attribute {attribute}.")));
            }
        }
        let number = |name| number(attributes, name);
        let fifo = flag(attributes, "FifoQueue")?;
        if fifo != name.ends_with(".fifo") {
            let message = "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, \
                           must end with .fifo suffix and be 1 to 80 in length.";
            return Err(Refusal::new("InvalidParameterValue", message));
        }
        let content_deduplication = flag(attributes, "ContentBasedDeduplication")?;
        if content_deduplication && !fifo {
            return Err(invalid("ContentBasedDeduplication"));
        }
        Ok(Self {
            delay_seconds: number("DelaySeconds")?,
            most_bytes: number("MaximumMessageSize")?,
            retention_seconds: number("MessageRetentionPeriod")?,
            wait_seconds: number("ReceiveMessageWaitTimeSeconds")?,
            visibility_seconds: number("VisibilityTimeout")?,
            fifo,
            content_deduplication,
            redrive: redrive(attributes)?,
        })
    }
}

/// The attributes with the defaults filled in, as GetQueueAttributes answers them.
pub(crate) fn with_defaults(name: &str, attributes: &Attributes) -> Attributes {
    let mut all = attributes.clone();
    for (number, _, _, default) in NUMBERS {
        all.entry(number.to_owned()).or_insert_with(|| default.to_string());
    }
    if name.ends_with(".fifo") {
        all.entry("ContentBasedDeduplication".to_owned()).or_insert_with(|| "false".to_owned());
    }
    all.insert("QueueArn".to_owned(), queue_arn(name));
    all
}

pub(crate) fn queue_arn(name: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")
}

/// A queue's name: 1 to 80 letters, digits, hyphens and underscores, and `.fifo` for a FIFO queue.
pub(crate) fn check_name(name: &str) -> Result<(), Refusal> {
    let stem = name.strip_suffix(".fifo").unwrap_or(name);
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if stem.is_empty() || name.len() > 80 || !stem.chars().all(allowed) {
        let message = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length";
        return Err(Refusal::new("InvalidParameterValue", message));
    }
    Ok(())
}

fn invalid(attribute: &str) -> Refusal {
    Refusal::new("InvalidAttributeValue", format!("Invalid value for the parameter {attribute}."))
}

fn number(attributes: &Attributes, name: &str) -> Result<i64, Refusal> {
    let bounds = NUMBERS.iter().find(|(number, ..)| *number == name);
    let (_, least, most, default) = bounds.copied().unwrap_or((name, 0, i64::MAX, 0));
    let Some(text) = attributes.get(name) else { return Ok(default) };
    let value = text.parse::<i64>().ok().filter(|value| (least..=most).contains(value));
    value.ok_or_else(|| invalid(name))
}

fn flag(attributes: &Attributes, name: &str) -> Result<bool, Refusal> {
    match attributes.get(name).map(String::as_str) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(invalid(name)),
    }
}

fn redrive(attributes: &Attributes) -> Result<Option<Redrive>, Refusal> {
    let Some(text) = attributes.get("RedrivePolicy").filter(|text| !text.is_empty()) else { return Ok(None) };
    let policy: Value = serde_json::from_str(text).map_err(|_| invalid("RedrivePolicy"))?;
    let target = policy["deadLetterTargetArn"].as_str().and_then(|arn| arn.rsplit(':').next());
    // Terraform writes a number, the console a text; SQS takes both.
    let most = &policy["maxReceiveCount"];
    let most = most.as_i64().or_else(|| most.as_str().and_then(|text| text.parse().ok()));
    match (target, most) {
        (Some(target), Some(most_receives @ 1..=1000)) => {
            Ok(Some(Redrive { target: target.to_owned(), most_receives }))
        }
        _ => Err(invalid("RedrivePolicy")),
    }
}
