//! Given what was set and what the start-up configuration says, a wish leads to these events.

use super::values::{
    Anonymous, AnonymousChange, Features, Methods, Passwords, PasswordsChange, Sessions, SessionsChange,
};
use super::*;
use crate::id::{PersonId, SealedId};
use crate::time::Span;

const AT: Timestamp = Timestamp::from_millis(1_000);

fn startup() -> Values {
    Values {
        anonymous: Anonymous { enabled: true, max_age: None },
        methods: Methods { email_password: true, magic_link: true, email_otp: true, organization: true },
        passwords: Passwords { require_email_verification: false, auto_sign_in: true, min_length: 8, max_length: 128 },
        features: Features { sign_up: true },
        sessions: Sessions {
            max_length: None,
            inactivity_timeout: Span::from_days(7),
            access_token_duration: Span::from_secs(900),
            cors_origins: Vec::new(),
        },
    }
}

fn anonymous(enabled: Option<bool>, max_age: Option<Option<Span>>) -> Changes {
    Changes { anonymous: AnonymousChange { enabled, max_age }, ..Changes::default() }
}

fn saving(
    settings: &Settings,
    wished: Changes,
    providers: Vec<ProviderWish>,
) -> Result<Vec<SettingsEvent>, SettingsRefusal> {
    let (wished, startup) = (Box::new(wished), Box::new(startup()));
    settings.decide(SettingsCommand::Save { wished, startup, providers }, AT)
}

fn change(settings: &Settings, wished: Changes) -> Result<Vec<SettingsEvent>, SettingsRefusal> {
    saving(settings, wished, Vec::new())
}

fn happen(settings: &mut Settings, events: Result<Vec<SettingsEvent>, SettingsRefusal>) -> Vec<SettingsEvent> {
    let events = events.unwrap();
    events.iter().for_each(|event| settings.apply(event));
    events
}

#[test]
fn only_what_differs_is_written_with_what_it_was() {
    let mut settings = Settings::default();
    let wished = anonymous(Some(true), Some(Some(Span::from_days(30))));
    let decided = change(&settings, wished);
    let events = happen(&mut settings, decided);
    let before = anonymous(None, Some(None));
    let after = anonymous(None, Some(Some(Span::from_days(30))));
    assert_eq!(events, [SettingsChanged { before, after, at: AT }.into()]);
    let now = startup().with(&settings.changes);
    assert_eq!(now.anonymous, Anonymous { enabled: true, max_age: Some(Span::from_days(30)) });
}

#[test]
fn what_holds_already_is_no_change_and_pins_nothing() {
    let settings = Settings::default();
    assert_eq!(change(&settings, anonymous(Some(true), None)), Ok(Vec::new()));
    assert_eq!(change(&settings, Changes::default()), Ok(Vec::new()));
}

#[test]
fn a_value_can_be_taken_away_again() {
    let mut settings = Settings::default();
    let set = change(&settings, anonymous(None, Some(Some(Span::from_days(30)))));
    happen(&mut settings, set);
    let unset = change(&settings, anonymous(Some(false), Some(None)));
    happen(&mut settings, unset);
    let now = startup().with(&settings.changes);
    assert_eq!(now.anonymous, Anonymous { enabled: false, max_age: None });
}

#[test]
fn nothing_leaves_its_bounds() {
    let sessions = |sessions| Changes { sessions, ..Changes::default() };
    let passwords = |passwords| Changes { passwords, ..Changes::default() };
    let span = |seconds| Some(Span::from_secs(seconds));
    let unfit = [
        (anonymous(None, Some(span(30))), "anonymous.max_age"),
        (anonymous(None, Some(span(3_599))), "anonymous.max_age"),
        (anonymous(None, Some(Some(Span::from_millis(3_600_500)))), "anonymous.max_age"),
        (passwords(PasswordsChange { min_length: Some(7), ..Default::default() }), "passwords.min_length"),
        (passwords(PasswordsChange { max_length: Some(257), ..Default::default() }), "passwords.max_length"),
        (
            sessions(SessionsChange { access_token_duration: span(901), ..Default::default() }),
            "sessions.access_token_duration",
        ),
        (
            sessions(SessionsChange { inactivity_timeout: span(60), ..Default::default() }),
            "sessions.inactivity_timeout",
        ),
        (sessions(SessionsChange { max_length: Some(span(60)), ..Default::default() }), "sessions.max_length"),
        (
            sessions(SessionsChange { cors_origins: Some(vec![String::new(); 101]), ..Default::default() }),
            "sessions.cors_origins",
        ),
    ];
    for (wished, name) in unfit {
        assert_eq!(wished.mistakes().iter().map(|mistake| mistake.name).collect::<Vec<_>>(), [name]);
        assert_eq!(change(&Settings::default(), wished), Err(SettingsRefusal::Unfit(name)));
    }
    assert!(change(&Settings::default(), anonymous(None, Some(span(3_600)))).is_ok());
}

fn known(client_id: &str, enabled: bool) -> KnownProvider {
    KnownProvider { client_id: client_id.to_owned(), tenant_id: None, enabled }
}

fn client(id: &str) -> ProviderChange {
    ProviderChange { client_id: Some(id.to_owned()), ..ProviderChange::default() }
}

fn secret(nth: u64) -> Secret {
    let ulid = |millis| ulid::Ulid::from_parts(millis, 1);
    Secret { owner: PersonId::from_ulid(ulid(nth)), record: SealedId::from_ulid(ulid(nth)) }
}

fn save(
    settings: &Settings,
    change: ProviderChange,
    secret: Option<Secret>,
    startup: Option<KnownProvider>,
) -> Result<Vec<SettingsEvent>, SettingsRefusal> {
    let provider = "google".to_owned();
    saving(settings, Changes::default(), vec![ProviderWish { provider, change, secret, startup }])
}

fn remove(settings: &Settings, startup: Option<KnownProvider>) -> Result<Vec<SettingsEvent>, SettingsRefusal> {
    settings.decide(SettingsCommand::RemoveProvider { provider: "google".to_owned(), startup }, AT)
}

#[test]
fn a_provider_is_added_changed_and_keeps_its_secret() {
    let mut settings = Settings::default();
    assert_eq!(save(&settings, ProviderChange::default(), None, None), Err(SettingsRefusal::NoClientId));
    let added = save(&settings, client("one"), Some(secret(1)), None);
    let events = happen(&mut settings, added);
    let expected = SocialProviderSaved {
        provider: "google".to_owned(),
        before: ProviderChange::default(),
        after: client("one"),
        secret: Some(secret(1)),
        at: AT,
    };
    assert_eq!(events, [expected.into()]);
    assert_eq!(save(&settings, client("one"), None, None), Ok(Vec::new()), "it is so already");
    let off = save(&settings, ProviderChange { enabled: Some(false), ..client("two") }, None, None);
    happen(&mut settings, off);
    assert_eq!(settings.known("google", None), Some(known("two", false)));
    assert_eq!(settings.providers["google"].secret, Some(secret(1)));
}

#[test]
fn a_provider_of_the_start_up_configuration_can_be_switched_and_removed() {
    let mut settings = Settings::default();
    let startup = || Some(known("configured", true));
    let off = save(&settings, ProviderChange { enabled: Some(false), ..client("configured") }, None, startup());
    let events = happen(&mut settings, off);
    let switched = |enabled| ProviderChange { enabled: Some(enabled), ..ProviderChange::default() };
    let (before, after) = (switched(true), switched(false));
    let provider = "google".to_owned();
    assert_eq!(events, [SocialProviderSaved { provider, before, after, secret: None, at: AT }.into()]);
    // What was not set follows the configuration.
    assert_eq!(settings.known("google", Some(known("another", true))), Some(known("another", false)));

    let removed = remove(&settings, startup());
    happen(&mut settings, removed);
    assert_eq!(settings.known("google", startup()), None);
    assert_eq!(remove(&settings, startup()), Err(SettingsRefusal::UnknownProvider));
    assert_eq!(save(&settings, ProviderChange::default(), None, startup()), Err(SettingsRefusal::NoClientId));
    let again = save(&settings, client("anew"), None, startup());
    happen(&mut settings, again);
    assert_eq!(settings.known("google", startup()), Some(known("anew", true)));
    assert!(settings.providers["google"].cut, "its old secret is not the new client's");
}

#[test]
fn what_is_saved_together_is_saved_or_not_together() {
    let wish =
        |provider: &str, change| ProviderWish { provider: provider.to_owned(), change, secret: None, startup: None };
    let guests_off = || anonymous(Some(false), None);
    let both = vec![wish("google", client("one")), wish("github", client("two"))];
    assert_eq!(saving(&Settings::default(), guests_off(), both).map(|events| events.len()), Ok(3));
    let nameless = vec![wish("google", client("one")), wish("github", ProviderChange::default())];
    assert_eq!(saving(&Settings::default(), guests_off(), nameless), Err(SettingsRefusal::NoClientId));
}
