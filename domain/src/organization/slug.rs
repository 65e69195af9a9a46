//! Slugs: the short names by which organizations are found, one organization each.

use std::fmt;

use unicode_normalization::UnicodeNormalization;

/// A slug as it was typed, trimmed: 1 to 100 characters, none of them a control character. `Debug` shows nothing of it.
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
        let fits = (1..=Self::MAX).contains(&trimmed.chars().count()) && !trimmed.chars().any(char::is_control);
        if fits { Ok(Self(trimmed.to_owned())) } else { Err(InvalidSlug) }
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
    fn what_is_no_slug() {
        for text in ["", "  ", "a\u{0}b", "a\nb", &"a".repeat(101)] {
            assert_eq!(Slug::parse(text), Err(InvalidSlug));
        }
        assert!(Slug::parse(&"\u{e9}".repeat(100)).is_ok());
    }
}
