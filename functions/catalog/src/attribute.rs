//! Facts about a product by name: text, numbers, true or false. A catalogue has thousands of different names; a product has
//! some of them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use kernel::Decimal;
use kernel::limits::{ATTRIBUTE_CHARS, ATTRIBUTES, LABEL_CHARS};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// One fact about a product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Attribute {
    /// True or false.
    Flag(bool),
    /// A whole number.
    Number(i64),
    /// A number with decimals, as 5.5.
    Decimal(Decimal),
    /// Text.
    Text(String),
}

impl<'de> Deserialize<'de> for Attribute {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fact;
        impl Visitor<'_> for Fact {
            type Value = Attribute;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, a number, true or false")
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Attribute, E> {
                Ok(Attribute::Flag(value))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Attribute, E> {
                Ok(Attribute::Number(value))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Attribute, E> {
                i64::try_from(value).map(Attribute::Number).map_err(E::custom)
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Attribute, E> {
                let whole = || value.to_string().parse().ok().map(Attribute::Number);
                let number = Decimal::of_float(value).map(Attribute::Decimal).or_else(whole);
                number.ok_or_else(|| E::custom(format!("must be {}", Decimal::RULE)))
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Attribute, E> {
                Ok(Attribute::Text(value.to_owned()))
            }
        }
        deserializer.deserialize_any(Fact)
    }
}

impl JsonSchema for Attribute {
    fn schema_name() -> Cow<'static, str> {
        "Attribute".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"], "format": "decimal", "maxLength": ATTRIBUTE_CHARS })
    }
}

/// Facts by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attributes(pub BTreeMap<String, Attribute>);

impl JsonSchema for Attributes {
    fn schema_name() -> Cow<'static, str> {
        "Attributes".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "Facts by name",
            "maxProperties": ATTRIBUTES,
            "propertyNames": { "minLength": 1, "maxLength": LABEL_CHARS },
            "additionalProperties": generator.subschema_for::<Attribute>(),
        })
    }
}
