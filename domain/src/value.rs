//! Values that stand in events and commands: parsed once, then trusted.
//!
//! Nothing here is personal in clear. What a person typed reaches the domain as a [`SealedId`]; the domain decides
//! about it without ever being able to read it.

use std::fmt;

use serde::{Deserialize, Serialize, de};

use crate::id::{PersonId, SealedId};
use crate::time::Timestamp;

/// A secret of the deployment's own, such as the one that an identity provider gave it: a sealed record under a key that
/// seals nothing else, so that it can be destroyed by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// Nobody: the name of the key.
    pub owner: PersonId,
    pub record: SealedId,
}

/// SHA-256 of a session token, in hexadecimal where it is written. Safe in an event: the token has 131 random bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

/// The first ten characters of a session token: time-ordered, unique, and no secret. Sessions are found by it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Locator([u8; Locator::LEN]);

impl Locator {
    pub const LEN: usize = 10;

    /// `None` unless `text` is ten ASCII letters or digits.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; Self::LEN] = text.as_bytes().try_into().ok()?;
        bytes.iter().all(u8::is_ascii_alphanumeric).then_some(Self(bytes))
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Locator {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Locator {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Locator::parse(&text).ok_or_else(|| de::Error::custom("a locator is ten letters or digits"))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&hex(&self.0)).unwrap_or_default())
    }
}

impl Serialize for TokenHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(&hex(&self.0)).unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for TokenHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        unhex(&text).map(TokenHash).ok_or_else(|| de::Error::custom("a token hash is 64 hexadecimal digits"))
    }
}

fn hex(bytes: &[u8; 32]) -> [u8; 64] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = [0; 64];
    for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    out
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(out)
}

/// How somebody showed who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// They did not: a guest.
    Anonymous,
    Password,
    Social,
    MagicLink,
    EmailOtp,
    VerificationLink,
    Recovery,
    /// Nobody did: an administrator made the user, or acts as them.
    Administrator,
}

impl Method {
    pub const fn name(self) -> &'static str {
        match self {
            Method::Anonymous => "anonymous",
            Method::Password => "password",
            Method::Social => "social",
            Method::MagicLink => "magic_link",
            Method::EmailOtp => "email_otp",
            Method::VerificationLink => "verification_link",
            Method::Recovery => "recovery",
            Method::Administrator => "administrator",
        }
    }
}

impl Method {
    const ALL: [Method; 8] = [
        Method::Anonymous,
        Method::Password,
        Method::Social,
        Method::MagicLink,
        Method::EmailOtp,
        Method::VerificationLink,
        Method::Recovery,
        Method::Administrator,
    ];

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }

    /// What other services are told of it; nothing where nobody showed anything.
    pub const fn amr(self) -> Option<Amr> {
        match self {
            Method::Anonymous | Method::Recovery => Some(Amr::Anon),
            Method::Password => Some(Amr::Pwd),
            Method::Social => Some(Amr::Fed),
            Method::MagicLink | Method::VerificationLink => Some(Amr::Email),
            Method::EmailOtp => Some(Amr::Otp),
            Method::Administrator => None,
        }
    }
}

/// Authentication Methods References, the values of RFC 8176 that apply and two of our own (`anon`, `email`, `fed`
/// are CONTRACT's names).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Amr {
    Anon,
    Pwd,
    Otp,
    Email,
    Fed,
}

/// One act of authentication: what the events of sign-in, upgrade and linking say of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authentication {
    pub method: Method,
    /// Provider id for [`Method::Social`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    pub amr: Vec<Amr>,
    pub at: Timestamp,
}

impl Authentication {
    pub fn anonymous(at: Timestamp) -> Self {
        Self { method: Method::Anonymous, provider: None, amr: vec![Amr::Anon], at }
    }

    pub fn password(at: Timestamp) -> Self {
        Self { method: Method::Password, provider: None, amr: vec![Amr::Pwd], at }
    }

    /// By something that was mailed.
    pub fn mail(proof: ProofKind, at: Timestamp) -> Self {
        let (method, amr) = match proof {
            ProofKind::MagicLink => (Method::MagicLink, Amr::Email),
            ProofKind::EmailOtp => (Method::EmailOtp, Amr::Otp),
            _ => (Method::VerificationLink, Amr::Email),
        };
        Self { method, provider: None, amr: vec![amr], at }
    }

    /// A guest who came back.
    pub fn recovery(at: Timestamp) -> Self {
        Self { method: Method::Recovery, provider: None, amr: vec![Amr::Anon], at }
    }

    pub fn administrator(at: Timestamp) -> Self {
        Self { method: Method::Administrator, provider: None, amr: Vec::new(), at }
    }

    pub fn social(provider: impl Into<String>, at: Timestamp) -> Self {
        Self { method: Method::Social, provider: Some(provider.into()), amr: vec![Amr::Fed], at }
    }
}

/// What showed that somebody reads an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProofKind {
    VerificationLink,
    MagicLink,
    EmailOtp,
    PasswordReset,
    EmailChange,
    /// A social provider that vouches for the address.
    Provider,
    /// An administrator says so.
    Administrator,
}

/// How a session's token reached us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Carrier {
    Cookie,
    Bearer,
    /// The answer that made the session was given a second time, to a repeated `Idempotency-Key`.
    Replay,
}

/// A field of a profile after an update.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    #[default]
    Kept,
    Cleared,
    Set(SealedId),
}

impl Change {
    pub fn is_kept(&self) -> bool {
        *self == Change::Kept
    }

    /// Whether a field that holds this is another afterwards.
    pub fn alters(self, held: Option<SealedId>) -> bool {
        match self {
            Change::Kept => false,
            Change::Cleared => held.is_some(),
            Change::Set(id) => held != Some(id),
        }
    }

    pub fn sealed(self) -> Option<SealedId> {
        match self {
            Change::Set(id) => Some(id),
            Change::Kept | Change::Cleared => None,
        }
    }

    /// `Set` for a value, `Kept` for none: what an optional field of a sign-up form means.
    pub fn from_option(value: Option<SealedId>) -> Self {
        value.map_or(Change::Kept, Change::Set)
    }
}

/// Where a guest came from, as the app says: for conversion figures. Labels hold no personal data by their grammar;
/// the full referrer is sealed, its host is not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Label>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<Label>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referrer_host: Option<Label>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referrer: Option<SealedId>,
}

/// A word of an operator's own vocabulary, such as a campaign: 1 to 200 ASCII letters, digits, blanks and `._-+:/`.
/// No `@`, so that no address gets into the log in clear.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Label(String);

impl Label {
    pub const MAX: usize = 200;

    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=Self::MAX).contains(&text.len());
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b" ._-+:/".contains(&b));
        (fits && plain).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of something that happens, such as `invoice.paid`: 1 to 64 of `[a-z0-9_.]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Word(String);

impl Word {
    pub const MAX: usize = 64;

    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=Self::MAX).contains(&text.len());
        let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_.".contains(&b));
        (fits && plain).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Word::parse(&text).ok_or_else(|| de::Error::custom("not a word"))
    }
}

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Label::parse(&text).ok_or_else(|| de::Error::custom("not a label"))
    }
}

/// The language somebody is written to in: a primary subtag of BCP 47, such as `en`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Locale([u8; 2]);

impl Locale {
    pub const ENGLISH: Locale = Locale(*b"en");

    /// `None` unless it is two ASCII letters in lower case (ISO 639-1).
    pub fn parse(text: &str) -> Option<Self> {
        let letters: [u8; 2] = text.as_bytes().try_into().ok()?;
        letters.iter().all(u8::is_ascii_lowercase).then_some(Self(letters))
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Serialize for Locale {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Locale {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Locale::parse(&text).ok_or_else(|| de::Error::custom("a locale is two letters"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_hash_reads_back_as_written() {
        let hash = TokenHash(std::array::from_fn(|i| i as u8 * 8));
        let text = serde_json::to_string(&hash).unwrap();
        assert_eq!(text.len(), 66);
        assert_eq!(serde_json::from_str::<TokenHash>(&text).unwrap(), hash);
        assert!(serde_json::from_str::<TokenHash>("\"00\"").is_err());
    }

    #[test]
    fn a_label_takes_no_address() {
        assert!(Label::parse("spring sale 2026/a+b").is_some());
        assert!(Label::parse("jane@example.com").is_none());
        assert!(Label::parse("").is_none());
        assert!(Label::parse(&"x".repeat(201)).is_none());
    }
}
