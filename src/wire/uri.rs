//! Percent-encoding exactly as browsers do it, so that what JavaScript wrote we read, and the other way round.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, percent_decode, utf8_percent_encode};

/// What `encodeURIComponent` escapes: all but `A-Z a-z 0-9 - _ . ! ~ * ' ( )` (ECMA-262, 19.2.6.4).
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// JavaScript's `encodeURIComponent`.
pub fn encode_component(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, COMPONENT)
}

/// The text behind `encoded`. A `%` that starts no escape stands for itself; `None` if the result is not UTF-8.
pub fn decode_component(encoded: &[u8]) -> Option<Cow<'_, str>> {
    percent_decode(encoded).decode_utf8().ok()
}

/// The name-value pairs of a query string or form body (WHATWG URL, 5.1), in order. A pair that is not UTF-8 is `None`:
/// replacing the bad bytes, as the standard does, would let two different texts read as one.
pub fn pairs(encoded: &[u8]) -> impl Iterator<Item = Option<(String, String)>> {
    encoded.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let name = decode_form(halves.next().unwrap_or_default())?;
        let value = decode_form(halves.next().unwrap_or_default())?;
        Some((name, value))
    })
}

fn decode_form(encoded: &[u8]) -> Option<String> {
    let spaced: Vec<u8> = encoded.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    decode_component(&spaced).map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_as_javascript_does() {
        // Left: text. Right: what encodeURIComponent gives.
        for (text, encoded) in [
            ("AZaz09-_.!~*'()", "AZaz09-_.!~*'()"),
            ("a+b/c=", "a%2Bb%2Fc%3D"),
            (" \"#$%&,:;<>?@[\\]^`{|}", "%20%22%23%24%25%26%2C%3A%3B%3C%3E%3F%40%5B%5C%5D%5E%60%7B%7C%7D"),
            ("é€😀", "%C3%A9%E2%82%AC%F0%9F%98%80"),
            ("\r\n\0", "%0D%0A%00"),
        ] {
            assert_eq!(encode_component(text).to_string(), encoded);
            assert_eq!(decode_component(encoded.as_bytes()).unwrap(), text);
        }
    }

    #[test]
    fn decodes_tolerantly_but_only_utf8() {
        assert_eq!(decode_component(b"100%").unwrap(), "100%");
        assert_eq!(decode_component(b"%zz%2b+").unwrap(), "%zz++");
        assert_eq!(decode_component(b"%ff"), None);
        assert_eq!(decode_component(b"\xff"), None);
    }

    #[test]
    fn reads_pairs_as_forms_write_them() {
        let read: Vec<_> = pairs(b"a=1+2&&b=%26%3d&c&=d&a=x=y&%ff=1").collect();
        let pair = |name: &str, value: &str| Some((name.to_owned(), value.to_owned()));
        assert_eq!(read, [pair("a", "1 2"), pair("b", "&="), pair("c", ""), pair("", "d"), pair("a", "x=y"), None]);
    }
}
