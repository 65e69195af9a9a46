//! The few pages this server shows itself: errors, confirmation forms, the mails of a development server.
//!
//! No page runs a script, none can be framed, and no value gets into one unescaped: [`Markup`] takes only literals as
//! markup and escapes all else.

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderValue, StatusCode};

use super::origin::Origin;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:12vh auto;padding:0 1rem;color:#1c1c1c;\
background:#fff}input,button{font:inherit;padding:.4rem .7rem}code{color:#666}table{border-collapse:collapse}\
td,th{padding:.2rem .8rem .2rem 0;text-align:left;vertical-align:top}\
@media(prefers-color-scheme:dark){body{color:#eee;background:#161616}a{color:#9cf}code{color:#aaa}}";

/// `value` as text or in a quoted attribute.
pub fn escape(value: &str) -> Cow<'_, str> {
    if !value.contains(['&', '<', '>', '"', '\'']) {
        return Cow::Borrowed(value);
    }
    let mut escaped = String::with_capacity(value.len() + 16);
    for char in value.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    Cow::Owned(escaped)
}

/// HTML under construction: literals as they are, values escaped.
#[derive(Clone, Debug, Default)]
pub struct Markup(String);

impl Markup {
    pub fn new() -> Self {
        Self::default()
    }

    /// Markup that is part of this program.
    pub fn raw(mut self, literal: &'static str) -> Self {
        self.0.push_str(literal);
        self
    }

    /// Any value, as text or inside a quoted attribute. In `href` and `action` only a checked URL may stand.
    pub fn text(mut self, value: &str) -> Self {
        self.0.push_str(&escape(value));
        self
    }

    pub fn then(mut self, more: Markup) -> Self {
        self.0.push_str(&more.0);
        self
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A whole page. Answers 200 unless told otherwise.
#[derive(Clone, Debug)]
pub struct Page {
    status: StatusCode,
    title: String,
    body: Markup,
    form_targets: String,
}

impl Page {
    pub fn new(title: &str, body: Markup) -> Self {
        Self { status: StatusCode::OK, title: title.to_owned(), body, form_targets: String::new() }
    }

    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Lets a form of this page end at `target` too: some browsers hold `form-action` against the redirect that answers
    /// the form as well.
    pub fn form_may_lead_to(mut self, target: &Origin) -> Self {
        self.form_targets.push(' ');
        // A custom scheme without a host is written as a scheme (CSP 3, scheme-source).
        let target = target.to_string();
        self.form_targets.push_str(target.strip_suffix("//").unwrap_or(&target));
        self
    }

    fn policy(&self) -> String {
        format!(
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'{}",
            self.form_targets
        )
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let html = Markup::new()
            .raw("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">")
            .raw("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><meta name=\"robots\" content=\"noindex\"><title>")
            .text(&self.title)
            .raw("</title><style>")
            .raw(STYLE)
            .raw("</style></head><body><main><h1>")
            .text(&self.title)
            .raw("</h1>")
            .then(self.body.clone())
            .raw("</main></body></html>");
        let mut response = (self.status, html.0).into_response();
        let headers = response.headers_mut();
        // An origin is ASCII without separators, so the policy always fits; were it not so, nothing at all is allowed.
        let policy = HeaderValue::try_from(self.policy()).unwrap_or_else(|_| HeaderValue::from_static("sandbox"));
        headers.insert(CONTENT_SECURITY_POLICY, policy);
        let fixed: [(HeaderName, &'static str); 4] = [
            (CONTENT_TYPE, "text/html; charset=utf-8"),
            (REFERRER_POLICY, "no-referrer"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (X_FRAME_OPTIONS, "DENY"),
        ];
        for (name, value) in fixed {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// What `GET /error?error=<code>` shows: a sentence for the codes that end here, and the code itself if it is one.
pub fn error_page(code: &str) -> Page {
    let sentence = match code.to_ascii_lowercase().as_str() {
        "invalid_token" | "token_expired" => "This link is no longer valid. Please ask for a new one.",
        "state_not_found" | "state_mismatch" => {
            "This sign-in was begun elsewhere or took too long. Please start again."
        }
        "access_denied" => "The sign-in was cancelled.",
        "account_already_linked_to_different_user" => {
            "This account already belongs to another user. Sign in with it instead."
        }
        "email_already_in_use" | "account_not_linked" => "This e-mail address already belongs to another user.",
        "email_does_not_match" => "The e-mail addresses of the two accounts differ.",
        "signup_disabled" | "new_user_signup_disabled" => "New accounts are not accepted at present.",
        "banned_user" => "This account has been banned. Please contact support if you believe this is an error.",
        "oauth_provider_not_found" => "This way to sign in is not available.",
        _ => "Something went wrong. Please go back and try again.",
    };
    let body = Markup::new().raw("<p>").text(sentence).raw("</p>");
    // Not a word of anybody's choosing: a page of ours must not speak for whoever wrote the link.
    let is_code =
        (1..=64).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let body = if is_code { body.raw("<p><code>").text(code).raw("</code></p>") } else { body };
    Page::new("That did not work", body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[test]
    fn escapes_what_ends_text_or_an_attribute() {
        assert!(matches!(escape("plain ü"), Cow::Borrowed("plain ü")));
        assert_eq!(escape("<a href=\"x\" b='y'>&amp;"), "&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;amp;");
    }

    async fn text(page: Page) -> String {
        let bytes = page.into_response().into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn pages_escape_title_and_values() {
        let evil = "</title><script>alert(1)</script>";
        let html = text(Page::new(evil, Markup::new().raw("<p>").text(evil).raw("</p>"))).await;
        assert!(!html.contains("<script"));
        assert_eq!(html.matches("&lt;script&gt;").count(), 3);
    }

    #[test]
    fn pages_forbid_scripts_and_framing() {
        let app = Origin::parse("https://app.example.com").unwrap();
        let scheme = Origin::parse("myapp://").unwrap();
        let page = Page::new("t", Markup::new()).form_may_lead_to(&app).form_may_lead_to(&scheme);
        let response = page.with_status(StatusCode::FORBIDDEN).into_response();
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        let headers = response.headers();
        assert_eq!(
            headers[CONTENT_SECURITY_POLICY],
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'; \
             form-action 'self' https://app.example.com myapp:"
        );
        assert_eq!(headers[CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(headers[REFERRER_POLICY], "no-referrer");
        assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
    }

    #[tokio::test]
    async fn the_error_page_shows_codes_but_no_prose_of_others() {
        let html = text(error_page("state_mismatch")).await;
        assert!(html.contains("begun elsewhere") && html.contains("<code>state_mismatch</code>"));
        for foreign in ["", "Call 555 now", "<b>", "é", &"a".repeat(65)] {
            assert!(!text(error_page(foreign)).await.contains("<code>"), "{foreign}");
        }
    }
}
