//! What a person may choose as a password, and how two spellings of it become one.
//!
//! A password is compared after Unicode normalisation (NFKC), so that the same keys pressed on two devices give the same
//! password; it is never truncated and never asked to contain a digit (NIST SP 800-63B-4, 3.1.1.2). Lengths count Unicode
//! scalar values of the normalised form. The most common passwords and the account's own address are refused.
//!
//! Promise: whatever the input, the work here is bounded by a small multiple of the policy's maximum.

use std::fmt;

use thiserror::Error;
use unicode_normalization::UnicodeNormalization;

/// Sorted by bytes, lower-case, one entry a line; origin and licence: `common_passwords.md`.
const COMMON: &str = include_str!("common_passwords.txt");

/// Bytes of input that can shrink to one character: the longest canonical decomposition has four scalar values of at most
/// four bytes. More input than this per allowed character is too long in any normal form.
const BYTES_PER_CHARACTER: usize = 16;

/// How long a password must and may be, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordPolicy {
    /// Shortest password accepted; 8 to 64.
    pub min: usize,
    /// Longest password accepted; at least `min`.
    pub max: usize,
}

impl Default for PasswordPolicy {
    /// 8 to 128 characters (NIST SP 800-63B-4 asks to accept 64 at least).
    fn default() -> Self {
        Self { min: 8, max: 128 }
    }
}

/// Why a password was refused. The messages are part of the wire contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PasswordError {
    #[error("Password too short")]
    TooShort,
    #[error("Password too long")]
    TooLong,
    #[error("Password too common")]
    TooCommon,
}

/// A password in its normal form (NFKC). Never shown by `Debug`, and deliberately not comparable: hashes are compared,
/// passwords are not.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    /// Reads a password that somebody chooses now.
    ///
    /// `own_email` is the address of the account it will protect: neither the address nor its local part, where that is
    /// long enough to be a password at all, is accepted.
    ///
    /// # Errors
    /// The first that holds of too long, too short, too common.
    pub fn parse(raw: &str, policy: &PasswordPolicy, own_email: Option<&str>) -> Result<Self, PasswordError> {
        let password = Self::for_verification(raw, policy)?;
        if password.0.chars().count() < policy.min {
            return Err(PasswordError::TooShort);
        }
        let folded = fold(&password.0);
        if is_line_of(COMMON, &folded) || own_email.is_some_and(|email| names_account(&folded, email)) {
            return Err(PasswordError::TooCommon);
        }
        Ok(password)
    }

    /// Reads a password given to prove who one is. Only the upper bound holds: an old password stays usable when the
    /// policy or the list changes, and an attempt learns nothing from them.
    ///
    /// # Errors
    /// [`PasswordError::TooLong`].
    pub fn for_verification(raw: &str, policy: &PasswordPolicy) -> Result<Self, PasswordError> {
        if raw.len() > policy.max.saturating_mul(BYTES_PER_CHARACTER) {
            return Err(PasswordError::TooLong);
        }
        let mut normal = raw.nfkc();
        let password: String = normal.by_ref().take(policy.max).collect();
        if normal.next().is_some() {
            return Err(PasswordError::TooLong);
        }
        Ok(Self(password))
    }

    /// The normalised characters, for the hash function alone.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Hands the characters over to an owner that can wipe them.
    pub fn into_exposed(self) -> String {
        self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(redacted)")
    }
}

/// The form in which passwords count as the same for a guesser: normalised, lower-case.
fn fold(text: &str) -> String {
    text.nfkc().flat_map(char::to_lowercase).nfkc().collect()
}

/// A local part shorter than the minimum needs no check: `folded` has passed the minimum.
fn names_account(folded: &str, email: &str) -> bool {
    let email = fold(email);
    let local_part = email.rsplit_once('@').map_or(email.as_str(), |(local, _)| local);
    folded == email || folded == local_part
}

/// Whether `word` is a line of `text`, whose lines are sorted by bytes. A binary search over the text itself: no index and
/// no allocation, for a question asked once per chosen password.
fn is_line_of(text: &str, word: &str) -> bool {
    let text = text.as_bytes();
    let (mut low, mut high) = (0, text.len());
    while low < high {
        // `low` and `high` are starts of lines; so is `start`, the beginning of the line that holds the middle.
        let middle = low + (high - low) / 2;
        let start = text[low..middle].iter().rposition(|&byte| byte == b'\n').map_or(low, |at| low + at + 1);
        let length = text[start..high].iter().position(|&byte| byte == b'\n').unwrap_or(high - start);
        match text[start..start + length].cmp(word.as_bytes()) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => low = (start + length + 1).min(high),
            std::cmp::Ordering::Greater => high = start,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(raw: &str) -> Result<Password, PasswordError> {
        Password::parse(raw, &PasswordPolicy::default(), Some("maria.lopez@example.com"))
    }

    #[test]
    fn the_documented_sample_is_accepted_and_password123_is_not() {
        assert_eq!(parse("securePassword123").unwrap().expose(), "securePassword123");
        assert_eq!(parse("Password123").unwrap_err(), PasswordError::TooCommon);
    }

    #[test]
    fn length_counts_characters_of_the_normal_form() {
        assert_eq!(parse("ｓｅｖｅｎ７７").unwrap_err(), PasswordError::TooShort);
        assert_eq!(parse("пароль-ё").unwrap().expose().chars().count(), 8);
        assert!(parse(&"€".repeat(128)).is_ok());
        assert_eq!(parse(&"€".repeat(129)).unwrap_err(), PasswordError::TooLong);
        // U+FDFA is one character that normalises to eighteen.
        assert_eq!(parse(&"\u{fdfa}".repeat(8)).unwrap_err(), PasswordError::TooLong);
        // Decomposed input is longer than what it means: 128 characters in 9 bytes each.
        assert!(parse(&"\u{1112}\u{1161}\u{11ab}".repeat(128)).is_ok());
        assert_eq!(parse("").unwrap_err(), PasswordError::TooShort);
    }

    #[test]
    fn a_megabyte_is_refused_without_being_normalised() {
        assert_eq!(parse(&"a".repeat(1 << 20)).unwrap_err(), PasswordError::TooLong);
    }

    #[test]
    fn two_keyboards_give_one_password() {
        let (composed, decomposed) = (parse("caf\u{e9}-terrace").unwrap(), parse("cafe\u{301}-terrace").unwrap());
        assert_eq!(composed.expose(), decomposed.expose());
    }

    #[test]
    fn the_own_address_is_no_password() {
        for own in ["maria.lopez@example.com", "Maria.Lopez@EXAMPLE.com", "maria.lopez", "ＭＡＲＩＡ.lopez"] {
            assert_eq!(parse(own).unwrap_err(), PasswordError::TooCommon, "{own}");
        }
        assert!(parse("maria.lopez and her cat").is_ok());
    }

    #[test]
    fn signing_in_is_never_told_that_a_password_is_short_or_common() {
        let policy = PasswordPolicy::default();
        assert!(Password::for_verification("password", &policy).is_ok());
        assert!(Password::for_verification("x", &policy).is_ok());
        assert_eq!(Password::for_verification(&"x".repeat(129), &policy).unwrap_err(), PasswordError::TooLong);
    }

    #[test]
    fn every_line_of_the_list_is_found_and_nothing_between() {
        let lines: Vec<&str> = COMMON.lines().collect();
        assert!(lines.len() > 8_000 && lines.is_sorted_by(|a, b| a < b));
        for line in lines {
            assert!(line.len() >= 8 && line == fold(line), "{line}");
            assert!(is_line_of(COMMON, line), "{line}");
            assert!(!is_line_of(COMMON, &format!("{line}\u{1}")), "{line}");
        }
        for absent in ["", "\n", "!", "zzzzzzzzzzzzzzzzzz", "securepassword123"] {
            assert!(!is_line_of(COMMON, absent), "{absent}");
        }
    }

    #[test]
    fn debug_output_shows_nothing() {
        assert_eq!(format!("{:?}", parse("correct horse battery").unwrap()), "Password(redacted)");
    }
}
