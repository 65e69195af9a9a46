//! Where browsers reach the server, what else they may come from, and which cookies follow from that.

use std::net::SocketAddr;

use ipnet::IpNet;

use super::reader::Reader;
use crate::wire::cookie::{CookieNames, SameSite};
use crate::wire::origin::{Origin, OriginPattern};

pub(super) fn public_origin(r: &mut Reader, listen: SocketAddr) -> Option<Origin> {
    let text = r.text("base_url").map_or_else(|| format!("http://localhost:{}", listen.port()), str::to_owned);
    let origin = Origin::parse(text.trim_end_matches('/'));
    if origin.is_none() {
        r.mistake(
            "base_url",
            format!("{text:?} is no origin"),
            "write a scheme and a host, such as https://auth.example.com",
        );
    }
    origin
}

pub(super) fn app_origin(r: &mut Reader) -> Option<Origin> {
    let text = r.text("app_url")?.to_owned();
    let origin = Origin::parse(text.trim_end_matches('/'));
    if origin.is_none() {
        r.mistake(
            "app_url",
            format!("{text:?} is no origin"),
            "write a scheme and a host, such as https://app.example.com",
        );
    }
    origin
}

pub(super) fn invitation_url(r: &mut Reader) -> String {
    let text = r.or_default("organization.invitation_url");
    let path = text.starts_with('/') && !text.starts_with("//");
    let absolute = url::Url::parse(&text).is_ok_and(|url| matches!(url.scheme(), "https" | "http"));
    if !text.contains("{id}") || !(path || absolute) {
        let remedy = "write a path or an https URL with {id} in it, such as /accept-invitation/{id}";
        r.mistake("organization.invitation_url", format!("{text:?} leads nowhere"), remedy);
    }
    text
}

pub(super) fn trusted_origins(r: &mut Reader) -> Vec<OriginPattern> {
    match OriginPattern::parse_all(&r.list("trusted_origins")) {
        Ok(patterns) => patterns,
        Err(mistakes) => {
            for mistake in mistakes {
                r.mistake(
                    "trusted_origins",
                    format!("{:?}: {}", mistake.entry, mistake.reason),
                    "write origins such as https://app.example.com",
                );
            }
            Vec::new()
        }
    }
}

pub(super) fn networks(r: &mut Reader, key: &str) -> Vec<IpNet> {
    let mut networks = Vec::new();
    for entry in r.list(key) {
        match entry.parse::<IpNet>().or_else(|_| entry.parse::<std::net::IpAddr>().map(IpNet::from)) {
            Ok(network) => networks.push(network),
            Err(_) => {
                r.mistake(key, format!("{entry:?} is no network"), "write an address or a CIDR, such as 10.0.0.0/8")
            }
        }
    }
    networks
}

pub(super) fn check_dev(r: &mut Reader, listen: SocketAddr, public: Option<&Origin>, proxies: &[IpNet]) {
    if !listen.ip().is_loopback() {
        r.mistake(
            "dev",
            format!("the listener {listen} is not on loopback"),
            "listen on 127.0.0.1, or leave dev off: it shows mails to whoever asks",
        );
    }
    if public.is_some_and(|public| !public.is_loopback()) {
        r.mistake(
            "dev",
            "the public URL's host is none of localhost, 127.0.0.1, [::1]",
            "take one of them, or leave dev off",
        );
    }
    if !proxies.is_empty() {
        r.mistake("dev", "trusted proxies are set", "leave one of the two off");
    }
}

pub(super) fn cookies(r: &mut Reader, public: &Origin) -> Option<CookieNames> {
    let same_site = r
        .choice("cookies.same_site", &[("lax", SameSite::Lax), ("strict", SameSite::Strict), ("none", SameSite::None)]);
    match CookieNames::shared(public, same_site, r.text("cookies.domain")) {
        Ok(names) => Some(names),
        Err(mistake) => {
            r.mistake("cookies", mistake.to_string(), "see SameSite and Domain in docs/configuration.md");
            None
        }
    }
}
