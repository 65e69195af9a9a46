//! Instants as clients read them: `YYYY-MM-DDTHH:MM:SS.mmmZ` (RFC 3339, UTC, always three fraction digits).
//!
//! The stock client misreads six fraction digits and does not parse nine, so this one form is written. Written by hand, as every
//! answer has several. What callers send may be spelled in any way that [`Moment`] reads: times come from elsewhere, too.

use std::borrow::Cow;
use std::fmt;

use chrysalis_domain::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::moment::Moment;

const FORMS: &str = "a time of RFC 3339 such as 2027-01-15T08:00:00Z, a date such as 2027-01-15, or epoch milliseconds";

/// Characters of a written instant.
const CHARS: usize = 24;
/// 0000-01-01T00:00:00.000Z and 9999-12-30T22:00:00.000Z: years of four digits, in every time zone.
const FIRST: i64 = -62_167_219_200_000;
const LAST: i64 = 253_402_207_200_000;

/// A [`Timestamp`] in JSON. Reads a time of RFC 3339, a date, or whole epoch milliseconds as a number or as digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct JsonTime(pub Timestamp);

/// A text or number that is no instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a date YYYY-MM-DDTHH:MM:SS.mmmZ or epoch milliseconds")]
pub struct NoInstant;

impl JsonTime {
    /// Epoch milliseconds, from year 0 to 9999.
    pub fn from_millis(millis: i64) -> Result<Self, NoInstant> {
        if (FIRST..=LAST).contains(&millis) { Ok(Self(Timestamp::from_millis(millis))) } else { Err(NoInstant) }
    }

    /// Reads the written form or the digits of epoch milliseconds.
    pub fn parse(text: &str) -> Result<Self, NoInstant> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().map_err(|_| NoInstant).and_then(Self::from_millis);
        }
        let fits = text.len() == CHARS
            && text.bytes().zip(PATTERN).all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                _ => byte == *form,
            });
        let civil: DateTime =
            text.get(..CHARS - 1).filter(|_| fits).and_then(|civil| civil.parse().ok()).ok_or(NoInstant)?;
        // A leap second would be folded into the one before; then it is not what was written.
        let instant = Offset::UTC.to_timestamp(civil).map_err(|_| NoInstant)?;
        let time = Self::from_millis(instant.as_millisecond())?;
        if time.bytes() == text.as_bytes() { Ok(time) } else { Err(NoInstant) }
    }

    /// The written form. Beyond year 0 and 9999, the nearest instant within.
    fn bytes(self) -> [u8; CHARS] {
        let millis = self.0.as_millis().clamp(FIRST, LAST);
        let civil = jiff::Timestamp::from_millisecond(millis).map(|instant| Offset::UTC.to_datetime(instant));
        let civil = civil.unwrap_or_default();
        let mut out = *PATTERN;
        put(&mut out[0..4], civil.year().unsigned_abs());
        put(&mut out[5..7], civil.month().unsigned_abs().into());
        put(&mut out[8..10], civil.day().unsigned_abs().into());
        put(&mut out[11..13], civil.hour().unsigned_abs().into());
        put(&mut out[14..16], civil.minute().unsigned_abs().into());
        put(&mut out[17..19], civil.second().unsigned_abs().into());
        put(&mut out[20..23], civil.millisecond().unsigned_abs());
        out
    }

    fn with_text<R>(self, then: impl FnOnce(&str) -> R) -> R {
        // Digits over an ASCII pattern are always UTF-8.
        then(std::str::from_utf8(&self.bytes()).unwrap_or_default())
    }
}

const PATTERN: &[u8; CHARS] = b"0000-00-00T00:00:00.000Z";

fn put(digits: &mut [u8], mut number: u16) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
}

impl From<Timestamp> for JsonTime {
    fn from(time: Timestamp) -> Self {
        Self(time)
    }
}

impl fmt::Display for JsonTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_text(|text| f.write_str(text))
    }
}

impl Serialize for JsonTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.with_text(|text| serializer.serialize_str(text))
    }
}

impl<'de> Deserialize<'de> for JsonTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Instant;
        impl Visitor<'_> for Instant {
            type Value = JsonTime;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(FORMS)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<JsonTime, E> {
                let moment = Moment::parse(text).map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))?;
                Ok(JsonTime(moment.0))
            }
            fn visit_i64<E: de::Error>(self, millis: i64) -> Result<JsonTime, E> {
                JsonTime::from_millis(millis).map_err(|_| E::invalid_value(de::Unexpected::Signed(millis), &self))
            }
            fn visit_u64<E: de::Error>(self, millis: u64) -> Result<JsonTime, E> {
                self.visit_i64(i64::try_from(millis).unwrap_or(i64::MAX))
            }
        }
        deserializer.deserialize_any(Instant)
    }
}

impl PartialSchema for JsonTime {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
        ObjectBuilder::new().schema_type(Type::String).format(Some(format)).into()
    }
}

impl ToSchema for JsonTime {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("DateTime")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{from_str, to_string};

    #[test]
    fn writes_and_reads_the_one_form() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1, "1970-01-01T00:00:00.001Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_827_696_789, "2000-02-29T12:34:56.789Z"),
            (1_767_225_599_999, "2025-12-31T23:59:59.999Z"),
            (FIRST, "0000-01-01T00:00:00.000Z"),
            (LAST, "9999-12-30T22:00:00.000Z"),
        ] {
            let time = JsonTime(Timestamp::from_millis(millis));
            assert_eq!(time.to_string(), text);
            assert_eq!(JsonTime::parse(text), Ok(time));
            assert_eq!(to_string(&time).unwrap(), format!("\"{text}\""));
            assert_eq!(from_str::<JsonTime>(&format!("\"{text}\"")).unwrap(), time);
            assert_eq!(from_str::<JsonTime>(&millis.to_string()).unwrap(), time);
            assert_eq!(JsonTime::parse(&millis.to_string()), Ok(time));
        }
        for text in ["2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", "2026-01-01"] {
            let time = JsonTime(Timestamp::from_millis(1_767_225_600_000));
            assert_eq!(from_str::<JsonTime>(&format!("\"{text}\"")).unwrap(), time);
        }
        assert_eq!(JsonTime(Timestamp::from_millis(i64::MAX)).to_string(), "9999-12-30T22:00:00.000Z");
        assert_eq!(JsonTime(Timestamp::from_millis(i64::MIN)).to_string(), "0000-01-01T00:00:00.000Z");
    }

    #[test]
    fn reads_nothing_else() {
        for text in [
            "",
            "-",
            "now",
            "2026",
            "+1",
            "1e3",
            " 1",
            "2026-01-01",
            "2026-01-01T00:00:00Z",
            "2026-01-01T00:00:00.0000Z",
            "2026-01-01T00:00:00.000",
            "2026-01-01 00:00:00.000Z",
            "2026-01-01T00:00:00.000z",
            "2026-02-29T00:00:00.000Z",
            "2026-13-01T00:00:00.000Z",
            "2026-01-01T24:00:00.000Z",
            "2026-06-30T23:59:60.000Z",
            "-0000-01-01T00:00:00.00Z",
            "99999999999999999999",
            "253402207200001",
            "２026-01-01T00:00:00.00Z",
        ] {
            // A bare year is digits, hence milliseconds.
            let expected = if text == "2026" { Ok(JsonTime(Timestamp::from_millis(2026))) } else { Err(NoInstant) };
            assert_eq!(JsonTime::parse(text), expected, "{text}");
        }
        for json in ["null", "true", "1.5", "[]", "{}", "1e30"] {
            assert!(from_str::<JsonTime>(json).is_err(), "{json}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_jiff(millis in FIRST..=LAST) {
            let text = JsonTime(Timestamp::from_millis(millis)).to_string();
            let expected = jiff::Timestamp::from_millisecond(millis).unwrap();
            prop_assert_eq!(&text, &format!("{expected:.3}"));
            prop_assert_eq!(JsonTime::parse(&text).unwrap().0.as_millis(), millis);
        }
    }
}
