//! Folded again from the first event on, the log gives exactly the live tables.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrysalis::keys::{Keyring, KeyringClaims};
use chrysalis::keys::{SealKind, SealedSecret};
use chrysalis::log::cqrs::{Ask, Concurrency, Step};
use chrysalis::log::refold::{Difference, Report};
use chrysalis::log::{Expected, Group, LogFault, Store as WholeStore};
use chrysalis_domain::api_key::ApiKeyEvent;
use chrysalis_domain::challenge::ChallengeEvent;
use chrysalis_domain::id::{EventId, JobId, NoteId, UserId, WebhookId};
use chrysalis_domain::job::{JobCommand, JobOutcome, Task, UserFilter, Wave};
use chrysalis_domain::mail::MailEvent;
use chrysalis_domain::note::{ActorType, NoteTarget, Noted};
use chrysalis_domain::organization::OrganizationEvent;
use chrysalis_domain::upcast::Stored;
use chrysalis_domain::user::UserEvent;
use chrysalis_domain::value::{Label, Word};
use chrysalis_domain::webhook::WebhookCommand;
use chrysalis_domain::webhook::event::WebhookCreated;
use chrysalis_domain::{Event, Subject};
use chrysalis_projections::INLINE;
use chrysalis_projections::claims::CLAIMS;
use chrysalis_projections::table::{Kind, Table};

use super::every_store;
use super::history::History;
use super::store::{ROOMY, Store};
use super::world::{World, clock, everything};
use crate::long;

every_store! {
    any_history_folded_again_gives_the_live_tables,
    a_store_goes_on_after_a_rebuild_and_can_be_rebuilt_again,
    an_empty_store_can_be_rebuilt,
    a_rebuild_among_writers_ends_equal,
    a_row_that_was_altered_is_named,
    an_event_that_was_removed_is_a_gap,
    a_rebuild_moves_claims_to_the_current_look_up_key,
    a_rebuild_releases_nothing_because_a_record_was_altered,
    a_store_can_be_verified_after_a_restart,
}

pub(super) async fn verified(world: &World) -> Report {
    verify(world.log.as_ref(), &world.keyring).await
}

async fn verify(log: &dyn WholeStore, keyring: &Keyring) -> Report {
    log.verify(&KeyringClaims(keyring), &mut |_| {}).await.unwrap()
}

async fn rebuilt(world: &World) -> Report {
    world.log.rebuild(&KeyringClaims(&world.keyring), &mut |_| {}).await.unwrap()
}

pub(super) fn assert_clean(report: &Report) {
    assert_eq!(*report, Report { events: report.events, rows: report.rows, ..Report::default() });
}

/// How many rows a read model has, and a text that is another as soon as one cell is.
pub(super) async fn content(store: &dyn Store, table: &Table) -> (u64, String) {
    let cells = table.stored().map(|(name, kind, _)| match kind {
        // Both dialects know hexadecimal digits, by different names.
        Kind::Bytes => format!("coalesce(cast(length({name}) AS text), '-')"),
        Kind::Text | Kind::Integer => format!("coalesce(cast({name} AS text), '-')"),
    });
    let cells = cells.collect::<Vec<_>>().join(" || ' ' || ");
    let (from, all) = (table.name, table.key.join(", "));
    let rows = store.seen(&format!("SELECT cast(count(*) AS text) FROM {from}")).await.parse().unwrap();
    let line = format!("SELECT {cells} AS line FROM {from} ORDER BY {all}");
    (rows, store.seen(&format!("SELECT coalesce(string_agg(line, '/'), '') FROM ({line}) AS lines")).await)
}

async fn tables(store: &dyn Store) -> Vec<(u64, String)> {
    let mut all = Vec::new();
    for table in INLINE {
        all.push(content(store, table).await);
    }
    all
}

async fn any_history_folded_again_gives_the_live_tables(store: &dyn Store) {
    let (mut met, mut filled) = (BTreeSet::new(), BTreeSet::new());
    let all = UserEvent::TYPES.iter().chain(ChallengeEvent::TYPES);
    let all = all.chain(MailEvent::TYPES).chain(OrganizationEvent::TYPES).chain(ApiKeyEvent::TYPES);
    let all: BTreeSet<_> = all.map(|(name, _)| (*name).to_owned()).collect();
    let mut history = History::lived(store, 0, 0).await;
    // Until everything has happened that can.
    for round in 0..50 {
        if !long() && round >= 6 && met == all {
            break;
        }
        history.go_on(500).await;
        let world = &history.world;
        beside_the_people(world).await;
        let events = everything(world.log.as_ref()).await;
        let report = verified(world).await;
        assert_clean(&report);
        assert_eq!(report.events, events.len() as u64);
        let live = tables(store).await;
        assert_eq!(report.rows, live.iter().map(|(rows, _)| rows).sum::<u64>());
        filled.extend(INLINE.iter().zip(&live).filter(|(_, (rows, _))| *rows > 0).map(|(table, _)| table.name));

        assert_clean(&rebuilt(world).await);
        assert_eq!(tables(store).await, live, "round {round}");
        assert_clean(&verified(world).await);
        met.extend(events.into_iter().map(|event| event.event_type).filter(|kind| all.contains(kind)));
    }
    let tables: BTreeSet<_> = INLINE.iter().map(|table| table.name).collect();
    assert_eq!(filled, tables, "a table that is always empty shows nothing");
    assert_eq!(met, all, "a history that leaves events out proves nothing of them");
}

/// What stands in streams that no person of a history has: a note, a job, and an endpoint.
pub(super) async fn beside_the_people(world: &World) {
    let (note, somebody) = (world.fresh(NoteId::from_ulid), world.person());
    let details = world.seal(&somebody, SealKind::Details, "{}");
    let target = |id: &str| NoteTarget { kind: Word::parse("invoice").unwrap(), id: Label::parse(id).unwrap() };
    let noted = Noted {
        action: Word::parse("invoice.paid").unwrap(),
        actor_type: ActorType::System,
        actor: None,
        targets: ["1", "2", "3", "4"].map(target).to_vec(),
        organization: None,
        idempotency_key: None,
        person: somebody.id,
        details: details.id,
        occurred_at: world.now(),
        at: world.now(),
    };
    let mut group = Group::new(world.context());
    (group.sealed, group.person_keys) = (vec![details], vec![somebody.key]);
    let id = || world.fresh(EventId::from_ulid);
    group.append(Subject::Note(note), Expected::NoStream, &[Event::Note(note, noted.into())], world.now(), id).unwrap();
    world.append(group).await.unwrap();
    let job = world.fresh(JobId::from_ulid);
    let task = Task::RemoveUsers(UserFilter::default());
    let ask = Ask::new(world.context(), world.now());
    let ask = ask.then(Step::Job(job, Concurrency::New, JobCommand::Request { job, task }));
    world.execute(ask).await.unwrap();
    let wave = Task::DisableWave(Wave { from: world.now(), to: world.now(), network: None });
    let (disabling, restoring) = (world.fresh(JobId::from_ulid), world.fresh(JobId::from_ulid));
    for (job, task) in [(disabling, wave), (restoring, Task::RestoreWave(disabling))] {
        let ask = Ask::new(world.context(), world.now());
        let requested = Step::Job(job, Concurrency::New, JobCommand::Request { job, task });
        let through = world.fresh(UserId::from_ulid);
        let advance = JobCommand::Advance { from: None, through, done: 3, spared: 1 };
        let ended = JobCommand::End { outcome: JobOutcome::Finished };
        let steps = [advance, ended].map(|command| Step::Job(job, Concurrency::New, command));
        world.execute(steps.into_iter().fold(ask.then(requested), Ask::then)).await.unwrap();
    }
    let seal = |text| SealedSecret::seal(&world.keyring, text, &world.chance, world.now()).unwrap();
    let (url, secret) = (seal("https://example.com/hook"), seal("whsec_0"));
    let webhook = world.fresh(WebhookId::from_ulid);
    let created = WebhookCreated {
        webhook,
        url: url.secret,
        secret: secret.secret,
        event_types: Vec::new(),
        enabled: true,
        at: world.now(),
    };
    let mut ask = Ask::new(world.context(), world.now());
    ask.sealed = vec![url.record, secret.record];
    ask.person_keys = vec![url.key, secret.key];
    let create = WebhookCommand::Create(Box::new(created));
    world.execute(ask.then(Step::Webhook(webhook, Concurrency::New, create))).await.unwrap();
}

async fn a_store_goes_on_after_a_rebuild_and_can_be_rebuilt_again(store: &dyn Store) {
    let mut history = History::lived(store, 7, 100).await;
    for _ in 0..3 {
        rebuilt(&history.world).await;
        rebuilt(&history.world).await;
        history.go_on(50).await;
        assert_clean(&verified(&history.world).await);
    }
}

async fn an_empty_store_can_be_rebuilt(store: &dyn Store) {
    let world = World::on(store).await;
    assert_eq!(rebuilt(&world).await.events, 0);
    assert_eq!(rebuilt(&world).await.events, 0);
    world.arrival().await;
    assert_clean(&verified(&world).await);
}

async fn a_rebuild_among_writers_ends_equal(store: &dyn Store) {
    let history = History::lived(store, 3, 300).await;
    let (world, done) = (Arc::new(history.world), Arc::new(AtomicBool::new(false)));
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (world, done) = (world.clone(), done.clone());
        writers.spawn(async move {
            let mut guests = 0;
            while !done.load(Ordering::SeqCst) {
                let guest = world.arrival().await;
                let address = format!("{}@example.com", guest.user).to_lowercase();
                world.execute(world.upgrade(guest.user, &guest.person, guest.session, &address, false)).await.unwrap();
                guests += 1;
            }
            guests
        });
    }
    let (rebuilding, rounds) = (world.clone(), if long() { 30 } else { 3 });
    let rebuilds = tokio::spawn(async move {
        for _ in 0..rounds {
            rebuilt(&rebuilding).await;
            assert_clean(&verified(&rebuilding).await);
        }
    });
    let ended = rebuilds.await;
    done.store(true, Ordering::SeqCst);
    let guests: Vec<i32> = writers.join_all().await;
    ended.unwrap();
    assert!(guests.iter().sum::<i32>() > 0, "nobody wrote while it was rebuilt");
    assert_clean(&verified(&world).await);
}

async fn a_row_that_was_altered_is_named(store: &dyn Store) {
    let history = History::lived(store, 5, 150).await;
    let world = &history.world;
    let user = store.seen("SELECT user_id FROM users WHERE standing = 'guest' LIMIT 1").await;
    let put = async |sql: &str| assert_eq!(store.behind(&sql.replace("?1", &format!("'{user}'"))).await, 1);
    let found = async || verified(world).await.differences;
    let difference = |column: &str, live: &str, refolded: &str| Difference {
        table: "users",
        key: user.clone(),
        column: column.to_owned(),
        live: live.to_owned(),
        refolded: refolded.to_owned(),
    };

    put("UPDATE users SET standing = 'member' WHERE user_id = ?1").await;
    assert_eq!(found().await, [difference("standing", "member", "guest")]);
    put("DELETE FROM users WHERE user_id = ?1").await;
    let [missing] = &found().await[..] else { panic!("not one difference") };
    assert_eq!(
        (missing.key.as_str(), missing.column.as_str(), missing.live.as_str()),
        (user.as_str(), "the whole row", "absent")
    );
    assert!(missing.refolded.contains("standing=guest"), "{missing:?}");
    rebuilt(world).await;
    assert_eq!(found().await, []);
    put("UPDATE users SET person_key_epoch = 9 WHERE user_id = ?1").await;
    assert_eq!(found().await, [difference("person_key_epoch", "9", "1")]);
    rebuilt(world).await;
    let columns = "person_id, standing, email_verified, role, created_at, updated_at, last_active_at";
    store
        .behind(&format!("INSERT INTO users (user_id, {columns}) SELECT 'usr_zzz', {columns} FROM users LIMIT 1"))
        .await;
    let [added] = &found().await[..] else { panic!("not one difference") };
    assert_eq!(
        (added.key.as_str(), added.column.as_str(), added.refolded.as_str()),
        ("usr_zzz", "the whole row", "absent")
    );
    assert!(added.live.contains("user_id=usr_zzz"), "{added:?}");
}

/// Whichever event is taken out, the gap is named, and what stands behind it is still compared.
async fn an_event_that_was_removed_is_a_gap(store: &dyn Store) {
    let history = History::lived(store, 11, 120).await;
    let world = &history.world;
    let events = everything(world.log.as_ref()).await.len();
    assert!(events > 60);
    store.unguard().await;
    let mut misfits = 0;
    // The last one leaves no gap: to miss it takes the Merkle tree.
    for position in 1..events {
        store.behind(&format!("CREATE TABLE kept AS SELECT * FROM events WHERE position = {position}")).await;
        store.behind(&format!("DELETE FROM events WHERE position = {position}")).await;
        let report = world.log.verify(&KeyringClaims(&world.keyring), &mut |_| {}).await;
        let report = report.unwrap_or_else(|fault| panic!("without {position}: {fault}"));
        assert_eq!(report.gaps, [position as u64 - 1]);
        if !report.misfits.is_empty() {
            misfits += 1;
            let refused = world.log.rebuild(&KeyringClaims(&world.keyring), &mut |_| {}).await;
            assert!(matches!(refused, Err(LogFault::Damaged(_))), "a table that lacks rows took the live one's place");
        }
        store.behind("INSERT INTO events SELECT * FROM kept").await;
        store.behind("DROP TABLE kept").await;
    }
    assert!(misfits > 0, "no event was missed by those behind it: lengthen the history");
    assert_clean(&verified(world).await);
}

/// After the look-up key was rotated, a rebuild hashes every claim under the new one.
async fn a_rebuild_moves_claims_to_the_current_look_up_key(store: &dyn Store) {
    let mut history = History::lived(store, 2, 200).await;
    let under = async |key: u32| -> i64 {
        let sql = format!("SELECT cast(count(*) AS text) FROM claims WHERE key_id = {key}");
        store.seen(&sql).await.parse().unwrap()
    };
    let claims = under(1).await;
    assert!(claims > 0);
    history.world.rotate_lookup_key().await;
    // Hashes under yesterday's key are as good until then.
    assert_clean(&verified(&history.world).await);
    rebuilt(&history.world).await;
    assert_eq!((under(1).await, under(2).await), (0, claims));
    assert_clean(&verified(&history.world).await);
    history.go_on(100).await;
    assert_clean(&verified(&history.world).await);
}

/// Whoever holds an address holds it, whatever became of the record that says which one it is: a rebuild leaves all as it is.
async fn a_rebuild_releases_nothing_because_a_record_was_altered(store: &dyn Store) {
    let history = History::lived(store, 17, 150).await;
    let world = &history.world;
    let record = store.seen("SELECT email FROM users WHERE email_claim IS NOT NULL LIMIT 1").await;
    let person = store.seen(&format!("SELECT person_id FROM sealed WHERE sealed_id = '{record}'")).await;
    let (of_record, of_person) = (format!("WHERE sealed_id = '{record}'"), format!("WHERE person_id = '{person}'"));
    let before = content(store, &CLAIMS).await;
    for (table, at, harm) in [
        ("sealed", &of_record, "UPDATE sealed SET ciphertext = salt"),
        ("sealed", &of_record, "DELETE FROM sealed"),
        ("person_keys", &of_person, "UPDATE person_keys SET wrapped = substr(wrapped, 2)"),
        ("person_keys", &of_person, "UPDATE person_keys SET epoch = 0"),
        ("person_keys", &of_person, "DELETE FROM person_keys"),
    ] {
        store.behind(&format!("CREATE TABLE kept AS SELECT * FROM {table} {at}")).await;
        assert_eq!(store.behind(&format!("{harm} {at}")).await, 1);
        let refused = world.log.rebuild(&KeyringClaims(&world.keyring), &mut |_| {}).await;
        let told =
            matches!(&refused, Err(LogFault::Damaged(what)) if what.contains(&record) && what.contains("backup"));
        assert!(told, "{harm}: {refused:?}");
        assert_eq!(content(store, &CLAIMS).await, before, "{harm}");
        store.behind(&format!("DELETE FROM {table} {at}")).await;
        store.behind(&format!("INSERT INTO {table} SELECT * FROM kept")).await;
        store.behind("DROP TABLE kept").await;
    }
    rebuilt(world).await;
    assert_clean(&verified(world).await);
}

/// A store from yesterday, whose tables were not touched since it was opened, needs nothing but itself.
async fn a_store_can_be_verified_after_a_restart(store: &dyn Store) {
    let history = History::lived(store, 13, 50).await;
    let keyring = history.world.keyring.clone();
    drop(history);
    let reopened = World::around(store.open(&clock(), ROOMY).await, clock(), 99).await;
    assert_clean(&verify(reopened.log.as_ref(), &keyring).await);
    assert_clean(&verified(&reopened).await);
}
