//! What mails carry: tokens in links, and codes to type. Computed from a key and the challenge's id, never stored: made
//! again to be compared.

use chrysalis_domain::id::ChallengeId;
use subtle::ConstantTimeEq;
use ulid::Ulid;

use super::token::ALPHABET;
use super::{Key, Keyring, Purpose, lookup};

/// What goes into one mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailedSecret {
    Token(String),
    /// Six digits.
    Code(String),
}

pub(super) const LETTERS: &[u8; 52] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Letters that an id of 128 bits takes; 52^23 is just above 2^131.
pub(super) const ID_LETTERS: usize = 23;
/// A magic link's token: the id, and a MAC of 51 bits behind its 80 random ones.
const LINK_LETTERS: usize = 32;
const LINK: &str = "magic-link";

/// What a mail of this kind carries for a challenge; under the current key, or under one that was current when it was
/// mailed.
pub fn mailed_secret(
    keyring: &Keyring,
    key_id: Option<u32>,
    kind: &str,
    challenge: ChallengeId,
) -> Option<MailedSecret> {
    let key = match key_id {
        Some(id) => keyring.by_id(Purpose::MailToken, id)?,
        None => keyring.current(Purpose::MailToken)?,
    };
    Some(made(key, kind, challenge))
}

/// The challenge that a token of this kind stands for, if this installation made it.
pub fn challenge_of(keyring: &Keyring, kind: &str, token: &str) -> Option<ChallengeId> {
    let id = if kind == LINK {
        let shaped = token.len() == LINK_LETTERS && token.bytes().all(|byte| byte.is_ascii_alphabetic());
        letters_to_id(token.get(..ID_LETTERS).filter(|_| shaped)?)?
    } else {
        Ulid::from_string(token.get(..ulid::ULID_LEN)?).ok()?
    };
    let challenge = ChallengeId::from_ulid(id);
    genuine(keyring, kind, challenge, token).then_some(challenge)
}

/// Whether this code, or token, was mailed for the challenge. In constant time.
pub fn genuine(keyring: &Keyring, kind: &str, challenge: ChallengeId, given: &str) -> bool {
    let mut same = false;
    for key in keyring.all(Purpose::MailToken) {
        let (MailedSecret::Token(expected) | MailedSecret::Code(expected)) = made(key, kind, challenge);
        same |= bool::from(expected.as_bytes().ct_eq(given.as_bytes()));
    }
    same
}

fn made(key: &Key, kind: &str, challenge: ChallengeId) -> MailedSecret {
    let mac = lookup::mac(key, kind, &[challenge.to_string().as_bytes()]);
    if kind.starts_with("otp:") {
        let number = mac.iter().take(8).fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        return MailedSecret::Code(format!("{:06}", number % 1_000_000));
    }
    MailedSecret::Token(if kind == LINK {
        let mut token = id_to_letters(challenge.ulid());
        token
            .extend(mac.iter().take(LINK_LETTERS - ID_LETTERS).map(|byte| char::from(LETTERS[usize::from(byte % 52)])));
        token
    } else {
        let secret: String = mac.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 62)])).collect();
        format!("{}{secret}", challenge.ulid())
    })
}

pub(super) fn id_to_letters(id: Ulid) -> String {
    let mut number = u128::from_be_bytes(id.to_bytes());
    let mut letters = [b'A'; ID_LETTERS];
    for letter in letters.iter_mut().rev() {
        *letter = LETTERS[usize::try_from(number % 52).unwrap_or(0)];
        number /= 52;
    }
    letters.iter().copied().map(char::from).collect()
}

/// `None` unless the text is an id in letters.
pub(super) fn letters_to_id(letters: &str) -> Option<Ulid> {
    let digit = |letter: u8| LETTERS.iter().position(|known| *known == letter).map(|at| at as u128);
    if letters.len() != ID_LETTERS {
        return None;
    }
    let number =
        letters.bytes().try_fold(0u128, |number, letter| number.checked_mul(52)?.checked_add(digit(letter)?))?;
    Some(Ulid::from_bytes(number.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_from_letters() {
        for id in [Ulid::from_parts(0, 0), Ulid::from_parts(1_800_000_000_007, 42), Ulid::from_bytes([255; 16])] {
            let letters = id_to_letters(id);
            assert_eq!(letters.len(), ID_LETTERS);
            assert_eq!(letters_to_id(&letters), Some(id));
        }
        assert_eq!(letters_to_id("short"), None);
        assert_eq!(letters_to_id(&"z".repeat(ID_LETTERS)), None, "more than 128 bits");
        assert_eq!(letters_to_id(&"1".repeat(ID_LETTERS)), None);
    }
}
