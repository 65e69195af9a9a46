//! Extractors for request bodies and queries that reject as the contract says.
//!
//! They promise: a body is never read beyond its limit, nothing but the declared content type is parsed, an empty body is
//! `{}`, nesting is bounded (128 levels, serde_json's own), and every refusal is an [`ApiError`].

use axum::body::{Bytes, HttpBody};
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::error::ApiError;
use super::{fields, uri};

/// Bytes that a request body may have.
pub const BODY_LIMIT: usize = 32 * 1024;
/// The same below `/admin/` and `/banata/`.
pub const ADMIN_BODY_LIMIT: usize = 256 * 1024;

/// A JSON object, or nothing, which counts as `{}`.
#[derive(Clone, Debug, Default)]
pub struct Body<T, const LIMIT: usize = BODY_LIMIT>(pub T);

/// [`Body`] under the limit of the admin paths: `Body(request): AdminBody<…>`.
pub type AdminBody<T> = Body<T, ADMIN_BODY_LIMIT>;

/// A JSON object that the handler reads by itself, once it knows who asks.
pub type Fields = Map<String, Value>;

/// A JSON object, or the fields of an HTML form, or nothing. In a form, where all is text, `true`, `false` and whole
/// numbers are read as the type asks.
#[derive(Clone, Debug, Default)]
pub struct BodyOrForm<T>(pub T);

/// The query string. Typed as a form is; missing counts as empty.
#[derive(Clone, Debug, Default)]
pub struct Query<T>(pub T);

impl<S, T, const LIMIT: usize> FromRequest<S> for Body<T, LIMIT>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        // No browser is sent anywhere by an administrator's call, and a key that such a call does not know may be refused.
        let places = if LIMIT == ADMIN_BODY_LIMIT { Vec::new() } else { places(&request)? };
        let (kind, bytes) = read(request, LIMIT).await?;
        match kind {
            _ if bytes.is_empty() => typed(with(Map::new(), places)).map(Self),
            ContentType::Json => typed(with(object(&bytes)?, places)).map(Self),
            ContentType::Form | ContentType::Other => Err(ApiError::unsupported_media_type()),
        }
    }
}

impl<S, T> FromRequest<S> for BodyOrForm<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let places = places(&request)?;
        let (kind, bytes) = read(request, BODY_LIMIT).await?;
        match kind {
            _ if bytes.is_empty() => typed(with(Map::new(), places)).map(Self),
            ContentType::Json => typed(with(object(&bytes)?, places)).map(Self),
            ContentType::Form => {
                let form = pairs(&bytes, "Invalid form in request body")?;
                text(places.into_iter().chain(form)).map(Self)
            }
            ContentType::Other => Err(ApiError::unsupported_media_type()),
        }
    }
}

impl<S, T> FromRequestParts<S> for Query<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        text(pairs(parts.uri.query().unwrap_or_default().as_bytes(), BROKEN_QUERY)?).map(Self)
    }
}

/// Where browsers are sent: what may stand in the query of a call that has a body, too (CONTRACT 1.6). The body goes first.
const PLACES: [&str; 4] = ["callbackURL", "redirectTo", "errorCallbackURL", "newUserCallbackURL"];

fn places(request: &Request) -> Result<Vec<(String, String)>, ApiError> {
    let mut pairs = pairs(request.uri().query().unwrap_or_default().as_bytes(), BROKEN_QUERY)?;
    pairs.retain(|(name, _)| PLACES.contains(&name.as_str()));
    Ok(pairs)
}

/// An object with what else was said, where it says nothing of it.
fn with(mut object: Map<String, Value>, places: Vec<(String, String)>) -> Map<String, Value> {
    // The last of a name counts.
    for (name, value) in places.into_iter().rev() {
        object.entry(name).or_insert(Value::String(value));
    }
    object
}

const BROKEN_QUERY: &str = "Invalid query string";

#[derive(Clone, Copy, PartialEq)]
enum ContentType {
    Json,
    Form,
    Other,
}

impl ContentType {
    /// Goes by the media type before any parameter (RFC 9110, 8.3.1). Two headers are none: we'd have to guess which one
    /// a proxy in front believed.
    fn of(headers: &HeaderMap) -> Self {
        let mut sent = headers.get_all(CONTENT_TYPE).iter();
        let (Some(value), None) = (sent.next(), sent.next()) else { return Self::Other };
        let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case("application/json") {
            Self::Json
        } else if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            Self::Form
        } else {
            Self::Other
        }
    }
}

/// The whole body, if it keeps within `limit` bytes. One that announces more is refused before a byte is read.
async fn read(request: Request, limit: usize) -> Result<(ContentType, Bytes), ApiError> {
    let kind = ContentType::of(request.headers());
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let body = request.into_body();
    if announced.unwrap_or(0).max(body.size_hint().lower()) > limit as u64 {
        return Err(ApiError::payload_too_large());
    }
    match Limited::new(body, limit).collect().await {
        Ok(whole) => Ok((kind, whole.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => Err(ApiError::payload_too_large()),
        // The connection broke off: whoever still listens learns that we did not get it all.
        Err(_) => Err(ApiError::bad_request()),
    }
}

fn object(bytes: &[u8]) -> Result<Map<String, Value>, ApiError> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(ApiError::body_must_be_an_object()),
        Err(_) => Err(ApiError::bad_request()),
    }
}

fn typed<T: DeserializeOwned>(object: Map<String, Value>) -> Result<T, ApiError> {
    fields::from_json(object).map_err(|error| ApiError::validation(vec![error]))
}

fn pairs(encoded: &[u8], broken: &'static str) -> Result<Vec<(String, String)>, ApiError> {
    let pairs: Option<Vec<_>> = uri::pairs(encoded).collect();
    pairs.ok_or_else(|| ApiError::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", broken))
}

fn text<T: DeserializeOwned>(pairs: impl IntoIterator<Item = (String, String)>) -> Result<T, ApiError> {
    fields::from_text(pairs).map_err(|error| ApiError::validation(vec![error]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body as Stream;
    use http_body_util::Full;
    use serde::Deserialize;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    struct Guest {
        name: Option<String>,
        remember: Option<bool>,
    }

    const JSON: &str = "application/json";
    const FORM: &str = "application/x-www-form-urlencoded";

    fn request(content_type: &str, body: impl Into<Stream>) -> Request {
        let mut request = Request::new(body.into());
        if !content_type.is_empty() {
            request.headers_mut().insert(CONTENT_TYPE, content_type.parse().unwrap());
        }
        request
    }

    /// A body of unknown length, as `Transfer-Encoding: chunked` gives.
    fn chunked(bytes: Vec<u8>) -> Stream {
        Stream::new(Full::new(Bytes::from(bytes)).map_frame(|frame| frame))
    }

    async fn body(request: Request) -> Result<Guest, (u16, String)> {
        let read = Body::<Guest>::from_request(request, &()).await;
        read.map(|Body(guest)| guest).map_err(|error| (error.status().as_u16(), error.code().to_owned()))
    }

    fn named(name: &str) -> Guest {
        Guest { name: Some(name.to_owned()), remember: None }
    }

    #[tokio::test]
    async fn accepts_objects_and_nothing_at_all() {
        for (content_type, text, guest) in [
            ("", "", Guest::default()),
            (JSON, "", Guest::default()),
            ("text/plain", "", Guest::default()),
            (JSON, "{}", Guest::default()),
            ("Application/JSON ; charset=UTF-8", r#" {"name":"a","isAnonymous":[{}]} "#, named("a")),
            (JSON, r#"{"name":"first","name":"last"}"#, named("last")),
        ] {
            assert_eq!(body(request(content_type, text)).await.unwrap(), guest, "{content_type} {text}");
        }
        assert_eq!(body(request(JSON, chunked(br#"{"name":"a"}"#.to_vec()))).await.unwrap(), named("a"));
        assert_eq!(body(request("", chunked(Vec::new()))).await.unwrap(), Guest::default());
    }

    #[tokio::test]
    async fn refuses_with_status_and_code() {
        let deep = "[".repeat(20_000);
        for (content_type, text, status, code) in [
            ("", "{}", 415, "UNSUPPORTED_MEDIA_TYPE"),
            ("text/plain", "{}", 415, "UNSUPPORTED_MEDIA_TYPE"),
            ("text/plain; application/json", "{}", 415, "UNSUPPORTED_MEDIA_TYPE"),
            (FORM, "name=a", 415, "UNSUPPORTED_MEDIA_TYPE"),
            (JSON, "{", 400, "BAD_REQUEST"),
            (JSON, " ", 400, "BAD_REQUEST"),
            (JSON, "{} {}", 400, "BAD_REQUEST"),
            (JSON, deep.as_str(), 400, "BAD_REQUEST"),
            (JSON, "null", 400, "BODY_MUST_BE_AN_OBJECT"),
            (JSON, "[]", 400, "BODY_MUST_BE_AN_OBJECT"),
            (JSON, r#""{}""#, 400, "BODY_MUST_BE_AN_OBJECT"),
            (JSON, r#"{"name":{"name":"a"}}"#, 400, "VALIDATION_ERROR"),
            (JSON, r#"{"remember":"false"}"#, 400, "VALIDATION_ERROR"),
        ] {
            let (got_status, got_code) = body(request(content_type, text.to_owned())).await.unwrap_err();
            assert_eq!((got_status, got_code.as_str()), (status, code), "{content_type} {text:.40}");
        }
        assert_eq!(body(request(JSON, &b"{\"name\":\"\xff\"}"[..])).await.unwrap_err().1, "BAD_REQUEST");
        let mut twice = request(JSON, "{}");
        twice.headers_mut().append(CONTENT_TYPE, JSON.parse().unwrap());
        assert_eq!(body(twice).await.unwrap_err().0, 415);
    }

    #[tokio::test]
    async fn holds_the_limit_announced_or_not() {
        let sized = |len: usize| format!(r#"{{"name":"{}"}}"#, "a".repeat(len - 11)).into_bytes();
        assert!(body(request(JSON, sized(BODY_LIMIT))).await.is_ok());
        assert!(body(request(JSON, chunked(sized(BODY_LIMIT)))).await.is_ok());
        assert_eq!(body(request(JSON, sized(BODY_LIMIT + 1))).await.unwrap_err().0, 413);
        assert_eq!(body(request(JSON, chunked(sized(BODY_LIMIT + 1)))).await.unwrap_err().0, 413);
        let mut liar = request(JSON, "{}");
        liar.headers_mut().insert(CONTENT_LENGTH, "32769".parse().unwrap());
        assert_eq!(body(liar).await.unwrap_err().0, 413);
        let admin = AdminBody::<Guest>::from_request(request(JSON, sized(BODY_LIMIT + 1)), &()).await;
        assert!(admin.is_ok());
    }

    #[tokio::test]
    async fn forms_only_where_asked_for() {
        let form = |text: &'static str| BodyOrForm::<Guest>::from_request(request(FORM, text), &());
        let read = form("name=a+b&remember=true&name=c%26").await.unwrap().0;
        assert_eq!(read, Guest { name: Some("c&".into()), remember: Some(true) });
        assert_eq!(form("").await.unwrap().0, Guest::default());
        assert_eq!(form("name=%ff").await.unwrap_err().code(), "BAD_REQUEST");
        assert_eq!(form("remember=maybe").await.unwrap_err().code(), "VALIDATION_ERROR");
        let json = BodyOrForm::<Guest>::from_request(request(JSON, r#"{"name":"a"}"#), &()).await;
        assert_eq!(json.unwrap().0, named("a"));
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Sent {
        #[serde(default, rename = "callbackURL")]
        callback: Option<String>,
        name: Option<String>,
    }

    #[tokio::test]
    async fn where_browsers_are_sent_may_stand_in_the_query() {
        let sent = |kind: &'static str, text: &'static str| async move {
            let mut request = request(kind, text);
            *request.uri_mut() = "/x?callbackURL=%2Fquery&name=no&callbackURL=%2Ftwice".parse().unwrap();
            BodyOrForm::<Sent>::from_request(request, &()).await.unwrap().0.callback
        };
        for (kind, own) in [(JSON, r#"{"callbackURL":"/body"}"#), (FORM, "callbackURL=%2Fbody")] {
            assert_eq!(sent(kind, own).await.unwrap(), "/body", "the body goes first");
        }
        for (kind, other) in [(JSON, ""), (JSON, "{}"), (FORM, "name=a")] {
            assert_eq!(sent(kind, other).await.unwrap(), "/twice", "{kind} {other}");
        }
        let at = |uri: &'static str, text: &'static str| {
            let mut request = request(JSON, text);
            *request.uri_mut() = uri.parse().unwrap();
            request
        };
        let read = Body::<Sent>::from_request(at("/x?callbackURL=%2Fq&name=no", "{}"), &()).await.unwrap().0;
        assert_eq!(read, Sent { callback: Some("/q".into()), name: None }, "nothing else is read there");
        let broken = Body::<Sent>::from_request(at("/x?callbackURL=%ff", "{}"), &()).await;
        assert_eq!(broken.unwrap_err().body().message, "Invalid query string");
        let refused = Body::<Sent>::from_request(at("/x?callbackURL=%2Fq", r#"{"callbackURL":5}"#), &()).await;
        assert_eq!(refused.unwrap_err().code(), "VALIDATION_ERROR", "what the body says is not made good");
        let admin = AdminBody::<Sent>::from_request(at("/x?callbackURL=%2Fq", "{}"), &()).await.unwrap().0;
        assert_eq!(admin.callback, None);
    }

    #[tokio::test]
    async fn queries_read_like_forms() {
        let query = |uri: &'static str| async move {
            let (mut parts, ()) = http::Request::get(uri).body(()).unwrap().into_parts();
            Query::<Guest>::from_request_parts(&mut parts, &()).await
        };
        assert_eq!(query("/x").await.unwrap().0, Guest::default());
        let read = query("/x?remember=true&name=%C3%A9&other").await.unwrap().0;
        assert_eq!(read, Guest { name: Some("é".into()), remember: Some(true) });
        assert_eq!(query("/x?name=%C3").await.unwrap_err().body().message, "Invalid query string");
        assert_eq!(query("/x?remember=1").await.unwrap_err().code(), "VALIDATION_ERROR");
    }
}
