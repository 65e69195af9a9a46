//! What a caller presents in `Authorization`.
//!
//! Reading it never fails: a header that isn't ours must neither shadow a good cookie nor delete it.

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::signed::Signer;
use super::uri::decode_component;

/// Characters of a session token.
pub const SESSION_TOKEN_CHARS: usize = 32;

/// Longer than any credential of ours in any encoding; more is not worth an HMAC.
const MAX_CREDENTIAL: usize = 512;

/// A credential by its form. Whether it is known, the store must say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presented {
    /// No bearer credential.
    None,
    /// A session token, with a good signature or without any.
    Token(String),
    /// An API key, `sk_…`.
    ApiKey(String),
    /// A wrong signature, or nothing that could be a session token. To be ignored.
    BadlySigned,
}

/// Whether `token` has the form of a session token: 32 characters `[A-Za-z0-9]`.
pub fn is_session_token(token: &str) -> bool {
    token.len() == SESSION_TOKEN_CHARS && token.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Reads `Authorization: Bearer <token>`, `<token>.<signature>` (plain or percent-encoded) or `sk_…` (RFC 6750, 2.1).
pub fn presented(headers: &HeaderMap, signer: &Signer) -> Presented {
    let mut sent = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = sent.next() else { return Presented::None };
    let Ok(text) = value.to_str() else { return Presented::None };
    let (scheme, credential) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Presented::None;
    }
    let credential = credential.trim();
    if sent.next().is_some() || credential.len() > MAX_CREDENTIAL {
        // Of two headers we would have to guess which one a proxy in front meant.
        return Presented::BadlySigned;
    }
    if credential.starts_with("sk_") {
        return Presented::ApiKey(credential.to_owned());
    }
    let token = decode_component(credential.as_bytes()).and_then(|decoded| {
        let token = if decoded.contains('.') { signer.verify(&decoded)? } else { &decoded };
        is_session_token(token).then(|| token.to_owned())
    });
    token.map_or(Presented::BadlySigned, Presented::Token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::signed::SigningKey;
    use crate::wire::uri::encode_component;
    use http::HeaderValue;

    const TOKEN: &str = "0123456789abcdefghijABCDEFGHIJ01";

    fn signer(fill: u8) -> Signer {
        Signer::new(SigningKey::new(&[fill; 32]).unwrap(), vec![])
    }

    #[test]
    fn reads_every_form() {
        let signed = signer(1).sign(TOKEN);
        let token = Presented::Token(TOKEN.to_owned());
        for (header, expected) in [
            (format!("Bearer {TOKEN}"), token.clone()),
            (format!("bEaReR   {TOKEN} "), token.clone()),
            (format!("Bearer {signed}"), token.clone()),
            (format!("Bearer {}", encode_component(&signed)), token),
            ("Bearer sk_live_1".to_owned(), Presented::ApiKey("sk_live_1".to_owned())),
            (format!("Bearer {}", signer(2).sign(TOKEN)), Presented::BadlySigned),
            (format!("Bearer {TOKEN}."), Presented::BadlySigned),
            (format!("Bearer {TOKEN}x"), Presented::BadlySigned),
            (format!("Bearer {}", signer(1).sign("true")), Presented::BadlySigned),
            (format!("Bearer {}", "a".repeat(40_000)), Presented::BadlySigned),
            ("Bearer eyJ.eyJ.sig".to_owned(), Presented::BadlySigned),
            ("Bearer %ff".to_owned(), Presented::BadlySigned),
            ("Bearer".to_owned(), Presented::BadlySigned),
            (format!("Basic {TOKEN}"), Presented::None),
            (TOKEN.to_owned(), Presented::None),
            (String::new(), Presented::None),
        ] {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(&header).unwrap())]);
            assert_eq!(presented(&headers, &signer(1)), expected, "{header:.60}");
        }
        assert_eq!(presented(&HeaderMap::new(), &signer(1)), Presented::None);
    }

    #[test]
    fn two_headers_are_none_of_ours() {
        let mut headers = HeaderMap::new();
        for _ in 0..2 {
            headers.append(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {TOKEN}")).unwrap());
        }
        assert_eq!(presented(&headers, &signer(1)), Presented::BadlySigned);
    }
}
