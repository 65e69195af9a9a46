//! The configuration as clients see it (CONTRACT 7.4).

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::settings::{Effective, ProviderView};
use crate::wire::length;

/// Everything that can be set, with the values that hold.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Configuration {
    auth_methods: AuthMethods,
    /// Read-only: the same as `authMethods.anonymous`, in one form.
    anonymous: Anonymous,
    email_password: EmailPassword,
    social_providers: BTreeMap<String, Provider>,
    features: Features,
    sessions: Sessions,
    /// None of them keeps anything from being saved.
    pub(super) warnings: Vec<Warning>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AuthMethods {
    anonymous: AnonymousMethod,
    email_password: bool,
    magic_link: bool,
    email_otp: bool,
    organization: bool,
    sso: bool,
    passkey: bool,
    two_factor: bool,
    username: bool,
}

/// An object where guests are on and have a maximum age; a boolean otherwise, so that whatever is true means on.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum AnonymousMethod {
    Switch(bool),
    #[serde(rename_all = "camelCase")]
    Aged {
        enabled: bool,
        /// Seconds since a guest's last activity.
        #[schema(example = 2_592_000)]
        max_age: i64,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Anonymous {
    enabled: bool,
    max_age: Option<i64>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct EmailPassword {
    require_email_verification: bool,
    auto_sign_in: bool,
    min_password_length: u16,
    max_password_length: u16,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Features {
    hosted_ui: bool,
    sign_up: bool,
    mfa: bool,
    localization: bool,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = configuration::Sessions)]
#[serde(rename_all = "camelCase")]
struct Sessions {
    /// No session lives longer, however often it is used. Where no bound is set, that of a session nobody uses.
    #[schema(example = "7 days")]
    max_session_length: String,
    #[schema(example = "15 minutes")]
    access_token_duration: String,
    #[schema(example = "7 days")]
    inactivity_timeout: String,
    cors_origins: Vec<String>,
}

/// An identity provider, without its secret.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Provider {
    client_id: String,
    tenant_id: Option<String>,
    has_client_secret: bool,
    enabled: bool,
    /// Epoch milliseconds; when the server started, where only its start-up configuration speaks of it.
    updated_at: i64,
}

/// What should be known, and keeps nothing from being saved.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Warning {
    /// `NO_UPGRADE_METHOD`, `NO_CLEANUP` or `UNKNOWN_KEY`.
    #[schema(value_type = String)]
    code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
}

/// What a page may know that lets people sign in.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PublicConfiguration {
    auth_methods: AuthMethods,
    email_password: EmailPassword,
    /// Those that are on.
    social_providers: BTreeMap<String, PublicProvider>,
    features: Features,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PublicProvider {
    enabled: bool,
}

impl Configuration {
    pub(super) fn new(now: &Effective, providers: Vec<ProviderView>) -> Self {
        let sessions = &now.sessions;
        Self {
            auth_methods: methods(now),
            anonymous: anonymous(now),
            email_password: passwords(now),
            social_providers: by_id(providers),
            features: features(now),
            sessions: Sessions {
                max_session_length: length::write(sessions.max_length.unwrap_or(sessions.inactivity_timeout)),
                access_token_duration: length::write(sessions.access_token_duration),
                inactivity_timeout: length::write(sessions.inactivity_timeout),
                cors_origins: sessions.cors_origins.clone(),
            },
            warnings: warnings(now),
        }
    }
}

impl PublicConfiguration {
    pub(super) fn new(now: &Effective, providers: Vec<ProviderView>) -> Self {
        let on = providers.into_iter().filter(|provider| provider.enabled);
        let anonymous = AnonymousMethod::Switch(now.anonymous.enabled);
        Self {
            auth_methods: AuthMethods { anonymous, ..methods(now) },
            email_password: passwords(now),
            social_providers: on.map(|provider| (provider.id, PublicProvider { enabled: true })).collect(),
            features: features(now),
        }
    }
}

pub(super) fn by_id(providers: Vec<ProviderView>) -> BTreeMap<String, Provider> {
    let shown = |view: ProviderView| {
        let provider = Provider {
            client_id: view.client_id,
            tenant_id: view.tenant_id,
            has_client_secret: view.has_secret,
            enabled: view.enabled,
            updated_at: view.updated_at.as_millis(),
        };
        (view.id, provider)
    };
    providers.into_iter().map(shown).collect()
}

fn methods(now: &Effective) -> AuthMethods {
    let anonymous = match anonymous(now) {
        Anonymous { enabled: true, max_age: Some(max_age) } => AnonymousMethod::Aged { enabled: true, max_age },
        Anonymous { enabled, .. } => AnonymousMethod::Switch(enabled),
    };
    AuthMethods {
        anonymous,
        email_password: now.methods.email_password,
        magic_link: now.methods.magic_link,
        email_otp: now.methods.email_otp,
        organization: now.methods.organization,
        // Not offered.
        sso: false,
        passkey: false,
        two_factor: false,
        username: false,
    }
}

pub(super) fn anonymous(now: &Effective) -> Anonymous {
    let max_age = now.anonymous.max_age.map(chrysalis_domain::Span::as_secs_ceil);
    Anonymous { enabled: now.anonymous.enabled, max_age }
}

fn passwords(now: &Effective) -> EmailPassword {
    let passwords = &now.passwords;
    EmailPassword {
        require_email_verification: passwords.require_email_verification,
        auto_sign_in: passwords.auto_sign_in,
        min_password_length: passwords.min_length,
        max_password_length: passwords.max_length,
    }
}

fn features(now: &Effective) -> Features {
    // What is false is not offered.
    Features { hosted_ui: false, sign_up: now.features.sign_up, mfa: false, localization: false }
}

impl Warning {
    pub(super) fn unknown_key(path: String) -> Self {
        Self { code: "UNKNOWN_KEY", message: format!("{path} means nothing here and was ignored"), path: Some(path) }
    }

    /// Guests are set where they can be read only.
    pub(super) fn read_only(path: &str, instead: &str) -> Self {
        let message = format!("{path} is read-only and was ignored; set {instead}");
        Self { code: "UNKNOWN_KEY", message, path: Some(path.to_owned()) }
    }
}

fn warnings(now: &Effective) -> Vec<Warning> {
    if !now.anonymous.enabled {
        return Vec::new();
    }
    let path = Some("authMethods.anonymous".to_owned());
    let mut warnings = Vec::new();
    let methods = &now.methods;
    let way = methods.email_password || methods.magic_link || methods.email_otp || !now.providers.is_empty();
    if !way || !now.features.sign_up {
        let why = if way { "sign-up is closed" } else { "no method is on by which they could" };
        let message = format!("Guests are on and can't become members: {why}");
        warnings.push(Warning { code: "NO_UPGRADE_METHOD", message, path: path.clone() });
    }
    if now.anonymous.max_age.is_none() {
        let message = "Guests are on and are kept for ever; set authMethods.anonymous.maxAge".to_owned();
        warnings.push(Warning { code: "NO_CLEANUP", message, path });
    }
    warnings
}
