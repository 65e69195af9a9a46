//! Reads a JSON object by hand: goes on after a mistake, so that all of them are told at once, and notes what it was not
//! asked for.

use chrysalis_domain::Span;
use serde_json::Value;

use crate::wire::body::Fields;
use crate::wire::error::{ApiError, FieldError};
use crate::wire::length;

/// An object somewhere in a request.
pub(super) struct Object {
    path: String,
    fields: Fields,
}

#[derive(Default)]
pub(super) struct Reader {
    errors: Vec<FieldError>,
    /// Paths of keys that mean nothing.
    pub(super) unknown: Vec<String>,
}

/// Keys that are told of: a request has room for many.
const UNKNOWN_MAX: usize = 50;

impl Object {
    /// The request itself.
    pub(super) fn root(fields: Fields) -> Self {
        Self { path: String::new(), fields }
    }

    /// An object that was made up in another's place.
    pub(super) fn stand_at(&mut self, path: String) {
        self.path = path;
    }

    /// Where a field stands.
    pub(super) fn place(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.fields.remove(name)
    }

    /// A field that is true or false, where it may be something else.
    pub(super) fn is_switch(&self, name: &str) -> Option<bool> {
        self.fields.get(name).and_then(Value::as_bool)
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.fields.keys().cloned().collect()
    }
}

impl Reader {
    pub(super) fn mistake(&mut self, field: String, code: &'static str, message: impl Into<String>) {
        self.errors.push(FieldError { field, message: message.into(), code });
    }

    /// Mistakes so far.
    pub(super) fn mistakes(&self) -> usize {
        self.errors.len()
    }

    fn mistyped(&mut self, object: &Object, name: &str, message: &str) {
        self.mistake(object.place(name), "INVALID_TYPE", message);
    }

    pub(super) fn unfit(&mut self, object: &Object, name: &str, message: impl Into<String>) {
        self.mistake(object.place(name), "INVALID_VALUE", message);
    }

    pub(super) fn object(&mut self, object: &mut Object, name: &str) -> Option<Object> {
        match object.take(name)? {
            Value::Object(fields) => Some(Object { path: object.place(name), fields }),
            _ => {
                self.mistyped(object, name, "must be an object");
                None
            }
        }
    }

    pub(super) fn switch(&mut self, object: &mut Object, name: &str) -> Option<bool> {
        match object.take(name)? {
            Value::Bool(on) => Some(on),
            _ => {
                self.mistyped(object, name, "must be true or false");
                None
            }
        }
    }

    /// What this server does not offer can be named, as long as it is off.
    pub(super) fn off(&mut self, object: &mut Object, name: &str) {
        if self.switch(object, name) == Some(true) {
            self.unfit(object, name, "is not offered by this server and can only be false");
        }
    }

    pub(super) fn whole(&mut self, object: &mut Object, name: &str) -> Option<i64> {
        let value = object.take(name)?;
        let whole = whole_number(&value);
        if whole.is_none() {
            self.mistyped(object, name, "must be a whole number");
        }
        whole
    }

    /// `null` is none.
    pub(super) fn whole_or_none(&mut self, object: &mut Object, name: &str) -> Option<Option<i64>> {
        match object.take(name)? {
            Value::Null => Some(None),
            value => match whole_number(&value) {
                Some(number) => Some(Some(number)),
                None => {
                    self.mistyped(object, name, "must be a whole number, or null");
                    None
                }
            },
        }
    }

    /// `null` is none.
    pub(super) fn length_or_none(&mut self, object: &mut Object, name: &str) -> Option<Option<Span>> {
        let value = object.take(name)?;
        let length = match &value {
            Value::Null => return Some(None),
            Value::String(text) => length::parse(text),
            _ => None,
        };
        if length.is_none() {
            self.mistyped(object, name, "must be a length of time, such as \"7 days\" or \"15 minutes\"");
        }
        length.map(Some)
    }

    pub(super) fn length(&mut self, object: &mut Object, name: &str) -> Option<Span> {
        let length = self.length_or_none(object, name)?;
        if length.is_none() {
            self.mistyped(object, name, "must be a length of time, such as \"7 days\" or \"15 minutes\"");
        }
        length
    }

    /// `null` is none.
    pub(super) fn text_or_none(&mut self, object: &mut Object, name: &str) -> Option<Option<String>> {
        match object.take(name)? {
            Value::Null => Some(None),
            Value::String(text) => Some(Some(text)),
            _ => {
                self.mistyped(object, name, "must be a string");
                None
            }
        }
    }

    pub(super) fn texts(&mut self, object: &mut Object, name: &str) -> Option<Vec<String>> {
        let Value::Array(values) = object.take(name)? else {
            self.mistyped(object, name, "must be an array of strings");
            return None;
        };
        let texts = values.into_iter().enumerate().filter_map(|(index, value)| match value {
            Value::String(text) => Some(text),
            _ => {
                self.mistyped(object, &format!("{name}[{index}]"), "must be a string");
                None
            }
        });
        Some(texts.collect())
    }

    /// Whatever else it holds means nothing.
    pub(super) fn rest(&mut self, object: &Object) {
        let room = UNKNOWN_MAX.saturating_sub(self.unknown.len());
        self.unknown.extend(object.fields.keys().take(room).map(|name| object.place(name)));
    }

    /// # Errors
    /// Every mistake there was.
    pub(super) fn done(self) -> Result<Vec<String>, ApiError> {
        if self.errors.is_empty() { Ok(self.unknown) } else { Err(ApiError::validation(self.errors)) }
    }
}

/// JavaScript knows one kind of number: `3600.0` is as whole as `3600`.
fn whole_number(value: &Value) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    value.as_i64().or_else(|| {
        let number = value.as_f64().filter(|number| number.fract() == 0.0 && number.abs() <= EXACT)?;
        #[allow(clippy::cast_possible_truncation, reason = "it is whole, and an f64 holds it exactly")]
        Some(number as i64)
    })
}
