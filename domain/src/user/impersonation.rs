//! Somebody who administers acts as a user: who, and by which session of their own.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, de};

use crate::id::{ApiKeyId, InvalidId, SessionId, UserId};

/// Who acts as somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Impersonator {
    Admin(UserId),
    Key(ApiKeyId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Impersonation {
    pub by: Impersonator,
    /// The administrator's own session: with it this one ends. A key has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
}

impl fmt::Display for Impersonator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Impersonator::Admin(user) => user.fmt(f),
            Impersonator::Key(key) => key.fmt(f),
        }
    }
}

impl FromStr for Impersonator {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        text.parse().map(Impersonator::Admin).or_else(|_| text.parse().map(Impersonator::Key))
    }
}

impl Serialize for Impersonator {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Impersonator {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}
