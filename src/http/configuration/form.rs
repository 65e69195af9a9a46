//! What a save wishes. Every form that the contract lists is read here, and nothing is changed.

use chrysalis_domain::Span;
use chrysalis_domain::settings::Changes;
use serde_json::Value;

use super::provider::{self, Known};
use super::reader::{Object, Reader};
use super::shape::Warning;
use crate::app::configure::ProviderForm;
use crate::settings::Effective;
use crate::wire::body::Fields;
use crate::wire::error::ApiError;
use crate::wire::origin::OriginPattern;

/// A save that can be made.
pub(super) struct Wish {
    pub(super) changes: Changes,
    pub(super) providers: Vec<ProviderForm>,
    pub(super) unknown: Vec<Warning>,
    /// What was said of guests where it is only read.
    pub(super) anonymous: Option<Value>,
}

pub(super) fn read(fields: Fields, known: &Known<'_>) -> Result<Wish, ApiError> {
    let (mut reader, mut root) = (Reader::default(), Object::root(fields));
    let r = &mut reader;
    let mut changes = Changes::default();
    if let Some(methods) = r.object(&mut root, "authMethods") {
        read_methods(r, methods, &mut changes);
    }
    if let Some(mut passwords) = r.object(&mut root, "emailPassword") {
        let change = &mut changes.passwords;
        change.require_email_verification = r.switch(&mut passwords, "requireEmailVerification");
        change.auto_sign_in = r.switch(&mut passwords, "autoSignIn");
        change.min_length = r.whole(&mut passwords, "minPasswordLength").map(small);
        change.max_length = r.whole(&mut passwords, "maxPasswordLength").map(small);
        r.rest(&passwords);
    }
    if let Some(mut features) = r.object(&mut root, "features") {
        changes.features.sign_up = r.switch(&mut features, "signUp");
        ["hostedUi", "mfa", "localization"].into_iter().for_each(|name| r.off(&mut features, name));
        r.rest(&features);
    }
    if let Some(sessions) = r.object(&mut root, "sessions") {
        read_sessions(r, sessions, known.now, &mut changes);
    }
    let providers = match r.object(&mut root, "socialProviders") {
        Some(providers) => provider::read_all(r, providers, known),
        None => Vec::new(),
    };
    // What a reading holds besides, and sends back.
    let anonymous = root.take("anonymous");
    root.take("warnings");
    r.rest(&root);
    for mistake in changes.mistakes() {
        r.mistake(place_of(mistake.name).to_owned(), "INVALID_VALUE", mistake.rule);
    }
    let unknown = reader.done()?.into_iter().map(Warning::unknown_key).collect();
    Ok(Wish { changes, providers, unknown, anonymous })
}

fn read_methods(r: &mut Reader, mut methods: Object, changes: &mut Changes) {
    let change = &mut changes.anonymous;
    if let Some(on) = methods.is_switch("anonymous") {
        // Switches, and leaves an age as it is.
        change.enabled = Some(on);
        methods.take("anonymous");
    } else if let Some(mut anonymous) = r.object(&mut methods, "anonymous") {
        change.enabled = r.switch(&mut anonymous, "enabled");
        change.max_age = r.whole_or_none(&mut anonymous, "maxAge").map(|age| age.map(Span::from_secs));
        r.rest(&anonymous);
    }
    let change = &mut changes.methods;
    change.email_password = r.switch(&mut methods, "emailPassword");
    change.magic_link = r.switch(&mut methods, "magicLink");
    change.email_otp = r.switch(&mut methods, "emailOtp");
    change.organization = r.switch(&mut methods, "organization");
    ["sso", "passkey", "twoFactor", "username"].into_iter().for_each(|name| r.off(&mut methods, name));
    r.rest(&methods);
}

fn read_sessions(r: &mut Reader, mut sessions: Object, now: &Effective, changes: &mut Changes) {
    let change = &mut changes.sessions;
    // Where no bound is set, the length that is shown is that of a session nobody uses: sent back, it sets none.
    let shown = now.sessions.max_length.is_none().then_some(now.sessions.inactivity_timeout);
    let max_length = r.length_or_none(&mut sessions, "maxSessionLength");
    change.max_length = max_length.filter(|length| length.is_none() || *length != shown);
    change.inactivity_timeout = r.length(&mut sessions, "inactivityTimeout");
    change.access_token_duration = r.length(&mut sessions, "accessTokenDuration");
    if let Some(origins) = r.texts(&mut sessions, "corsOrigins") {
        for (index, origin) in origins.iter().enumerate() {
            if let Err(mistake) = origin.parse::<OriginPattern>() {
                r.unfit(&sessions, &format!("corsOrigins[{index}]"), mistake.reason);
            }
        }
        let mut once = Vec::with_capacity(origins.len());
        origins.into_iter().map(|origin| origin.trim().to_owned()).for_each(|origin| {
            if !once.contains(&origin) {
                once.push(origin);
            }
        });
        change.cors_origins = Some(once);
    }
    r.rest(&sessions);
}

/// Too small and too large stay so.
fn small(number: i64) -> u16 {
    u16::try_from(number.max(0)).unwrap_or(u16::MAX)
}

/// Where a setting stands in a request.
fn place_of(name: &'static str) -> &'static str {
    match name {
        "anonymous.max_age" => "authMethods.anonymous.maxAge",
        "passwords.min_length" => "emailPassword.minPasswordLength",
        "passwords.max_length" => "emailPassword.maxPasswordLength",
        "sessions.max_length" => "sessions.maxSessionLength",
        "sessions.inactivity_timeout" => "sessions.inactivityTimeout",
        "sessions.access_token_duration" => "sessions.accessTokenDuration",
        "sessions.cors_origins" => "sessions.corsOrigins",
        other => other,
    }
}
