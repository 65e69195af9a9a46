//! Identity providers: which there are, and as whom this server comes to them.

use std::path::PathBuf;

use ipnet::IpNet;
use secrecy::SecretString;

use super::reader::Reader;
use crate::social::apple::SigningKey;
use crate::social::known::{self, Kind};
use crate::wire::origin::Origin;

/// One provider.
#[derive(Clone, Debug)]
pub struct SocialProvider {
    pub id: String,
    pub kind: Kind,
    pub enabled: bool,
    pub client_id: String,
    pub client_secret: Option<SecretString>,
    /// Where its kind has tenants.
    pub tenant_id: Option<String>,
    /// Of one that is discovered.
    pub issuer: Option<String>,
    /// Another place for all of its endpoints, of one that is not discovered.
    pub base_url: Option<Origin>,
    /// None: those that its kind needs.
    pub scopes: Option<Vec<String>>,
    /// Client ids besides ours whose id tokens are taken.
    pub audiences: Vec<String>,
    /// Whether its word on an address is believed, where its kind leaves that open.
    pub trust_email: bool,
    /// Apple's clients prove who they are by a signature.
    pub signing: Option<SigningKey>,
}

/// Whose id can't be a provider's.
pub const RESERVED: [&str; 1] = ["credential"];

pub(super) fn read(r: &mut Reader) -> Vec<SocialProvider> {
    let mut providers: Vec<SocialProvider> = Vec::new();
    for id in r.ids("social") {
        let Some(provider) = one(r, &id) else { continue };
        if providers.iter().any(|other| other.id == provider.id) {
            r.mistake(&format!("social.{id}"), "is configured twice, as twitter and as x", "leave one of them out");
        } else {
            providers.push(provider);
        }
    }
    providers
}

fn one(r: &mut Reader, id: &str) -> Option<SocialProvider> {
    let key = |name: &str| format!("social.{id}.{name}");
    if RESERVED.contains(&id) {
        r.mistake(&format!("social.{id}"), "is the name of passwords", "take another id");
        return None;
    }
    let kind = known::kind(id);
    let text = |r: &Reader, name: &str| r.text(&key(name)).map(str::to_owned);
    let Some(client_id) = text(r, "client_id") else {
        r.mistake(&key("client_id"), "is missing", "give the client id that the provider gave you");
        return None;
    };
    let enabled = r.switch(&key("enabled"));
    let tenant_id = text(r, "tenant_id");
    if !tenant_id.as_deref().is_none_or(is_tenant) {
        r.mistake(&key("tenant_id"), "is no tenant", "write common, organizations, consumers, or a tenant's id");
    }
    let issuer = text(r, "issuer").or_else(|| kind.issuer(tenant_id.as_deref()));
    match &issuer {
        None if kind.is_discovered() => {
            r.mistake(&key("issuer"), "is missing", "give the issuer URL of your OIDC provider");
        }
        Some(issuer) if !url::Url::parse(issuer).is_ok_and(|url| matches!(url.scheme(), "https" | "http")) => {
            r.mistake(&key("issuer"), "is no URL", "write it as the provider does, such as https://id.example.com");
        }
        _ => {}
    }
    let base_url = text(r, "base_url").and_then(|text| {
        let origin = Origin::parse(text.trim_end_matches('/'));
        if origin.is_none() {
            r.mistake(
                &key("base_url"),
                "is no origin",
                "write a scheme and a host, such as https://github.example.com",
            );
        }
        origin
    });
    let signing = if kind == Kind::Apple { signing(r, id) } else { None };
    let client_secret = text(r, "client_secret").map(Into::into);
    let scopes = r.list(&key("scopes"));
    Some(SocialProvider {
        id: known::canonical(id).to_owned(),
        kind,
        enabled,
        client_id,
        client_secret,
        tenant_id,
        issuer,
        base_url,
        scopes: (!scopes.is_empty()).then_some(scopes),
        audiences: r.list(&key("audiences")),
        trust_email: r.switch(&key("trust_email")),
        signing,
    })
}

/// Whether it can be the name of a tenant: it becomes part of a URL.
pub fn is_tenant(text: &str) -> bool {
    (1..=255).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}

impl SocialProvider {
    /// One that nothing is known of but what it is called, and as whom this server comes to it.
    pub fn new(id: &str, client_id: String, tenant_id: Option<String>) -> Self {
        let kind = known::kind(id);
        Self {
            id: id.to_owned(),
            kind,
            enabled: true,
            client_id,
            client_secret: None,
            issuer: kind.issuer(tenant_id.as_deref()),
            tenant_id,
            base_url: None,
            scopes: None,
            audiences: Vec::new(),
            trust_email: false,
            signing: None,
        }
    }
}

fn signing(r: &mut Reader, id: &str) -> Option<SigningKey> {
    let key = |name: &str| format!("social.{id}.{name}");
    let (team, id) = (r.text(&key("team_id")).map(str::to_owned), r.text(&key("key_id")).map(str::to_owned));
    let path = r.text(&key("private_key_file")).map(PathBuf::from);
    let (Some(team), Some(id), Some(path)) = (team, id, path) else {
        r.mistake(
            &key("private_key_file"),
            "apple needs team_id, key_id and private_key_file",
            "give all three; Apple's developer pages show them",
        );
        return None;
    };
    match SigningKey::read(&path, team, id) {
        Ok(signing) => Some(signing),
        Err(problem) => {
            r.mistake(&key("private_key_file"), problem, "give the .p8 file as Apple gave it");
            None
        }
    }
}

/// Private networks that may be called.
pub(super) fn allowed(r: &mut Reader) -> Vec<IpNet> {
    super::reach::networks(r, "outgoing.allow")
}
