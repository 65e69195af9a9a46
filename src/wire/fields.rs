//! From JSON objects and text pairs to typed requests, naming the field at fault.
//!
//! A name that comes twice counts once, with its last value, at every depth: that is how `JSON.parse` reads, and since
//! the request is read only here no other reader can disagree. Unknown names are ignored unless the type denies them.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::{Error as TextError, MapDeserializer};
use serde::de::{DeserializeOwned, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

use super::error::FieldError;

/// Reads a request out of a JSON object.
pub fn from_json<T: DeserializeOwned>(object: Map<String, Value>) -> Result<T, FieldError> {
    serde_path_to_error::deserialize(Value::Object(object)).map_err(describe)
}

/// Reads a request out of a query or a form, where every value is text: `true`, `false` and whole numbers are read where
/// the type asks for them.
pub fn from_text<T: DeserializeOwned>(pairs: impl IntoIterator<Item = (String, String)>) -> Result<T, FieldError> {
    let last_wins: BTreeMap<String, String> = pairs.into_iter().collect();
    let map = last_wins.into_iter().map(|(name, value)| (name, Text(value)));
    serde_path_to_error::deserialize(MapDeserializer::<_, TextError>::new(map)).map_err(describe)
}

/// A text value that answers to whatever type is asked of it.
struct Text(String);

impl<'de> IntoDeserializer<'de, TextError> for Text {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! parsed {
    ($($ask:ident $visit:ident)*) => {$(
        fn $ask<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TextError> {
            match self.0.parse() {
                Ok(value) => visitor.$visit(value),
                Err(_) => visitor.visit_string(self.0),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Text {
    type Error = TextError;

    parsed! {
        deserialize_bool visit_bool
        deserialize_u8 visit_u8 deserialize_u16 visit_u16 deserialize_u32 visit_u32 deserialize_u64 visit_u64
        deserialize_i8 visit_i8 deserialize_i16 visit_i16 deserialize_i32 visit_i32 deserialize_i64 visit_i64
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TextError> {
        visitor.visit_string(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TextError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, TextError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TextError> {
        visitor.visit_enum(self.0.into_deserializer())
    }

    forward_to_deserialize_any! {
        i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier
        ignored_any
    }
}

/// Turns serde's sentence into a field error. The sentence quotes the value, which may be a password, so only its
/// tail, what was expected, is kept. Sentences of our own `Deserialize` implementations pass as they are.
fn describe<E: fmt::Display>(error: serde_path_to_error::Error<E>) -> FieldError {
    let path = match error.path().to_string() {
        root if root == "." => String::new(),
        path => path,
    };
    let sentence = error.into_inner().to_string();
    let child = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };

    if let Some(name) = sentence.strip_prefix("missing field `") {
        return FieldError { field: child(name.trim_end_matches('`')), message: "Required".into(), code: "REQUIRED" };
    }
    if let Some(rest) = sentence.strip_prefix("unknown field `") {
        let end = rest.rfind("`, expected").or_else(|| rest.rfind("`, there are no fields")).unwrap_or(rest.len());
        // The deserialiser of an object already counts the unknown key into the path, that of text pairs does not.
        let name = rest.get(..end).unwrap_or(rest);
        let field = if path == name || path.ends_with(&format!(".{name}")) { path } else { child(name) };
        return FieldError { field, message: "Unknown field".into(), code: "UNKNOWN_FIELD" };
    }
    let expected = sentence.rfind(", expected ").and_then(|at| sentence.get(at + ", expected ".len()..));
    let (message, code) = match expected {
        Some(what) if sentence.starts_with("invalid type: ") => (format!("Expected {what}"), "INVALID_TYPE"),
        Some(what) if SERDE.iter().any(|start| sentence.starts_with(start)) => {
            (format!("Expected {what}"), "INVALID_VALUE")
        }
        _ => (sentence, "INVALID_VALUE"),
    };
    FieldError { field: path, message, code }
}

/// How serde starts the sentences that quote a value.
const SERDE: [&str; 3] = ["invalid value: ", "invalid length ", "unknown variant `"];

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Request {
        email: String,
        remember: Option<bool>,
        limit: Option<u32>,
        kind: Option<Kind>,
        entry: Option<Entry>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Entry {
        channel: String,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "kebab-case")]
    enum Kind {
        SignIn,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Strict {
        filter: Option<Filter>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Filter {
        role: Option<String>,
    }

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn names_the_field_and_never_the_value() {
        for (body, field, message, code) in [
            (json!({}), "email", "Required", "REQUIRED"),
            (json!({"email": 5}), "email", "Expected a string", "INVALID_TYPE"),
            (json!({"email": null}), "email", "Expected a string", "INVALID_TYPE"),
            (json!({"email": "a", "entry": {}}), "entry.channel", "Required", "REQUIRED"),
            (
                json!({"email": "a", "entry": {"channel": {"userId": "x"}}}),
                "entry.channel",
                "Expected a string",
                "INVALID_TYPE",
            ),
            (json!({"email": "a", "limit": "s3cret"}), "limit", "Expected u32", "INVALID_TYPE"),
            (json!({"email": "a", "limit": -4}), "limit", "Expected u32", "INVALID_VALUE"),
            (json!({"email": "a", "kind": "s3cret, expected `"}), "kind", "Expected `sign-in`", "INVALID_VALUE"),
        ] {
            let error = from_json::<Request>(object(body)).unwrap_err();
            assert_eq!((error.field.as_str(), error.message.as_str(), error.code), (field, message, code));
        }
    }

    #[test]
    fn names_unknown_fields_where_the_type_denies_them() {
        for (body, field) in [(json!({"fliter": 1}), "fliter"), (json!({"filter": {"ro`le": 1}}), "filter.ro`le")] {
            let error = from_json::<Strict>(object(body)).unwrap_err();
            assert_eq!((error.field.as_str(), error.code), (field, "UNKNOWN_FIELD"));
        }
        let error = from_text::<Strict>([("x".to_owned(), String::new())]).unwrap_err();
        assert_eq!((error.field.as_str(), error.code), ("x", "UNKNOWN_FIELD"));
    }

    fn text(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn reads_text_as_the_type_asks_and_the_last_of_a_name() {
        let read: Request = from_text(text(&[
            ("email", "1"),
            ("remember", "false"),
            ("limit", "50"),
            ("kind", "sign-in"),
            ("email", "2"),
            ("isAnonymous", "true"),
        ]))
        .unwrap();
        let expected = Request {
            email: "2".into(),
            remember: Some(false),
            limit: Some(50),
            kind: Some(Kind::SignIn),
            entry: None,
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn text_errors_look_like_json_errors() {
        for (pairs, field, code) in [
            (text(&[]), "email", "REQUIRED"),
            (text(&[("email", ""), ("limit", "many")]), "limit", "INVALID_TYPE"),
            (text(&[("email", ""), ("remember", "yes")]), "remember", "INVALID_TYPE"),
            (text(&[("email", ""), ("entry", "x")]), "entry", "INVALID_TYPE"),
            (text(&[("email", ""), ("kind", "x")]), "kind", "INVALID_VALUE"),
        ] {
            let error = from_text::<Request>(pairs).unwrap_err();
            assert_eq!((error.field.as_str(), error.code), (field, code));
        }
    }
}
