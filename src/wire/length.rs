//! Lengths of time as administrators write them: `7 days`, `15 minutes`, `1 hour`.

use chrysalis_domain::Span;

/// Singular names, with the seconds of one, longest first.
const UNITS: [(&str, i64); 5] = [("week", 604_800), ("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)];

/// Reads a whole number and a unit, in the singular or the plural, or its first letter (`7d`).
pub fn parse(text: &str) -> Option<Span> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start().to_ascii_lowercase();
    let named = |name: &str| unit == name || unit.strip_suffix('s') == Some(name) || unit == name[..1];
    let (_, seconds) = UNITS.into_iter().find(|(name, _)| named(name))?;
    let seconds = number.parse::<i64>().ok()?.checked_mul(seconds)?;
    // What milliseconds can still hold.
    (seconds <= i64::MAX / 1000).then_some(Span::from_secs(seconds))
}

/// The same in words, by the longest unit that fits without a rest; no weeks, which the contract does not write.
pub fn write(span: Span) -> String {
    let seconds = span.as_secs_ceil();
    let fits = |seconds_of_one: i64| seconds >= seconds_of_one && seconds % seconds_of_one == 0;
    let (name, one) = UNITS[1..].iter().copied().find(|(_, one)| fits(*one)).unwrap_or(("second", 1));
    let number = seconds / one;
    format!("{number} {name}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        for (text, seconds) in [
            ("7 days", 604_800),
            ("15 minutes", 900),
            ("1 day", 86_400),
            ("1 hour", 3_600),
            ("90 seconds", 90),
            ("36 hours", 129_600),
        ] {
            assert_eq!(parse(text), Some(Span::from_secs(seconds)), "{text}");
            assert_eq!(write(Span::from_secs(seconds)), text);
        }
    }

    #[test]
    fn other_spellings_mean_the_same() {
        for text in ["7d", "7D", " 7 days ", "7days", "1 week", "1w", "168 hours", "168h"] {
            assert_eq!(parse(text), Some(Span::from_days(7)), "{text}");
        }
    }

    #[test]
    fn what_is_no_length_is_none() {
        for text in
            ["", "7", "days", "-7 days", "7 dayss", "7 months", "1.5 days", "7 days 1 hour", "99999999999999999 weeks"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse("9223372036854775 weeks"), None);
    }
}
