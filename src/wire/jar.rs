//! The cookies that a request brings, read back and verified.
//!
//! A value counts only with our signature on it. Cookies of others, however odd, don't matter.

use http::HeaderMap;
use http::header::COOKIE;

use super::cookie::{CookieKind, CookieNames, StateSuffix};
use super::signed::Signer;
use super::uri::decode_component;

/// Values read of one request. No browser sends more for one site, and each may cost an HMAC.
const MAX_CANDIDATES: usize = 180;

/// The cookies of ours that a request brought, unverified.
#[derive(Clone, Debug, Default)]
pub struct Jar<'h>(Vec<(CookieKind, &'h [u8])>);

impl<'h> Jar<'h> {
    /// Reads all `Cookie` headers; HTTP/2 may send one per cookie (RFC 9113, 8.2.3).
    pub fn parse(headers: &'h HeaderMap, names: &CookieNames) -> Self {
        let ours = headers.get_all(COOKIE).iter().flat_map(|header| header.as_bytes().split(|byte| *byte == b';'));
        let ours = ours.filter_map(|pair| {
            let equals = pair.iter().position(|byte| *byte == b'=')?;
            let (name, value) = pair.split_at_checked(equals)?;
            let kind = names.kind_of(std::str::from_utf8(name.trim_ascii()).ok()?)?;
            Some((kind, unquoted(value.get(1..)?.trim_ascii())))
        });
        Self(ours.take(MAX_CANDIDATES).collect())
    }

    /// Whether that cookie came at all, be its value good or bad: whether there is something to delete.
    pub fn has(&self, kind: CookieKind) -> bool {
        self.0.iter().any(|(other, _)| *other == kind)
    }

    /// Every value under that name, as it came, in order.
    pub fn candidates(&self, kind: CookieKind) -> impl Iterator<Item = &'h [u8]> {
        self.0.iter().filter(move |(other, _)| *other == kind).map(|(_, value)| *value)
    }

    /// The different values under that name that bear our signature, in order.
    ///
    /// More than one means that somebody planted a cookie beside the good one. Which of them are known only the store can
    /// tell: if two are, the caller takes none and deletes them.
    pub fn verified(&self, kind: CookieKind, signer: &Signer) -> Vec<String> {
        let mut values: Vec<String> = Vec::new();
        for candidate in self.candidates(kind) {
            let Some(signed) = decode_component(candidate) else { continue };
            let Some(value) = signer.verify(&signed) else { continue };
            if !values.iter().any(|known| known == value) {
                values.push(value.to_owned());
            }
        }
        values
    }

    /// The OAuth states that this browser has cookies of.
    pub fn states(&self) -> impl Iterator<Item = StateSuffix> {
        self.0.iter().filter_map(|(kind, _)| match kind {
            CookieKind::State(suffix) => Some(*suffix),
            _ => None,
        })
    }
}

/// A value may stand in double quotes that aren't part of it (RFC 6265, 4.1.1).
fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::origin::Origin;
    use crate::wire::signed::SigningKey;
    use crate::wire::uri::encode_component;
    use http::HeaderValue;

    fn names(public: &str) -> CookieNames {
        CookieNames::new(&Origin::parse(public).unwrap())
    }

    fn signer() -> Signer {
        Signer::new(SigningKey::new(&[7; 32]).unwrap(), vec![])
    }

    fn headers(cookies: &[&str]) -> HeaderMap {
        cookies.iter().map(|cookie| (COOKIE, HeaderValue::from_bytes(cookie.as_bytes()).unwrap())).collect()
    }

    #[test]
    fn reads_all_headers_and_skips_what_is_not_signed() {
        let names = names("http://localhost");
        let set = |value: &str| encode_component(&signer().sign(value)).to_string();
        let (one, two) = (set("one"), set("two"));
        let name = "better-auth.session_token";
        let plain = signer().sign("one");
        for (cookies, values) in [
            (vec![], vec![]),
            (vec![format!("{name}={one}")], vec!["one"]),
            (vec![format!("theme=dark; {name}={one} ;x")], vec!["one"]),
            (vec![format!("ü=ü; {name}=\"{one}\"")], vec!["one"]),
            (vec!["a=b".into(), format!("{name}={plain}")], vec!["one"]),
            (vec![format!("{name}={one}; {name}={one}")], vec!["one"]),
            (vec![format!("{name}={one}"), format!("{name}={two}")], vec!["one", "two"]),
            (vec![format!("{name}=one; {name}=one.AAAA; {name}={two}")], vec!["two"]),
            (vec![format!("{name}=; {name}; ={one}; x{name}={one}; {name}x={one}")], vec![]),
            (vec![format!("__Secure-{name}={one}")], vec![]),
        ] {
            let cookies: Vec<&str> = cookies.iter().map(String::as_str).collect();
            let headers = headers(&cookies);
            let jar = Jar::parse(&headers, &names);
            assert_eq!(jar.verified(CookieKind::SessionToken, &signer()), values, "{cookies:?}");
        }
    }

    #[test]
    fn finds_what_to_delete() {
        let names = names("https://a.example.com");
        let headers = headers(&["__Host-better-auth.state.AbCd1234=bad; __Host-better-auth.transfer="]);
        let jar = Jar::parse(&headers, &names);
        let suffix = StateSuffix::of("AbCd1234rest-of-the-state").unwrap();
        assert_eq!(jar.states().collect::<Vec<_>>(), [suffix]);
        assert!(jar.has(CookieKind::Transfer) && !jar.has(CookieKind::Claim));
        assert_eq!(jar.candidates(CookieKind::State(suffix)).collect::<Vec<_>>(), [b"bad"]);
    }
}
