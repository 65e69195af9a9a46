//! Slugs: the short names by which organizations are found, one organization each.

use std::fmt;

use unicode_normalization::UnicodeNormalization;

/// A slug as it was typed, trimmed: 1 to 100 characters that can be a segment of a URL's path. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Slug(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid slug")]
pub struct InvalidSlug;

impl Slug {
    pub const MAX: usize = 100;

    /// Names the normalisation, which is stored beside every look-up hash.
    pub const NORMALISATION: u16 = 1;

    pub fn parse(raw: &str) -> Result<Self, InvalidSlug> {
        let trimmed = raw.trim();
        let fits = (1..=Self::MAX).contains(&trimmed.chars().count())
            && trimmed.chars().all(stands_in_a_path)
            // These two are no name there, but a way.
            && !matches!(trimmed, "." | "..");
        if fits { Ok(Self(trimmed.to_owned())) } else { Err(InvalidSlug) }
    }

    /// One that an organization has: what was taken once is what it is called, whatever is asked of new ones.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// As it was typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is claimed: case and the ways to write one character make no second slug (NFKC, lower case).
    pub fn normal(&self) -> String {
        self.0.nfkc().collect::<String>().to_lowercase()
    }
}

/// Whether a character may be part of a segment of a URL's path (RFC 3986, 3.3), as it is or as browsers encode it: apps put
/// slugs there.
fn stands_in_a_path(c: char) -> bool {
    if c.is_ascii() {
        c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@".contains(c)
    } else {
        !c.is_whitespace() && !c.is_control()
    }
}

impl fmt::Debug for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slug(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_spelling_don_t_make_a_second_slug() {
        let normal = |text| Slug::parse(text).unwrap().normal();
        assert_eq!(normal("Acme-Inc"), normal(" acme-inc "));
        assert_eq!(normal("caf\u{e9}"), normal("cafe\u{301}"));
        assert_eq!(Slug::parse(" Acme ").unwrap().as_str(), "Acme");
    }

    #[test]
    fn what_is_no_segment_of_a_path_is_no_slug() {
        for text in [
            "",
            " ",
            ".",
            "..",
            "bad slug",
            "a/b",
            "bad slug/../",
            "a\\b",
            "a?b",
            "a#b",
            "a%2fb",
            "a\tb",
            "a\u{3000}b",
            "<b>",
        ] {
            assert_eq!(Slug::parse(text).map(|_| ()), Err(InvalidSlug), "{text:?}");
        }
        for text in ["acme", "Acme-Inc.", "a_b~c", "...", "acme@home", "caf\u{e9}", "\u{682a}\u{5f0f}"] {
            assert!(Slug::parse(text).is_ok(), "{text:?}");
        }
        assert!(Slug::parse(&"a".repeat(Slug::MAX + 1)).is_err());
    }

    #[test]
    fn what_is_no_slug() {
        for text in ["", "  ", "a\u{0}b", "a\nb", &"a".repeat(101)] {
            assert_eq!(Slug::parse(text), Err(InvalidSlug));
        }
        assert!(Slug::parse(&"\u{e9}".repeat(100)).is_ok());
    }
}
