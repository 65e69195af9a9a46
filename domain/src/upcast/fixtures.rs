//! The promise that stored events stay readable, held against the files in `domain/fixtures`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::path::Path;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::attempts::AttemptKind;
use crate::challenge::event::VoidReason;
use crate::challenge::{Intent, Purpose};
use crate::event;
use crate::mail::Reason;
use crate::organization::Role;
use crate::organization::event::{OrganizationEnd, RemovalReason, RevocationReason};
use crate::permission::Permission;
use crate::user::event::{CodeEnd, DeletionReason, EndReason, MembershipEnd, Notice, ReleaseReason};
use crate::user::histories::{Life, lives};
use crate::value::{Amr, Carrier, Method, ProofKind};
use crate::webhook::event::DisabledReason;

/// A file, named `<type>.v<version>.json` or `<type>.v<version>.minimal.json`.
struct Fixture {
    event_type: String,
    version: u16,
    minimal: bool,
    body: Value,
}

impl Fixture {
    fn name(&self) -> String {
        format!("{}.v{}{}", self.event_type, self.version, if self.minimal { ".minimal" } else { "" })
    }

    fn is_current(&self) -> bool {
        event::types().any(|known| known == (self.event_type.as_str(), self.version))
    }

    /// What the program of today makes of a body like this one; none when it doesn't read.
    fn rewritten(&self, body: &Value) -> Option<Value> {
        let body = body.to_string();
        let written = event::rewritten(&self.event_type, self.version, body.as_bytes())?;
        serde_json::from_slice(&written).ok()
    }

    /// Fields that can be absent: without them the body reads, and is written back without them.
    fn optional(&self) -> Vec<Vec<String>> {
        let absent = |path: &Vec<String>| {
            let body = without(&self.body, path);
            self.rewritten(&body) == Some(body)
        };
        fields(&self.body).into_iter().filter(absent).collect()
    }
}

fn fixtures() -> Vec<Fixture> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| parse(&path))
        .collect()
}

fn parse(path: &Path) -> Fixture {
    let name = path.file_stem().unwrap().to_str().unwrap();
    let parts: Vec<_> = name.split('.').collect();
    let (event_type, version, minimal) = match parts[..] {
        [event_type, version] => (event_type, version, false),
        [event_type, version, "minimal"] => (event_type, version, true),
        _ => panic!("{name}.json is no name of a fixture"),
    };
    let number = version.strip_prefix('v').and_then(|number| number.parse().ok());
    let version = number.unwrap_or_else(|| panic!("{name}.json names no version"));
    let body = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    Fixture { event_type: event_type.to_owned(), version, minimal, body }
}

/// The path of every field, at any depth.
fn fields(value: &Value) -> Vec<Vec<String>> {
    let Value::Object(object) = value else { return Vec::new() };
    let below = |(name, value): (&String, &Value)| {
        let deeper = fields(value).into_iter().map(|path| [vec![name.clone()], path].concat());
        [vec![name.clone()]].into_iter().chain(deeper).collect::<Vec<_>>()
    };
    object.iter().flat_map(below).collect()
}

fn without(value: &Value, path: &[String]) -> Value {
    let mut value = value.clone();
    let (last, above) = path.split_last().unwrap();
    let parent = above.iter().fold(&mut value, |value, name| &mut value[name]);
    parent.as_object_mut().unwrap().remove(last);
    value
}

/// Whoever looks for erasures looks for these alone.
#[test]
fn what_may_erase_somebody_is_listed() {
    for fixture in fixtures().iter().filter(|fixture| fixture.is_current() && !fixture.minimal) {
        let body = fixture.body.to_string();
        let erases = !event::erased(&fixture.event_type, fixture.version, body.as_bytes()).is_empty();
        assert_eq!(event::ERASING.contains(&fixture.event_type.as_str()), erases, "{}", fixture.name());
    }
}

#[test]
fn every_type_has_a_fixture_of_every_version_and_no_fixture_is_left_over() {
    let versions =
        |(name, current): (&str, u16)| (1..=current).map(|version| (name.to_string(), version)).collect::<Vec<_>>();
    let expected: BTreeSet<_> = event::types().flat_map(versions).collect();
    let full = fixtures()
        .into_iter()
        .filter(|fixture| !fixture.minimal)
        .map(|fixture| (fixture.event_type, fixture.version))
        .collect();
    assert_eq!(expected, full);
    for fixture in fixtures().iter().filter(|fixture| fixture.minimal) {
        assert!(
            expected.contains(&(fixture.event_type.clone(), fixture.version)),
            "{} belongs to nothing",
            fixture.name()
        );
    }
}

#[test]
fn every_fixture_reads_as_its_event() {
    for fixture in fixtures() {
        assert!(fixture.rewritten(&fixture.body).is_some(), "{} does not read", fixture.name());
    }
}

#[test]
fn todays_events_are_written_as_the_fixtures_say() {
    for fixture in fixtures().iter().filter(|fixture| fixture.is_current()) {
        assert_eq!(fixture.rewritten(&fixture.body).as_ref(), Some(&fixture.body), "{}", fixture.name());
    }
}

#[test]
fn what_may_be_absent_is_absent_from_a_minimal_fixture() {
    let (minimal, full): (Vec<_>, Vec<_>) =
        fixtures().into_iter().filter(Fixture::is_current).partition(|fixture| fixture.minimal);
    let minimal: BTreeMap<_, _> = minimal.iter().map(|fixture| (&fixture.event_type, fixture)).collect();
    for fixture in full {
        let optional = fixture.optional();
        let bare = minimal.get(&fixture.event_type);
        assert_eq!(bare.is_some(), !optional.is_empty(), "{} may lack {optional:?}", fixture.name());
        if let Some(bare) = bare {
            assert_eq!(bare.optional(), Vec::<Vec<String>>::new(), "{} can have less", bare.name());
        }
    }
}

#[test]
fn every_field_that_random_lives_write_stands_in_a_fixture() {
    let full = fixtures().into_iter().filter(|fixture| fixture.is_current() && !fixture.minimal);
    let known: BTreeMap<_, BTreeSet<_>> =
        full.map(|fixture| (fixture.event_type, fields(&fixture.body).into_iter().collect())).collect();
    let mut runner = TestRunner::deterministic();
    for _ in 0..50 {
        let mut life = Life::default();
        for step in lives().new_tree(&mut runner).unwrap().current() {
            for event in life.live(&step).outcome.iter().flatten() {
                for field in fields(&serde_json::from_slice(&event.body().unwrap()).unwrap()) {
                    assert!(
                        known[event.event_type()].contains(&field),
                        "no fixture of {} has {field:?}",
                        event.event_type()
                    );
                }
            }
        }
    }
}

/// Every word reads, and is still written so.
fn words<T: DeserializeOwned + Serialize + Debug>(list: &[&str]) {
    for word in list {
        let value: T = serde_json::from_value(Value::from(*word)).unwrap_or_else(|error| panic!("{word}: {error}"));
        assert_eq!(serde_json::to_value(&value).unwrap(), *word);
    }
}

#[test]
fn every_word_ever_written_still_reads() {
    words::<Method>(&[
        "anonymous",
        "password",
        "social",
        "magic_link",
        "email_otp",
        "verification_link",
        "recovery",
        "administrator",
    ]);
    words::<Amr>(&["anon", "pwd", "otp", "email", "fed"]);
    words::<ProofKind>(&[
        "verification_link",
        "magic_link",
        "email_otp",
        "password_reset",
        "email_change",
        "provider",
        "administrator",
    ]);
    words::<Carrier>(&["cookie", "bearer", "replay"]);
    words::<ReleaseReason>(&["replaced", "superseded", "unlinked", "changed", "disabled", "deleted"]);
    words::<EndReason>(&[
        "signed_out",
        "revoked",
        "limit",
        "upgraded",
        "password_changed",
        "password_reset",
        "superseded",
        "reclaimed",
        "transferred",
        "email_change_undone",
        "banned",
        "impersonation_ended",
        "disabled",
        "deleted",
    ]);
    words::<DeletionReason>(&["requested", "anonymous_max_age", "administrator"]);
    words::<Notice>(&[
        "password_changed",
        "reclaimed",
        "account_linked",
        "account_unlinked",
        "email_change_undone",
        "email_replaced",
    ]);
    words::<CodeEnd>(&["used", "revoked", "replaced"]);
    words::<Permission>(&[
        "users.read",
        "users.write",
        "users.credentials",
        "users.roles",
        "users.ban",
        "users.impersonate",
        "users.delete",
        "users.delete.bulk",
        "guests.delete",
        "guests.manage",
        "sessions.read",
        "sessions.revoke",
        "api_keys.read",
        "api_keys.write",
        "config.read",
        "config.write",
        "audit.read",
        "audit.write",
        "webhooks.read",
        "webhooks.write",
        "organizations.read",
        "organizations.write",
        "analytics.read",
    ]);
    words::<Intent>(&["sign_in", "upgrade", "link"]);
    words::<Purpose>(&[
        "magic_link",
        "confirm_address",
        "sign_in_code",
        "verification_code",
        "reset_code",
        "reset_link",
        "change_email",
        "undo_email_change",
        "delete_user",
    ]);
    words::<VoidReason>(&["replaced", "expired", "exhausted", "denied"]);
    words::<AttemptKind>(&["sign_in", "upgrade", "rate_limit", "api_key"]);
    words::<DisabledReason>(&["requested", "lost_deliveries"]);
    words::<Reason>(&["refused", "exhausted", "expired", "erased"]);
    words::<MembershipEnd>(&["left", "removed", "organization_deleted", "user_deleted"]);
    words::<Role>(&["member", "admin", "owner"]);
    words::<RemovalReason>(&["left", "removed", "user_deleted"]);
    words::<RevocationReason>(&["canceled", "inviter_lost", "expired", "organization_deleted"]);
    words::<OrganizationEnd>(&["requested", "empty"]);
}

/// Tables name these things too, with the same words.
#[test]
fn rows_and_events_use_the_same_words() {
    let same = |name: &str, written: Result<Value, serde_json::Error>| assert_eq!(written.unwrap(), name);
    for word in
        ["anonymous", "password", "social", "magic_link", "email_otp", "verification_link", "recovery", "administrator"]
    {
        let method: Method = serde_json::from_value(word.into()).unwrap();
        same(method.name(), serde_json::to_value(method));
    }
    for word in [
        "signed_out",
        "revoked",
        "limit",
        "upgraded",
        "password_changed",
        "password_reset",
        "superseded",
        "reclaimed",
        "transferred",
        "email_change_undone",
        "banned",
        "impersonation_ended",
        "disabled",
        "deleted",
    ] {
        let reason: EndReason = serde_json::from_value(word.into()).unwrap();
        same(reason.name(), serde_json::to_value(reason));
    }
    for role in Role::ALL {
        same(role.name(), serde_json::to_value(role));
    }
    for word in ["requested", "anonymous_max_age", "administrator"] {
        let reason: DeletionReason = serde_json::from_value(word.into()).unwrap();
        same(reason.name(), serde_json::to_value(reason));
    }
}
