//! The configuration: read once, checked whole, every mistake told at once.

mod admin;
mod audit;
mod challenge;
mod entry;
mod guests;
mod hashing;
pub mod keys;
mod mail;
mod mistakes;
mod reach;
mod reader;
pub mod secret;
mod sessions;
mod social;
mod sources;
pub mod store;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use chrysalis_domain::user::command::ExpiryTerms;
use chrysalis_domain::{PasswordPolicy, Span};
use ipnet::IpNet;
use secrecy::SecretString;

use crate::wire::cookie::CookieNames;
use crate::wire::origin::{Origin, OriginPattern};
pub use admin::Admin;
pub use audit::Audit;
pub use challenge::{CaptchaConfig, CaptchaProvider, Challenge, ChallengeKind};
pub use entry::Entry;
pub use guests::Guests;
pub use hashing::Hashing;
pub use mail::Mail;
pub use mistakes::{ConfigError, ConfigErrors};
use reader::Reader;
pub use reader::parse_span;
pub use secret::SecretSource;
pub use sessions::{RotateOnUpgrade, Sessions};
pub use social::{RESERVED, SocialProvider, is_tenant};
pub use store::Store;

/// A configuration that can be served with.
#[derive(Clone, Debug)]
pub struct Config {
    pub listen: SocketAddr,
    /// The public URL's origin.
    pub public: Origin,
    pub app_origin: Option<Origin>,
    pub data_dir: PathBuf,
    pub store: Store,
    pub secret: SecretSource,
    pub secret_previous: Option<SecretString>,
    pub bootstrap_api_key: Option<SecretString>,
    pub admin: Admin,
    pub trusted_origins: Vec<OriginPattern>,
    pub trusted_proxies: Vec<IpNet>,
    pub rate_limits: bool,
    pub guests: Guests,
    pub challenge: Challenge,
    pub dev: bool,
    pub anonymous: Anonymous,
    pub entry: Entry,
    pub email_password: EmailPassword,
    pub upgrade: Upgrade,
    pub delete_user: DeleteUser,
    pub change_email: bool,
    pub magic_link: bool,
    pub email_otp: bool,
    pub organization: bool,
    /// As it was given, with `{id}` in it.
    invitation_url: String,
    pub guests_create_organizations: bool,
    /// Whether users are found by a part of their name or address: what it takes is readable.
    pub search: bool,
    pub email: Email,
    pub mail: Mail,
    /// Identity providers, also those that are off.
    pub social: Vec<SocialProvider>,
    /// Whether a member may link an identity with another address than their own.
    pub link_different_emails: bool,
    /// Private networks that may be called.
    pub outgoing: Vec<IpNet>,
    pub sessions: Sessions,
    pub cookies: CookieNames,
    pub hashing: Hashing,
    pub writer: Writer,
    pub followers: Followers,
    /// How long to wait after one checkpoint of the log for the next.
    pub checkpoint_every: Span,
    pub audit: Audit,
    pub shutdown_grace: Span,
    pub log: Logging,
    /// Key, value and source of everything, secrets hidden: what `config check` prints.
    pub effective: Vec<(String, String, String)>,
    /// Variables of the environment that look like keys and are none.
    pub unknown: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Anonymous {
    pub enabled: bool,
    /// How long after their last activity guests are kept.
    pub max_age: Option<Span>,
    /// How long before a guest is removed that is said; zero: it is not.
    pub notice: Span,
    /// How long after a guest was removed that can be undone; zero: it can't.
    pub undo: Span,
    /// How long after a start none is removed: a clock that is wrong is set right until then, and that is noticed.
    pub settle: Span,
}

#[derive(Clone, Debug)]
pub struct EmailPassword {
    pub enabled: bool,
    pub sign_up: bool,
    pub auto_sign_in: bool,
    pub policy: PasswordPolicy,
    pub require_email_verification: bool,
}

#[derive(Clone, Debug)]
pub struct Upgrade {
    pub require_verified_email: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct DeleteUser {
    pub enabled: bool,
    pub by_mail: bool,
}

#[derive(Clone, Debug)]
pub struct Email {
    /// Nobody is told which addresses are taken.
    pub private: bool,
    pub claim_ttl: Span,
    pub verification_ttl: Span,
}

#[derive(Clone, Debug)]
pub struct Writer {
    pub queue: usize,
    pub max_batch: usize,
}

/// Groups that whoever works in bulk has on their way: some batches full, so that the writer never waits for them. How many
/// of them a batch takes is for its queue to say.
const BULK: usize = 256;

impl Writer {
    /// As many as that, and no more than half the queue: the others have work, too.
    pub fn bulk(&self) -> usize {
        BULK.min(self.queue.div_ceil(2))
    }
}

#[derive(Clone, Debug)]
pub struct Followers {
    pub lease: Span,
}

#[derive(Clone, Debug)]
pub struct Logging {
    pub format: LogFormat,
    pub filter: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Auto,
    Human,
    Json,
}

/// What the command line says: before everything else.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    pub file: Option<PathBuf>,
    pub values: BTreeMap<String, String>,
}

impl Config {
    /// Reads flags, environment and file.
    pub fn load(overrides: &Overrides) -> Result<Self, ConfigErrors> {
        Self::from(overrides, &environment())
    }

    /// Reads from an environment that is handed in.
    pub fn from(overrides: &Overrides, environment: &BTreeMap<String, String>) -> Result<Self, ConfigErrors> {
        let mut mistakes = Vec::new();
        let mut unknown = Vec::new();
        let given = sources::gather(overrides, environment, &mut mistakes, &mut unknown);
        let mut reader = Reader::new(given, mistakes);
        let config = build(&mut reader);
        match config {
            Some(config) if reader.mistakes.is_empty() => Ok(Config { unknown, ..config }),
            _ => Err(ConfigErrors(reader.mistakes)),
        }
    }

    /// Where the mail that tells of an invitation leads, with `{id}` in it.
    pub fn invitation_url(&self) -> String {
        let base = self.app_origin.as_ref().unwrap_or(&self.public);
        let path = self.invitation_url.starts_with('/');
        if path { format!("{base}{}", self.invitation_url) } else { self.invitation_url.clone() }
    }

    /// What may be meant, and should be known.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = self.unknown.clone();
        if !self.rate_limits {
            warnings.push("rate_limits is off: anyone may ask as often as they like; for tests only".to_owned());
        } else {
            warnings.extend(self.guests.warnings());
            if self.guests.service_is_limited() && matches!(self.challenge.kind, ChallengeKind::Off) {
                warnings.push(
                    "the service has a budget of guests and asks for no challenge: beyond it nobody gets one"
                        .to_owned(),
                );
            }
        }
        if !self.public.is_https() && !self.public.is_loopback() {
            warnings.push(format!("base_url is {}: sessions travel in clear; use https", self.public));
        }
        if self.public.is_loopback() && !self.listen.ip().is_loopback() {
            warnings.push(format!(
                "base_url is {} while {} is listened on: set base_url to what browsers see",
                self.public, self.listen
            ));
        }
        if self.trusted_proxies.iter().any(|network| network.prefix_len() == 0) {
            warnings
                .push("trusted_proxies holds everybody: anyone may choose the address they are counted by".to_owned());
        }
        let upgrades = self.email_password.enabled
            || self.magic_link
            || self.email_otp
            || self.social.iter().any(|provider| provider.enabled);
        if self.anonymous.enabled && !(upgrades && self.email_password.sign_up) {
            warnings.push("guests are on and no way to become a member is".to_owned());
        }
        warnings
    }
}

#[allow(clippy::disallowed_methods, reason = "this is the door to the environment")]
fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

const HOUR: Span = Span::from_hours(1);

fn build(r: &mut Reader) -> Option<Config> {
    let listen: SocketAddr = r.parsed(
        "listen",
        "write an address and a port, such as 127.0.0.1:3000",
        SocketAddr::from(([127, 0, 0, 1], 3000)),
    );
    let public = reach::public_origin(r, listen);
    let data_dir = PathBuf::from(r.text("data_dir").unwrap_or("./chrysalis-data"));
    let trusted_proxies = reach::networks(r, "trusted_proxies");
    let dev = r.switch("dev");
    if dev {
        reach::check_dev(r, listen, public.as_ref(), &trusted_proxies);
    }
    let guests = guests::read(r);
    let challenge = challenge::read(r, &guests);
    let hashing = hashing::read(r);
    let mail = mail::read(r, public.as_ref());
    let cookies = public.as_ref().and_then(|public| reach::cookies(r, public));
    let min = r.number("email_password.min_length", 8..=64);
    let max = r.number("email_password.max_length", 64..=256);
    let config = Config {
        listen,
        app_origin: reach::app_origin(r),
        store: store::read(r, &data_dir),
        secret: secret::source(r),
        secret_previous: r.text("secret_previous").map(|text| text.to_owned().into()),
        bootstrap_api_key: admin::bootstrap_api_key(r),
        admin: admin::read(r),
        trusted_origins: reach::trusted_origins(r),
        trusted_proxies,
        rate_limits: r.switch("rate_limits"),
        guests,
        challenge: challenge?,
        dev,
        anonymous: anonymous(r),
        entry: entry::read(r),
        email_password: EmailPassword {
            enabled: r.switch("email_password.enabled"),
            sign_up: r.switch("email_password.sign_up"),
            auto_sign_in: r.switch("email_password.auto_sign_in"),
            policy: PasswordPolicy { min, max },
            require_email_verification: r.switch("email_password.require_email_verification"),
        },
        upgrade: Upgrade { require_verified_email: r.switch("upgrade.require_verified_email") },
        delete_user: DeleteUser { enabled: r.switch("delete_user.enabled"), by_mail: r.switch("delete_user.by_mail") },
        change_email: r.switch("change_email.enabled"),
        magic_link: r.switch("magic_link.enabled"),
        email_otp: r.switch("email_otp.enabled"),
        organization: r.switch("organization.enabled"),
        invitation_url: reach::invitation_url(r),
        guests_create_organizations: r.switch("guests.create_organizations"),
        search: r.switch("search.enabled"),
        mail: mail?,
        social: social::read(r),
        link_different_emails: r.switch("account_linking.different_emails"),
        outgoing: social::allowed(r),
        email: Email {
            private: r.choice("email.conflict", &[("reveal", false), ("private", true)]),
            claim_ttl: r.span("email.claim_ttl", HOUR..=Span::from_days(400)),
            verification_ttl: r.span("email.verification_ttl", Span::from_secs(300)..=Span::from_days(7)),
        },
        sessions: sessions::read(r),
        writer: Writer {
            queue: r.number("writer.queue", 1..=1_000_000),
            max_batch: r.number("writer.max_batch", 1..=100_000),
        },
        followers: Followers { lease: r.span("followers.lease", Span::from_secs(1)..=Span::from_secs(300)) },
        checkpoint_every: r.span("audit.checkpoint_every", Span::ZERO..=Span::from_days(1)),
        audit: audit::read(r),
        shutdown_grace: r.span("shutdown_grace", Span::ZERO..=Span::from_secs(600)),
        log: Logging {
            format: r.choice(
                "log.format",
                &[("auto", LogFormat::Auto), ("human", LogFormat::Human), ("json", LogFormat::Json)],
            ),
            filter: r.text("log.filter").unwrap_or("info").to_owned(),
        },
        effective: r.effective(),
        unknown: Vec::new(),
        public: public?,
        cookies: cookies?,
        hashing: hashing?,
        data_dir,
    };
    Some(config)
}

fn anonymous(r: &mut Reader) -> Anonymous {
    let bounded = r.text("anonymous.max_age").is_some();
    let max_age = bounded.then(|| r.span("anonymous.max_age", ExpiryTerms::MAX_AGE));
    let at_most_a_year = || Span::ZERO..=Span::from_days(366);
    Anonymous {
        enabled: r.switch("anonymous.enabled"),
        max_age,
        notice: r.span("anonymous.notice", at_most_a_year()),
        undo: r.span("anonymous.undo", at_most_a_year()),
        settle: r.span("anonymous.settle", Span::ZERO..=HOUR),
    }
}

#[cfg(test)]
mod tests;
