use super::*;
use secrecy::ExposeSecret;

fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn with(pairs: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    Config::from(&Overrides::default(), &environment(pairs))
}

#[test]
fn with_nothing_set_it_serves_on_loopback() {
    let config = with(&[]).unwrap();
    assert!(config.listen.ip().is_loopback());
    assert_eq!(config.public.to_string(), "http://localhost:3000");
    assert!(
        matches!(&config.store, Store::Sqlite(path) if path.to_str() == Some("./chrysalis-data/chrysalis.db")),
        "{:?}",
        config.store
    );
    assert_eq!(config.sessions.lifetime, Span::from_days(7));
    let guests = config.guests;
    assert_eq!((guests.per_minute, guests.per_hour, guests.per_day), (30, 600, 3_000));
    assert!(!guests.service_is_limited());
    assert!(config.rate_limits);
    assert!(config.warnings().is_empty());
}

#[test]
fn every_mistake_is_told_at_once_with_its_remedy() {
    let told = with(&[
        ("CHRYSALIS_LISTEN", "here"),
        ("CHRYSALIS_STORE", "mysql://x"),
        ("CHRYSALIS_SECRET", "short"),
        ("CHRYSALIS_TRUSTED_PROXIES", "10.0.0.0/8, nonsense"),
        ("CHRYSALIS_EMAIL_PASSWORD_MIN_LENGTH", "4"),
        ("CHRYSALIS_SESSIONS_LIFETIME", "7 weeks"),
    ]);
    let ConfigErrors(mistakes) = told.unwrap_err();
    let keys: Vec<_> = mistakes.iter().map(|mistake| mistake.key.as_str()).collect();
    for key in ["listen", "store", "secret", "trusted_proxies", "email_password.min_length", "sessions.lifetime"] {
        assert!(keys.contains(&key), "{key} is not among {keys:?}");
    }
}

#[test]
fn a_log_in_eventstoredb_takes_a_read_store() {
    let log = ("CHRYSALIS_STORE", "esdb://auth:secret@one:2113,two:2113?tls=false");
    let config = with(&[log, ("CHRYSALIS_READ_STORE", "sqlite:read.db")]).unwrap();
    let Store::EventStore(given) = &config.store else { panic!("{:?}", config.store) };
    assert_eq!((given.stream.as_str(), given.call_timeout), ("chrysalis", Span::from_secs(3)));
    assert!(matches!(given.read_store.as_ref(), Store::Sqlite(path) if path.to_str() == Some("read.db")));
    assert!(config.store.is(&given.read_store), "a read store is no store of its own");
    let shown = config.effective.iter().find(|(key, ..)| key == "store").unwrap();
    assert!(!shown.1.contains("secret"), "{shown:?}");

    let wrong = [
        (vec![log], "read_store"),
        (vec![log, ("CHRYSALIS_READ_STORE", "esdb://here")], "read_store"),
        (vec![("CHRYSALIS_STORE", "esdb://one:port"), ("CHRYSALIS_READ_STORE", "sqlite:read.db")], "store"),
        (vec![log, ("CHRYSALIS_READ_STORE", "sqlite:a"), ("CHRYSALIS_EVENTSTORE_STREAM", "$all")], "eventstore.stream"),
        (vec![log, ("CHRYSALIS_READ_STORE", "kurrentdb://here")], "read_store"),
        (
            vec![log, ("CHRYSALIS_READ_STORE", "sqlite:a"), ("CHRYSALIS_EVENTSTORE_CALL_TIMEOUT", "6s")],
            "eventstore.call_timeout",
        ),
        (
            vec![log, ("CHRYSALIS_READ_STORE", "sqlite:a"), ("CHRYSALIS_EVENTSTORE_COMMIT_TIMEOUT", "2s")],
            "eventstore.call_timeout",
        ),
    ];
    for (given, key) in wrong {
        let ConfigErrors(mistakes) = with(&given).unwrap_err();
        assert!(mistakes.iter().any(|mistake| mistake.key == key), "{given:?}: {mistakes:?}");
        assert!(mistakes.iter().all(|mistake| !mistake.problem.contains("secret")), "{mistakes:?}");
    }
}

#[test]
fn what_is_wrong_with_a_way_to_eventstoredb_is_told_with_what_to_write() {
    for (store, parts) in [
        ("esdb://auth:secret@one?tlsCaFlie=ca.pem", ["\"tlsCaFlie\"", "tlsCaFile"]),
        ("esdb://auth:secret@one?KeepAliveInterval=5000", ["keepAliveInterval", "10000 at least"]),
        (
            "esdb://auth:secret@one?tlsCaFile=/nowhere/ca.pem",
            ["tlsCaFile names \"/nowhere/ca.pem\"", "name a file in PEM"],
        ),
        ("esdb://auth@one", ["not both", "user:password@"]),
        ("kurrentdb://auth:secret@one", ["kurrentdb://", "esdb://, and the rest as it is"]),
        ("kurrent+discover://auth:secret@one", ["kurrent+discover://", "esdb+discover://, and the rest"]),
    ] {
        let ConfigErrors(mistakes) =
            with(&[("CHRYSALIS_STORE", store), ("CHRYSALIS_READ_STORE", "sqlite:read.db")]).unwrap_err();
        let told =
            mistakes.iter().map(|mistake| format!("{}; {}", mistake.problem, mistake.remedy)).collect::<Vec<_>>();
        assert!(told.len() == 1 && mistakes[0].key == "store", "{told:?}");
        assert!(parts.iter().all(|part| told[0].contains(part)) && !told[0].contains("secret"), "{told:?}");
    }
}

#[test]
fn a_misspelt_variable_is_noticed() {
    let warnings = with(&[("CHRYSALIS_GUESTS_PER_MINUT", "1")]).unwrap().warnings();
    assert!(warnings[0].contains("did you mean CHRYSALIS_GUESTS_PER_MINUTE?"), "{warnings:?}");
}

#[test]
fn flags_come_before_the_environment_before_the_file() {
    let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    std::fs::write(file.path(), "guests_per_minute = 1\nlisten = \"127.0.0.1:1111\"\n[sessions]\nper_user = 7\n")
        .unwrap();
    let mut overrides = Overrides { file: Some(file.path().into()), ..Overrides::default() };
    let environment = environment(&[("CHRYSALIS_GUESTS_PER_MINUTE", "2"), ("CHRYSALIS_LISTEN", "127.0.0.1:2222")]);
    overrides.values.insert("listen".into(), "127.0.0.1:3333".into());
    let config = Config::from(&overrides, &environment).unwrap();
    assert_eq!(config.listen.port(), 3333);
    assert_eq!(config.guests.per_minute, 2);
    assert_eq!(config.sessions.per_user, 7);
}

#[test]
fn a_provider_is_configured_by_its_name() {
    let config = with(&[
        ("CHRYSALIS_SOCIAL_GOOGLE_CLIENT_ID", "a"),
        ("CHRYSALIS_SOCIAL_GOOGLE_CLIENT_SECRET", "b"),
        ("CHRYSALIS_SOCIAL_MY_COMPANY_ISSUER", "https://id.example.com"),
        ("CHRYSALIS_SOCIAL_MY_COMPANY_CLIENT_ID", "c"),
        ("CHRYSALIS_SOCIAL_X_CLIENT_ID", "d"),
    ])
    .unwrap();
    let ids: Vec<_> = config.social.iter().map(|provider| provider.id.as_str()).collect();
    assert_eq!(ids, ["google", "my-company", "twitter"]);
    let shown = config.effective.iter().find(|(name, ..)| name == "social.google.client_secret").unwrap();
    assert_eq!(shown.1, "(hidden)");
    for (name, value) in [
        ("CHRYSALIS_SOCIAL_GOOGLE_CLIENT_SECRET", "no client id"),
        ("CHRYSALIS_SOCIAL_OTHER_CLIENT_ID", "no issuer"),
        ("CHRYSALIS_SOCIAL_CREDENTIAL_CLIENT_ID", "the name of passwords"),
    ] {
        assert!(with(&[(name, value)]).is_err(), "{name}");
    }
}

#[test]
fn the_development_outbox_is_for_loopback_alone() {
    assert!(with(&[("CHRYSALIS_DEV", "1")]).unwrap().dev);
    assert!(with(&[("CHRYSALIS_DEV", "1"), ("CHRYSALIS_LISTEN", "0.0.0.0:3000")]).is_err());
    assert!(with(&[("CHRYSALIS_DEV", "1"), ("CHRYSALIS_BASE_URL", "https://auth.example.com")]).is_err());
    assert!(with(&[("CHRYSALIS_DEV", "1"), ("CHRYSALIS_TRUSTED_PROXIES", "127.0.0.1")]).is_err());
}

#[test]
fn what_is_loose_is_warned_about() {
    assert_eq!(with(&[("CHRYSALIS_RATE_LIMITS", "off")]).unwrap().warnings().len(), 1);
    assert_eq!(with(&[("CHRYSALIS_GUESTS_PER_MINUTE", "0")]).unwrap().warnings().len(), 1);
}

#[test]
fn the_page_of_keys_is_the_table_of_keys() {
    let page = include_str!("../../docs/configuration.md");
    for key in keys::KEYS {
        let line = format!("| `{}` | `{}` | {} | {} |", key.name, keys::variable(key.name), default_of(key), key.about);
        assert!(page.contains(&line), "docs/configuration.md lacks:\n{line}");
    }
}

fn default_of(key: &keys::Key) -> String {
    if key.default.is_empty() { String::new() } else { format!("`{}`", key.default) }
}

#[test]
fn a_secret_is_made_once_and_is_nobody_elses() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let first = secret::of_folder(folder.path(), &crate::entropy::OsEntropy).unwrap();
    let again = secret::of_folder(folder.path(), &crate::entropy::OsEntropy).unwrap();
    assert_eq!(first.expose_secret(), again.expose_secret());
    let path = folder.path().join("secret");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(secret::read(&path).unwrap_err().to_string().contains("chmod 600"));
}
