//! From JSON objects and text pairs to typed requests, naming the field at fault.
//!
//! A name that comes twice counts once, with its last value, at every depth: that is how `JSON.parse` reads, and since
//! the request is read only here no other reader can disagree. In a query or a form it is a list where the type asks for
//! one. An object is read from an object, never from a list in the order of its fields. Unknown names are ignored unless
//! the type denies them.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::{Error as TextError, MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

use super::error::FieldError;

/// Reads a request out of a JSON object.
pub fn from_json<T: DeserializeOwned>(object: Map<String, Value>) -> Result<T, FieldError> {
    serde_path_to_error::deserialize(Json(Value::Object(object))).map_err(describe)
}

/// Reads a request out of a query or a form, where every value is text: `true`, `false` and whole numbers are read where
/// the type asks for them.
pub fn from_text<T: DeserializeOwned>(pairs: impl IntoIterator<Item = (String, String)>) -> Result<T, FieldError> {
    let mut map: BTreeMap<String, Text> = BTreeMap::new();
    for (name, value) in pairs {
        let text = map.entry(name).or_default();
        text.before.extend(text.last.replace(value));
    }
    serde_path_to_error::deserialize(MapDeserializer::<_, TextError>::new(map.into_iter())).map_err(describe)
}

/// JSON, of which an object is read from objects alone: by itself serde also takes a list of its fields for one, and an empty
/// list for one without any, as a filter that nobody gave.
struct Json(Value);

impl<'de> IntoDeserializer<'de, serde_json::Error> for Json {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Json {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, serde_json::Error> {
        match self.0 {
            Value::Object(object) => {
                let mut fields = MapDeserializer::new(object.into_iter().map(|(name, value)| (name, Json(value))));
                let read = visitor.visit_map(&mut fields)?;
                fields.end().map(|()| read)
            }
            Value::Array(list) => {
                let mut values = SeqDeserializer::new(list.into_iter().map(Json));
                let read = visitor.visit_seq(&mut values)?;
                values.end().map(|()| read)
            }
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, serde_json::Error> {
        match self.0 {
            Value::Array(_) => Err(serde_json::Error::invalid_type(Unexpected::Seq, &visitor)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, serde_json::Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, serde_json::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, serde_json::Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

/// A text value that answers to whatever type is asked of it: the last that was given by its name, or all of them.
#[derive(Default)]
struct Text {
    before: Vec<String>,
    last: Option<String>,
}

impl Text {
    fn one(text: String) -> Self {
        Self { before: Vec::new(), last: Some(text) }
    }

    fn last(self) -> String {
        self.last.unwrap_or_default()
    }
}

impl<'de> IntoDeserializer<'de, TextError> for Text {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! parsed {
    ($($ask:ident $visit:ident)*) => {$(
        fn $ask<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TextError> {
            let text = self.last();
            match text.parse() {
                Ok(value) => visitor.$visit(value),
                Err(_) => visitor.visit_string(text),
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
        visitor.visit_string(self.last())
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TextError> {
        visitor.visit_seq(SeqDeserializer::new(self.before.into_iter().chain(self.last).map(Text::one)))
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
        visitor.visit_enum(self.last().into_deserializer())
    }

    forward_to_deserialize_any! {
        i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct tuple tuple_struct map struct identifier
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
        Some(what) if sentence.starts_with("invalid type: ") => (format!("Expected {}", said(what)), "INVALID_TYPE"),
        Some(what) if SERDE.iter().any(|start| sentence.starts_with(start)) => {
            (format!("Expected {}", said(what)), "INVALID_VALUE")
        }
        _ => (sentence, "INVALID_VALUE"),
    };
    FieldError { field: path, message, code }
}

/// A type as those say who write JSON.
fn said(what: &str) -> &str {
    match what {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a sequence" => "a list",
        "a map" => "an object",
        what if what.starts_with("struct ") => "an object",
        what => what,
    }
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
        #[serde(default)]
        entries: Vec<String>,
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
            (json!({"email": "a", "limit": "s3cret"}), "limit", "Expected a whole number, 0 or more", "INVALID_TYPE"),
            (json!({"email": "a", "limit": -4}), "limit", "Expected a whole number, 0 or more", "INVALID_VALUE"),
            (json!({"email": "a", "entry": []}), "entry", "Expected an object", "INVALID_TYPE"),
            (json!({"email": "a", "entry": ["web"]}), "entry", "Expected an object", "INVALID_TYPE"),
            (json!({"email": "a", "entries": 1}), "entries", "Expected a list", "INVALID_TYPE"),
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
            ("entries", "a"),
            ("entries", "b"),
        ]))
        .unwrap();
        let expected = Request {
            email: "2".into(),
            remember: Some(false),
            limit: Some(50),
            kind: Some(Kind::SignIn),
            entry: None,
            entries: vec!["a".into(), "b".into()],
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
