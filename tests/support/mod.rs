//! What the tests over HTTP act with: a running server on a clock that stands still, browsers and programs that call it,
//! and the answers they get.

use std::sync::Arc;

mod answer;
mod app;
mod client;
mod follow;
pub mod forms;
mod jar;
pub mod raw;
mod store;

pub use answer::Answer;
pub use app::{App, KEY, START, Tweak};
pub use chrysalis_domain::Span;
pub use client::{Client, Method};
pub use follow::{Block, Following};
pub use store::{fresh_schema, in_folder, on_eventstore, on_postgres, reads_postgres};

/// A client of the tests'. It speaks no TLS, and wants to know by what it would all the same. Nothing is installed for the
/// process: EventStoreDB's client does that, and bears nobody before it.
pub fn http() -> reqwest::ClientBuilder {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder().tls_backend_preconfigured(tls)
}

/// The product page's own sample, so it must be one that is accepted.
pub const PASSWORD: &str = "securePassword123";

pub const SESSION: &str = "better-auth.session_token";
pub const DONT_REMEMBER: &str = "better-auth.dont_remember";
pub const CLAIM: &str = "better-auth.claim";

/// A day, an hour, a second: what the tests move the clock by.
pub const fn days(days: i64) -> Span {
    Span::from_days(days)
}

pub const fn hours(hours: i64) -> Span {
    Span::from_hours(hours)
}

pub const fn seconds(seconds: i64) -> Span {
    Span::from_secs(seconds)
}

pub const A_MILLISECOND: Span = Span::from_millis(1);

/// All of it but its last millisecond.
pub fn almost(span: Span) -> Span {
    Span::from_millis(span.as_millis() - 1)
}
