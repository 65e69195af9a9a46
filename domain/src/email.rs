//! E-mail addresses: one normal form, so that one mailbox is one claim.

use std::fmt;

/// A trimmed, lower-cased address of at most 255 characters.
///
/// The grammar is that of RFC 5321 (by the `email_address` crate) without display names, domain literals and
/// dot-less domains: those are no mailbox that a person signs up with. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EmailAddress(String);

/// The text is no address that can be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid email")]
pub struct InvalidEmail;

impl EmailAddress {
    pub const MAX: usize = 255;

    /// Names the normalisation, which is stored beside every look-up hash: a later one can tell the old ones apart.
    pub const NORMALISATION: u16 = 1;

    pub fn parse(raw: &str) -> Result<Self, InvalidEmail> {
        let trimmed = raw.trim();
        if trimmed.len() > 4 * Self::MAX || trimmed.chars().any(char::is_control) {
            return Err(InvalidEmail);
        }
        let normal = trimmed.to_lowercase();
        let options =
            email_address::Options::default().with_required_tld().without_domain_literal().without_display_text();
        let parsed = email_address::EmailAddress::parse_with_options(&normal, options).map_err(|_| InvalidEmail)?;
        let quoted = parsed.local_part().starts_with('"');
        if quoted || normal.chars().count() > Self::MAX {
            return Err(InvalidEmail);
        }
        Ok(Self(normal))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailAddress(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_blanks_don_t_make_a_second_mailbox() {
        let one = EmailAddress::parse("  Jane.Doe@Example.COM ").unwrap();
        assert_eq!(one.as_str(), "jane.doe@example.com");
        assert_eq!(EmailAddress::parse("jane.doe@example.com"), Ok(one));
    }

    #[test]
    fn what_is_no_mailbox_is_refused() {
        for bad in [
            "",
            "jane",
            "jane@",
            "@example.com",
            "jane@example",
            "jane@[127.0.0.1]",
            "a b@example.com",
            "Jane <jane@example.com>",
            "jane@exa mple.com",
            "jane\n@example.com",
            "jane@example.com\r\nbcc:x@y.zz",
            "\"a b\"@example.com",
        ] {
            assert!(EmailAddress::parse(bad).is_err(), "{bad:?}");
        }
        assert!(EmailAddress::parse(&format!("{}@example.com", "x".repeat(300))).is_err());
    }
}
