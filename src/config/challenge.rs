//! What somebody has to show before a guest is made for them.

use secrecy::SecretString;
use url::Url;

use super::Guests;
use super::reader::Reader;

#[derive(Clone, Debug)]
pub struct Challenge {
    pub kind: ChallengeKind,
    /// Of everybody; otherwise only beyond the service's budget of guests.
    pub always: bool,
}

#[derive(Clone, Debug)]
pub enum ChallengeKind {
    Off,
    /// Thousands of rounds that a guest costs on average.
    Work {
        effort: u32,
    },
    Captcha(CaptchaConfig),
}

#[derive(Clone, Debug)]
pub struct CaptchaConfig {
    pub provider: CaptchaProvider,
    pub site_key: String,
    pub secret: SecretString,
    /// Where tokens are checked.
    pub verify: Url,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaptchaProvider {
    Turnstile,
    HCaptcha,
}

impl CaptchaProvider {
    pub const fn name(self) -> &'static str {
        match self {
            CaptchaProvider::Turnstile => "turnstile",
            CaptchaProvider::HCaptcha => "hcaptcha",
        }
    }

    const fn verify(self) -> &'static str {
        match self {
            CaptchaProvider::Turnstile => "https://challenges.cloudflare.com/turnstile/v0/siteverify",
            CaptchaProvider::HCaptcha => "https://api.hcaptcha.com/siteverify",
        }
    }
}

#[derive(Clone, Copy)]
enum Named {
    Off,
    Work,
    Captcha(CaptchaProvider),
}

pub(super) fn read(r: &mut Reader, guests: &Guests) -> Option<Challenge> {
    let kinds = [
        ("off", Named::Off),
        ("work", Named::Work),
        (CaptchaProvider::Turnstile.name(), Named::Captcha(CaptchaProvider::Turnstile)),
        (CaptchaProvider::HCaptcha.name(), Named::Captcha(CaptchaProvider::HCaptcha)),
    ];
    let named = r.choice("challenge.kind", &kinds);
    let always = r.choice("challenge.when", &[("always", true), ("over-budget", false)]);
    let effort = r.number("challenge.effort", 1..=100_000);
    if !always && !matches!(named, Named::Off) && !guests.service_is_limited() {
        let remedy = "set service_guests_per_hour or service_guests_per_day, or ask always";
        r.mistake("challenge.when", "is over-budget, and the service has no budget: nobody is ever asked", remedy);
    }
    let kind = match named {
        Named::Off => ChallengeKind::Off,
        Named::Work => ChallengeKind::Work { effort },
        Named::Captcha(provider) => ChallengeKind::Captcha(captcha(r, provider)?),
    };
    Some(Challenge { kind, always })
}

fn captcha(r: &mut Reader, provider: CaptchaProvider) -> Option<CaptchaConfig> {
    let (site_key, secret) = (given(r, "challenge.site_key"), given(r, "challenge.secret"));
    let verify = r.text("challenge.verify_url").unwrap_or(provider.verify()).to_owned();
    let url = Url::parse(&verify).ok().filter(|url| url.has_host() && ["https", "http"].contains(&url.scheme()));
    if url.is_none() {
        r.mistake("challenge.verify_url", format!("{verify:?} is no URL"), "write an https URL, or leave it out");
    }
    Some(CaptchaConfig { provider, site_key: site_key?, secret: secret?.into(), verify: url? })
}

fn given(r: &mut Reader, key: &str) -> Option<String> {
    let text = r.text(key).map(str::to_owned);
    if text.is_none() {
        r.mistake(key, "is missing", "the provider's dashboard shows it");
    }
    text
}
