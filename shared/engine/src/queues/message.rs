//! A message before it is stored: its limits, its digests, its identity.
//!
//! The digests are checked by SDKs, so they follow the algorithm of the developer guide to the byte.
//! It owns no data and must never look at a clock or a queue's contents.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use super::settings::{MOST_DELAY_SECONDS, Settings};
use crate::wire::Refusal;

/// A message carries at most this many attributes.
const MOST_ATTRIBUTES: usize = 10;

/// An attribute of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct MessageAttribute {
    pub(crate) data_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) string_value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) binary_value: Option<String>,
}

pub(crate) type MessageAttributes = BTreeMap<String, MessageAttribute>;

/// What SendMessage carries, and each entry of SendMessageBatch.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Outgoing {
    #[serde(default)]
    pub(crate) message_body: String,
    pub(crate) delay_seconds: Option<i64>,
    #[serde(default)]
    pub(crate) message_attributes: MessageAttributes,
    #[serde(default)]
    pub(crate) message_system_attributes: MessageAttributes,
    pub(crate) message_group_id: Option<String>,
    pub(crate) message_deduplication_id: Option<String>,
}

impl Outgoing {
    /// The size that counts against the limit: the body, and each attribute's name, type and value.
    pub(crate) fn size(&self) -> usize {
        let attribute = |(name, attribute): (&String, &MessageAttribute)| {
            let text = attribute.string_value.as_ref().map_or(0, String::len);
            let binary = attribute.binary_value.as_ref().map_or(0, |encoded| encoded.len() / 4 * 3);
            name.len() + attribute.data_type.len() + text + binary
        };
        self.message_body.len() + self.message_attributes.iter().map(attribute).sum::<usize>()
    }

    /// Checks the message against SQS's rules and the queue's settings.
    pub(crate) fn check(&self, settings: &Settings) -> Result<(), Refusal> {
        if self.message_body.is_empty() {
            return Err(Refusal::new("MissingParameter", "The request must contain the parameter MessageBody."));
        }
        if i64::try_from(self.size()).unwrap_or(i64::MAX) > settings.most_bytes {
            let message = format!(
                "One or more parameters are invalid. Reason: Message must be shorter than {} bytes.",
                settings.most_bytes
            );
            return Err(Refusal::new("InvalidParameterValue", message));
        }
        if let Some(odd) = self.message_body.chars().find(|c| !allowed(*c)) {
            let message = format!("Invalid binary character '#x{:X}' was found in the message body", u32::from(odd));
            return Err(Refusal::new("InvalidMessageContents", message));
        }
        self.check_attributes()?;
        self.check_order(settings)
    }

    fn check_attributes(&self) -> Result<(), Refusal> {
        let refuse = |message: String| Err(Refusal::new("InvalidParameterValue", message));
        if self.message_attributes.len() > MOST_ATTRIBUTES {
            return refuse(format!(
                "Number of message attributes [{}] exceeds the allowed maximum [10].",
                self.message_attributes.len()
            ));
        }
        for (name, attribute) in self.message_attributes.iter().chain(&self.message_system_attributes) {
            let kind = attribute.data_type.split('.').next().unwrap_or_default();
            let whole = match kind {
                "String" | "Number" => attribute.string_value.as_ref().is_some_and(|value| !value.is_empty()),
                "Binary" => attribute.binary_value.as_ref().is_some_and(|value| BASE64.decode(value).is_ok()),
                _ => {
                    return refuse(format!(
                        "The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String."
                    ));
                }
            };
            if !whole {
                return refuse(format!(
                    "The message attribute '{name}' must contain a non-empty message attribute value for message attribute type '{}'.",
                    attribute.data_type
                ));
            }
        }
        if self.message_system_attributes.keys().any(|name| name != "AWSTraceHeader") {
            return refuse("The only supported message system attribute is AWSTraceHeader.".to_owned());
        }
        Ok(())
    }

    fn check_order(&self, settings: &Settings) -> Result<(), Refusal> {
        let invalid = |message: &str| Err(Refusal::new("InvalidParameterValue", message));
        if let Some(delay) = self.delay_seconds {
            if !(0..=MOST_DELAY_SECONDS).contains(&delay) {
                return invalid(&format!(
                    "Value {delay} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900."
                ));
            }
            if settings.fifo && delay != settings.delay_seconds {
                return invalid(&format!(
                    "Value {delay} for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type."
                ));
            }
        }
        if !settings.fifo {
            return match self.message_deduplication_id {
                Some(_) => invalid(
                    "The request includes a parameter that is not valid for this queue type: MessageDeduplicationId.",
                ),
                None => Ok(()),
            };
        }
        if self.message_group_id.as_ref().is_none_or(String::is_empty) {
            return Err(Refusal::new("MissingParameter", "The request must contain the parameter MessageGroupId."));
        }
        if self.message_deduplication_id.is_none() && !settings.content_deduplication {
            return invalid(
                "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
            );
        }
        Ok(())
    }
}

/// The characters that XML 1.0 allows, which is what SQS takes.
fn allowed(c: char) -> bool {
    matches!(c, '\u{9}' | '\u{A}' | '\u{D}' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// The MD5 of a body, in hex.
pub(crate) fn md5_of_text(text: &str) -> String {
    format!("{:x}", md5::compute(text))
}

/// The MD5 of attributes: sorted by name; name, type and value each after its length in four bytes, the value after
/// a byte that is 1 for text and 2 for binary. `None` without attributes.
pub(crate) fn md5_of_attributes(attributes: &MessageAttributes) -> Option<String> {
    if attributes.is_empty() {
        return None;
    }
    let mut bytes = Vec::new();
    let mut push = |part: &[u8], kind: Option<u8>| {
        bytes.extend(kind);
        bytes.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend_from_slice(part);
    };
    for (name, attribute) in attributes {
        push(name.as_bytes(), None);
        push(attribute.data_type.as_bytes(), None);
        match (&attribute.string_value, &attribute.binary_value) {
            (Some(text), _) => push(text.as_bytes(), Some(1)),
            (None, Some(encoded)) => push(&BASE64.decode(encoded).unwrap_or_default(), Some(2)),
            (None, None) => {}
        }
    }
    Some(format!("{:x}", md5::compute(bytes)))
}

/// Whether a receiver that asked for these names gets this attribute: `All`, `.*`, `prefix.*` or the name.
pub(crate) fn asked_for(name: &str, asked: &[String]) -> bool {
    asked.iter().any(|pattern| {
        pattern == "All" || pattern == name || pattern.strip_suffix(".*").is_some_and(|prefix| name.starts_with(prefix))
    })
}

/// A message's id: a UUID made from the store's salt and the row, so that it is unique without being drawn and a
/// repeated simulation sees the same ids.
pub(crate) fn message_id(salt: &str, row: i64) -> String {
    let hex = format!("{:x}", md5::compute(format!("{salt}/{row}")));
    format!("{}-{}-4{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

/// The handle of one receipt: the row, and a digest that only this receipt has.
pub(crate) fn receipt_handle(row: i64, message_id: &str, receive_count: i64) -> String {
    format!("{row}-{:x}", md5::compute(format!("{message_id}/{receive_count}")))
}

/// The row of a receipt handle.
pub(crate) fn row_of_receipt(handle: &str) -> Option<i64> {
    let (row, digest) = handle.split_once('-')?;
    (digest.len() == 32).then_some(())?;
    row.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_developer_guide() {
        assert_eq!(md5_of_text("This is a test message"), "fafb00f5732ab283681e124bf8747ed1");
        assert_eq!(md5_of_attributes(&MessageAttributes::new()), None);
        // moto and LocalStack both pin this vector, which was captured from SQS.
        let attribute = MessageAttribute {
            data_type: "Number".to_owned(),
            string_value: Some("1493147359900".to_owned()),
            binary_value: None,
        };
        let attributes = MessageAttributes::from([("timestamp".to_owned(), attribute)]);
        assert_eq!(md5_of_attributes(&attributes).as_deref(), Some("235c5c510d26fb653d073faed50ae77c"));
    }

    #[test]
    fn ids_look_like_uuids_and_differ_by_row() {
        let id = message_id("salt", 1);
        assert_eq!(id.len(), 36);
        assert_ne!(id, message_id("salt", 2));
        assert_eq!(row_of_receipt(&receipt_handle(17, &id, 3)), Some(17));
        assert_eq!(row_of_receipt("nonsense"), None);
    }
}
