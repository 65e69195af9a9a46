//! An event as a line of JSON: every field of its leaf in the leaf's order, and then the leaf.
//!
//! There is one way to write an event, byte for byte, and what is written any other way is no line: a reader writes anew
//! what it read and compares. So whatever is changed in a line is noticed, also what no parser would care about.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrysalis_domain::Timestamp;
use chrysalis_domain::id::SealedId;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::ser::{SerializeSeq, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::log::SealedRef;
use crate::log::record::Fields;
use crate::wire::json_time::JsonTime;

/// The line of an event. Fields that an event may lack are `null`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Line<'e> {
    position: u64,
    #[serde(borrow)]
    project: Text<'e>,
    #[serde(borrow)]
    stream: Text<'e>,
    version: u64,
    #[serde(borrow)]
    id: Text<'e>,
    #[serde(borrow, rename = "type")]
    event_type: Text<'e>,
    type_version: u16,
    recorded_at: Instant,
    occurred_at: Instant,
    #[serde(borrow)]
    actor: Actor<'e>,
    #[serde(borrow)]
    request_id: Option<Text<'e>>,
    #[serde(borrow)]
    command_id: Text<'e>,
    #[serde(borrow)]
    cause: Option<Text<'e>>,
    settings_version: u64,
    #[serde(borrow)]
    sealed: Sealed<'e>,
    /// The body's own bytes, where they are an object of JSON on one line: everything that Chrysalis writes is.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    data: Option<&'e RawValue>,
    /// Any other body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data_bytes: Option<Bytes>,
    leaf: Hash,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Actor<'e> {
    #[serde(borrow, rename = "type")]
    kind: Text<'e>,
    #[serde(borrow)]
    id: Option<Text<'e>>,
    #[serde(borrow)]
    by: Option<Text<'e>>,
    #[serde(borrow)]
    impersonator: Option<Text<'e>>,
}

/// Why a line is none that an export writes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    #[error("it does not read as an event: {0}")]
    Unreadable(String),
    #[error("it is not written as an export writes it, from byte {0} on")]
    Form(usize),
}

impl<'e> Line<'e> {
    pub fn of(event: &Fields<'e>, leaf: [u8; 32]) -> Self {
        let data = one_line_object(event.body);
        Self {
            position: event.position,
            project: text(event.project),
            stream: text(event.stream),
            version: event.version,
            id: text(event.event_id),
            event_type: text(event.event_type),
            type_version: event.type_version,
            recorded_at: Instant(event.recorded_at),
            occurred_at: Instant(event.occurred_at),
            actor: Actor {
                kind: text(event.actor_type),
                id: event.actor_id.map(text),
                by: event.actor_by.map(text),
                impersonator: event.impersonator.map(text),
            },
            request_id: event.request_id.map(text),
            command_id: text(event.command_id),
            cause: event.cause.map(text),
            settings_version: event.settings_version,
            sealed: Sealed(Cow::Borrowed(event.sealed)),
            data,
            data_bytes: data.is_none().then(|| Bytes(event.body.to_vec())),
            leaf: Hash(leaf),
        }
    }

    /// Puts the line down, without its end.
    pub fn write(&self, out: &mut Vec<u8>) -> std::io::Result<()> {
        serde_json::to_writer(out, self).map_err(Into::into)
    }

    /// Reads a line without its end. `again` is room to write it anew.
    pub fn read(text: &'e str, again: &mut Vec<u8>) -> Result<Self, Flaw> {
        let line = Self::parse(text)?;
        line.is_written(text, again).map(|()| line)
    }

    /// Reads what may be written in any way.
    pub fn parse(text: &'e str) -> Result<Self, Flaw> {
        serde_json::from_str(text).map_err(|error| Flaw::Unreadable(error.to_string()))
    }

    /// Whether a text is what would be written to say this.
    pub fn is_written(&self, text: &str, again: &mut Vec<u8>) -> Result<(), Flaw> {
        again.clear();
        self.write(again).map_err(|error| Flaw::Unreadable(error.to_string()))?;
        if again != text.as_bytes() {
            let same = again.iter().zip(text.as_bytes()).take_while(|(one, other)| one == other).count();
            return Err(Flaw::Form(same));
        }
        self.is_proper()
    }

    /// Whether it says everything in the way it has to be said, though it could be said otherwise.
    fn is_proper(&self) -> Result<(), Flaw> {
        let said = |said: &str| Err(Flaw::Unreadable(said.to_owned()));
        let actor = &self.actor;
        let optional = [&actor.id, &actor.by, &actor.impersonator, &self.request_id, &self.cause];
        // To the leaf both are the same.
        if optional.into_iter().flatten().any(|text| text.0.is_empty()) {
            return said("a text is empty that is null where there is none");
        }
        match (self.data, &self.data_bytes) {
            (Some(data), None) if one_line_object(data.get().as_bytes()).is_some() => Ok(()),
            (None, Some(bytes)) if one_line_object(&bytes.0).is_none() => Ok(()),
            (Some(_), None) => said("`data` is no object, or holds a line break"),
            (None, Some(_)) => said("`dataBytes` is an object, which stands in `data`"),
            _ => said("one of `data` and `dataBytes` has to be there, and not both"),
        }
    }

    /// The leaf that the line states of itself.
    pub fn stated(&self) -> [u8; 32] {
        self.leaf.0
    }

    pub fn fields(&self) -> Fields<'_> {
        let body = self.data.map(|data| data.get().as_bytes());
        Fields {
            position: self.position,
            project: &self.project.0,
            stream: &self.stream.0,
            version: self.version,
            event_id: &self.id.0,
            event_type: &self.event_type.0,
            type_version: self.type_version,
            recorded_at: self.recorded_at.0,
            occurred_at: self.occurred_at.0,
            actor_type: &self.actor.kind.0,
            actor_id: optional(&self.actor.id),
            actor_by: optional(&self.actor.by),
            impersonator: optional(&self.actor.impersonator),
            request_id: optional(&self.request_id),
            command_id: &self.command_id.0,
            cause: optional(&self.cause),
            settings_version: self.settings_version,
            sealed: &self.sealed.0,
            body: body.or(self.data_bytes.as_ref().map(|bytes| bytes.0.as_slice())).unwrap_or_default(),
        }
    }
}

/// The body, if it can stand in a line as it is and be found there again to the byte.
fn one_line_object(body: &[u8]) -> Option<&RawValue> {
    if body.first() != Some(&b'{') || body.contains(&b'\n') || body.contains(&b'\r') {
        return None;
    }
    serde_json::from_slice::<&RawValue>(body).ok().filter(|raw| raw.get().len() == body.len())
}

/// Text, not copied where it stands in the line as it is.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Text<'e>(#[serde(borrow)] Cow<'e, str>);

fn text(text: &str) -> Text<'_> {
    Text(Cow::Borrowed(text))
}

fn optional<'t>(text: &'t Option<Text<'_>>) -> Option<&'t str> {
    text.as_ref().map(|text| text.0.as_ref())
}

/// `YYYY-MM-DDTHH:MM:SS.mmmZ`; milliseconds since 1970 where that form does not reach.
struct Instant(Timestamp);

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match JsonTime::from_millis(self.0.as_millis()) {
            Ok(time) => time.serialize(serializer),
            Err(_) => serializer.serialize_i64(self.0.as_millis()),
        }
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Millis;
        impl Visitor<'_> for Millis {
            type Value = Instant;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a date YYYY-MM-DDTHH:MM:SS.mmmZ")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Instant, E> {
                JsonTime::parse(text).map(|time| Instant(time.0)).map_err(E::custom)
            }
            fn visit_i64<E: de::Error>(self, millis: i64) -> Result<Instant, E> {
                Ok(Instant(Timestamp::from_millis(millis)))
            }
            fn visit_u64<E: de::Error>(self, millis: u64) -> Result<Instant, E> {
                i64::try_from(millis).map_err(E::custom).and_then(|millis| self.visit_i64(millis))
            }
        }
        deserializer.deserialize_any(Millis)
    }
}

/// The sealed records that an event names, encoded as the log keeps them. Bytes that are no such list, which nothing
/// writes, stand as they are.
struct Sealed<'e>(Cow<'e, [u8]>);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealedItem {
    id: SealedId,
    commitment: Hash,
}

impl Serialize for Sealed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let all = SealedRef::decode(&self.0);
        if all.len() * SealedRef::LEN != self.0.len() {
            return serializer.serialize_str(&STANDARD.encode(&self.0));
        }
        let mut list = serializer.serialize_seq(Some(all.len()))?;
        for SealedRef { id, commitment } in all {
            list.serialize_element(&SealedItem { id, commitment: Hash(commitment) })?;
        }
        list.end()
    }
}

impl<'de> Deserialize<'de> for Sealed<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Vec<u8>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of sealed records")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<u8>, E> {
                STANDARD.decode(text).map_err(E::custom)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<u8>, A::Error> {
                let mut all = Vec::new();
                while let Some(SealedItem { id, commitment }) = list.next_element()? {
                    all.extend(SealedRef::encode(&[SealedRef { id, commitment: commitment.0 }]));
                }
                Ok(all)
            }
        }
        deserializer.deserialize_any(List).map(|all| Self(Cow::Owned(all)))
    }
}

/// 32 bytes in base 64, as checkpoints write them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hash(pub [u8; 32]);

/// Characters of a hash.
const HASH_CHARS: usize = 44;

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = [0; HASH_CHARS];
        // It fits; and base 64 is ASCII.
        let written = STANDARD.encode_slice(self.0, &mut text).unwrap_or_default();
        serializer.serialize_str(std::str::from_utf8(&text[..written]).unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Base64;
        impl Visitor<'_> for Base64 {
            type Value = Hash;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("32 bytes in base 64")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Hash, E> {
                let mut bytes = [0; HASH_CHARS];
                let read = STANDARD.decode_slice(text, &mut bytes).map_err(E::custom)?;
                bytes[..read].try_into().map(Hash).map_err(|_| E::invalid_length(read, &self))
            }
        }
        deserializer.deserialize_str(Base64)
    }
}

/// Any bytes in base 64.
struct Bytes(Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(deserializer)?;
        STANDARD.decode(text.0.as_bytes()).map(Self).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
