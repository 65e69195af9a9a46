//! A time as people write it who ask about the past: RFC 3339 with any offset, a date, or epoch milliseconds.
//!
//! A date is the first moment of that day in UTC. What is finer than a millisecond is cut off: the log knows nothing finer.

use std::borrow::Cow;
use std::fmt;

use chrysalis_domain::Timestamp;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::json_time::JsonTime;

/// A [`Timestamp`] that somebody wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub Timestamp);

const FORMS: &str = "a time of RFC 3339 such as 2027-01-15T08:00:00Z (in a query + is %2B), a date such as 2027-01-15, or \
                     epoch milliseconds";

/// The text is no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {FORMS}")]
pub struct NoMoment;

/// What stands before the seconds' fraction and the offset.
const CIVIL: &[u8; 19] = b"0000-00-00T00:00:00";
const DATE: usize = 10;

impl Moment {
    pub fn parse(text: &str) -> Result<Self, NoMoment> {
        if let Ok(time) = JsonTime::parse(text) {
            return Ok(Self(time.0));
        }
        let fits = |length: usize| {
            text.as_bytes().get(..length).is_some_and(|start| {
                start.iter().zip(CIVIL).all(|(byte, form)| match form {
                    b'0' => byte.is_ascii_digit(),
                    _ => byte.eq_ignore_ascii_case(form),
                })
            })
        };
        let whole = match text.len() {
            DATE if fits(DATE) => format!("{text}T00:00:00Z"),
            _ if fits(CIVIL.len()) && ends(&text[CIVIL.len()..]) => text.to_ascii_uppercase(),
            _ => return Err(NoMoment),
        };
        let instant: jiff::Timestamp = whole.parse().map_err(|_| NoMoment)?;
        JsonTime::from_millis(instant.as_millisecond()).map(|time| Self(time.0)).map_err(|_| NoMoment)
    }
}

/// A fraction, or none, and an offset: `Z`, or hours and minutes behind a sign.
fn ends(rest: &str) -> bool {
    let offset = match rest.strip_prefix('.') {
        Some(fraction) => {
            let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
            if !(1..=9).contains(&digits) {
                return false;
            }
            &fraction[digits..]
        }
        None => rest,
    };
    match offset.as_bytes() {
        [b'Z' | b'z'] => true,
        [b'+' | b'-', hours @ .., b':', tens, ones] => {
            hours.len() == 2 && hours.iter().chain([tens, ones]).all(u8::is_ascii_digit)
        }
        _ => false,
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;
        impl Visitor<'_> for Written {
            type Value = Moment;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(FORMS)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Moment, E> {
                Moment::parse(text).map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
            fn visit_i64<E: de::Error>(self, millis: i64) -> Result<Moment, E> {
                let time = JsonTime::from_millis(millis);
                time.map(|time| Moment(time.0)).map_err(|_| E::invalid_value(de::Unexpected::Signed(millis), &self))
            }
            fn visit_u64<E: de::Error>(self, millis: u64) -> Result<Moment, E> {
                self.visit_i64(i64::try_from(millis).unwrap_or(i64::MAX))
            }
        }
        deserializer.deserialize_any(Written)
    }
}

impl PartialSchema for Moment {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).description(Some(FORMS)).into()
    }
}

impl ToSchema for Moment {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Moment")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_instant_is_read_however_it_is_written() {
        for text in [
            "2027-01-15T08:00:00.007Z",
            "2027-01-15t08:00:00.007z",
            "2027-01-15T08:00:00.0079Z",
            "2027-01-15T09:00:00.007+01:00",
            "2027-01-15T03:30:00.007000001-04:30",
            "1800000000007",
        ] {
            assert_eq!(Moment::parse(text), Ok(Moment(Timestamp::from_millis(1_800_000_000_007))), "{text}");
        }
        let day = Moment(Timestamp::from_millis(1_799_971_200_000));
        assert_eq!(Moment::parse("2027-01-15"), Ok(day));
        assert_eq!(Moment::parse("2027-01-15T00:00:00Z"), Ok(day));
        assert_eq!(serde_json::from_str::<Moment>("1799971200000").unwrap(), day);
    }

    #[test]
    fn nothing_else_is() {
        for text in [
            "",
            "now",
            "yesterday",
            "2027-01",
            "2027-13-01",
            "2027-02-30",
            "2027-01-15 ",
            "2027-01-15T08:00",
            "2027-01-15T08:00:00",
            "2027-01-15 08:00:00Z",
            "2027-01-15T08:00:00 01:00",
            "2027-01-15T08:00:00+01",
            "2027-01-15T08:00:00+0100",
            "2027-01-15T08:00:00+ab:cd",
            "2027-01-15T08:00:00.Z",
            "2027-01-15T08:00:00.0123456789Z",
            "2027-01-15T25:00:00Z",
            "2027-01-15T08:00:00Z[UTC]",
            "2027-01-15T08:00:00\u{e9}",
            "é027-01-15",
            "99999999999999999999",
        ] {
            assert_eq!(Moment::parse(text), Err(NoMoment), "{text}");
        }
        for json in ["null", "1.5", "{}", "[\"2027-01-15\"]", "true"] {
            assert!(serde_json::from_str::<Moment>(json).is_err(), "{json}");
        }
    }
}
