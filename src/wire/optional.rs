//! Fields that may be away, in the two ways that plain `Option` can't tell.
//!
//! In an API description both stand for an optional field: `#[schema(value_type = Option<String>)]`.

use serde::de::{DeserializeOwned, Deserializer, Error};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

/// A field whose absence or wrong type is for the handler to judge: missing, `null` and mistyped are all `None`. For
/// paths that answer e.g. 422 `INVALID_EMAIL` where others answer `VALIDATION_ERROR`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lenient<T>(pub Option<T>);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Asking for an option makes serde answer a missing field with `None` instead of an error.
        let value = Option::<Value>::deserialize(deserializer)?;
        Ok(Self(value.and_then(|value| T::deserialize(value).ok())))
    }
}

/// A field of an update: left out, emptied, or set. Needs `#[serde(default)]`; without it a missing field is refused, so
/// that a forgotten attribute can't empty what the caller never mentioned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Patch<T> {
    #[default]
    Absent,
    Null,
    Value(T),
}

impl<T> Patch<T> {
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// `None` to leave the field, `Some(None)` to empty it, `Some(Some(value))` to set it.
    pub fn into_change(self) -> Option<Option<T>> {
        match self {
            Self::Absent => None,
            Self::Null => Some(None),
            Self::Value(value) => Some(Some(value)),
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Null => Ok(Self::Null),
            value => T::deserialize(value).map(Self::Value).map_err(D::Error::custom),
        }
    }
}

/// With `#[serde(skip_serializing_if = "Patch::is_absent")]`; an absent field that is written all the same is `null`.
impl<T: Serialize> Serialize for Patch<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Absent | Self::Null => serializer.serialize_none(),
            Self::Value(value) => value.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json};
    use utoipa::{PartialSchema, ToSchema};

    #[derive(Debug, Deserialize)]
    struct SignUp {
        email: Lenient<String>,
    }

    #[derive(Debug, Deserialize)]
    struct Update {
        #[serde(default)]
        image: Patch<String>,
    }

    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Careless {
        image: Patch<String>,
    }

    #[test]
    fn lenient_is_none_for_whatever_is_not_the_type() {
        for (body, email) in [
            (json!({}), None),
            (json!({"email": null}), None),
            (json!({"email": 5}), None),
            (json!({"email": {"a": []}}), None),
            (json!({"email": "a@b.c"}), Some("a@b.c")),
        ] {
            assert_eq!(from_value::<SignUp>(body).unwrap().email.0.as_deref(), email);
        }
    }

    #[derive(ToSchema)]
    #[allow(dead_code)]
    struct Described {
        #[schema(value_type = Option<String>)]
        email: Lenient<String>,
        #[schema(value_type = Option<String>)]
        image: Patch<String>,
    }

    #[test]
    fn described_as_optional() {
        let schema = serde_json::to_value(Described::schema()).unwrap();
        assert_eq!(schema["properties"]["email"], json!({ "type": ["string", "null"] }));
        assert_eq!(schema["properties"]["image"], schema["properties"]["email"]);
        assert_eq!(schema.get("required"), None);
    }

    #[test]
    fn patch_tells_absent_from_null() {
        for (body, image) in [
            (json!({}), Patch::Absent),
            (json!({"image": null}), Patch::Null),
            (json!({"image": "x"}), Patch::Value("x".to_owned())),
        ] {
            assert_eq!(from_value::<Update>(body).unwrap().image, image);
        }
        assert!(from_value::<Update>(json!({"image": 5})).is_err());
        assert!(from_value::<Careless>(json!({})).is_err());
    }
}
