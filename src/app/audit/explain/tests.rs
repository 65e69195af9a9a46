use std::collections::BTreeMap;

use chrysalis_domain::id::UserId;
use chrysalis_domain::upcast::Stored;
use chrysalis_domain::{Event, Subject};
use ulid::Ulid;

use super::*;

/// Every event of a user's that ever was, by its type: whole, and as short as it can be.
fn fixtures() -> BTreeMap<String, Vec<UserEvent>> {
    let mut all = BTreeMap::<_, Vec<_>>::new();
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/domain/fixtures")).unwrap() {
        let path = entry.unwrap().path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".json")) else { continue };
        let (kind, rest) = name.split_once(".v").unwrap();
        let version = rest.split('.').next().unwrap().parse().unwrap();
        let subject = Subject::User(UserId::from_ulid(Ulid::nil()));
        if UserEvent::TYPES.iter().any(|(known, _)| *known == kind) {
            let body = std::fs::read(&path).unwrap();
            let Event::User(_, event) = Event::read(subject, kind, version, &body).unwrap() else { panic!("{kind}") };
            all.entry(kind.to_owned()).or_default().push(event);
        }
    }
    all
}

#[test]
fn every_event_of_a_users_is_one_sentence_that_holds_nothing_sealed() {
    let all = fixtures();
    for (kind, _) in UserEvent::TYPES {
        for event in &all[*kind] {
            let Told { text, sealed, .. } = explain(event);
            assert!(text.ends_with('.') && text.starts_with(char::is_uppercase), "{kind}: {text}");
            assert!(!text.trim_end_matches('.').contains(". ") && !text.contains("  "), "{kind}: {text}");
            assert!(!text.contains("sld_") && !text.contains('\n'), "{kind}: {text}");
            assert!(sealed.iter().all(|(name, _)| !name.is_empty()));
        }
    }
}

#[test]
fn what_became_of_keys_is_a_sentence_too() {
    let read = |kind: &str, body: &str| {
        let subject = Subject::Keyring(chrysalis_domain::id::ProjectId::DEFAULT);
        match Event::read(subject, kind, 1, body.as_bytes()).unwrap() {
            Event::Keyring(_, event) => explain_keys(&event),
            other => panic!("{other:?}"),
        }
    };
    let added = read("KeyAdded", r#"{"purpose":"cookie","key":2,"made_at":1,"at":1}"#);
    assert_eq!(added, "Key 2 for cookie was added; what is made from here on is made with it.");
    for (kind, says) in [("KeysRetired", "make nothing new"), ("KeysDestroyed", "were destroyed")] {
        let text = read(kind, r#"{"purpose":"person-kek","upto":2,"at":1}"#);
        assert!(text.starts_with("The keys for person-kek up to 2 ") && text.contains(says), "{text}");
    }
}

#[test]
fn no_two_kinds_of_event_are_told_alike() {
    let mut told = BTreeMap::new();
    for (kind, events) in fixtures() {
        for event in &events {
            let other = told.insert(explain(event).text, kind.clone());
            assert!(other.is_none_or(|other| other == kind), "{kind}");
        }
    }
}
