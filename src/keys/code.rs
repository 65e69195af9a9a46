//! Codes that people read and type: Crockford's Base32, in groups of four, forgiving of case and of letters that look like
//! digits.

use chrysalis_domain::value::TokenHash;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::entropy::{self, Entropy};

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const GROUP: usize = 4;

/// A code without its dashes.
#[derive(Clone)]
pub struct Code(Zeroizing<String>);

impl Code {
    /// 28 characters, 140 bits: led in by nothing else.
    pub const LONG: usize = 28;
    /// 8 characters, 40 bits: for minutes, a bounded number of tries, and somebody who agrees.
    pub const SHORT: usize = 8;

    /// A new one of that many characters, at most 32.
    pub fn create(entropy: &dyn Entropy, length: usize) -> Self {
        let random = Zeroizing::new(entropy::bytes::<32>(entropy));
        let characters = random.iter().take(length).map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
        Self(Zeroizing::new(characters.collect()))
    }

    /// As it was typed. `None` unless it has the shape of a code.
    pub fn parse(text: &str) -> Option<Self> {
        let mut code = Zeroizing::new(String::with_capacity(Self::LONG));
        for typed in text.bytes().filter(|byte| !matches!(byte, b'-' | b' ')) {
            let typed = match typed.to_ascii_uppercase() {
                b'O' => b'0',
                b'I' | b'L' => b'1',
                other => other,
            };
            if !ALPHABET.contains(&typed) || code.len() == Self::LONG {
                return None;
            }
            code.push(char::from(typed));
        }
        matches!(code.len(), Self::LONG | Self::SHORT).then_some(Self(code))
    }

    pub fn is_short(&self) -> bool {
        self.0.len() == Self::SHORT
    }

    /// As it is shown.
    pub fn text(&self) -> String {
        let groups = self.0.as_bytes().chunks(GROUP).map(String::from_utf8_lossy);
        groups.collect::<Vec<_>>().join("-")
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Of a long one: nobody guesses 140 bits from it.
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0.as_bytes()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::OsEntropy;

    #[test]
    fn what_is_shown_reads_back_however_it_is_typed() {
        for length in [Code::LONG, Code::SHORT] {
            let code = Code::create(&OsEntropy, length);
            assert_eq!(code.text().len(), length + length / GROUP - 1);
            for typed in
                [code.text(), code.text().to_lowercase(), code.text().replace('-', " "), code.as_str().to_owned()]
            {
                assert_eq!(Code::parse(&typed).unwrap().as_str(), code.as_str());
            }
        }
        assert_eq!(Code::parse("oil0-LI1o").unwrap().as_str(), "01101110");
        for bad in ["", "ABC", "ABCDEFGH1", "UUUU-UUUU", "ABCD_EFGH", &"A".repeat(29), &"A".repeat(100_000)] {
            assert!(Code::parse(bad).is_none(), "{bad}");
        }
    }
}
