//! Whatever happens to users, and however it falls into pages, the counts are those that one gets by looking at every user.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrysalis_domain::id::UserId;
use chrysalis_domain::user::histories::{Life, lives};
use chrysalis_domain::user::{Standing, User, UserEvent};
use chrysalis_domain::value::Method;
use chrysalis_domain::{Event, Timestamp};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

use super::spread::{lower_bound, upper_bound};
use super::{DAY, HOUR, MODEL, QUARTER};
use crate::model::{Actor, Entry, Fold, Pending};
use crate::table::sum_up;
use crate::{Change, Value};

/// What stands in each number of each row: by table, number and key.
type Numbers = BTreeMap<(&'static str, &'static str, Vec<String>), i64>;

fn add(numbers: &mut Numbers, table: &'static str, number: &'static str, key: Vec<String>) {
    *numbers.entry((table, number, key)).or_default() += 1;
}

fn text(value: &Value) -> String {
    match value {
        Value::Integer(number) => number.to_string(),
        value => value.as_text().unwrap_or_default().to_owned(),
    }
}

/// As a store does it.
#[derive(Default)]
struct Rows {
    numbers: Numbers,
    kept: HashMap<String, Vec<Value>>,
}

impl Rows {
    fn fold(&mut self, page: &[Entry]) {
        let Fold::Keeping(keeping) = MODEL.fold else { panic!("it keeps nothing") };
        let (mut pending, mut changes) = (Pending::of(keeping), Vec::new());
        page.iter().for_each(|entry| pending.fold(entry, &mut changes));
        let rows = pending.keys().into_iter().filter_map(|key| self.kept.get(key)).cloned().collect();
        let mut all: Vec<_> = changes.into_iter().map(|change| (page[0].event.subject(), change)).collect();
        all.extend(pending.settle(rows));
        sum_up(&mut all);
        all.into_iter().for_each(|(_, change)| self.apply(change));
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Add { table, column, values } => {
                let (amount, key) = values.split_last().unwrap();
                assert_eq!(key.len(), table.key.len());
                let Value::Integer(amount) = amount else { panic!("no amount") };
                let key = (table.name, column, key.iter().map(text).collect());
                *self.numbers.entry(key).or_default() += amount;
            }
            Change::Insert { table, values } => {
                assert_eq!(values.len(), table.columns.len());
                assert!(self.kept.insert(text(&values[0]), values).is_none(), "a second row of one user");
            }
            Change::Update { set, by: "user_id", mut values, .. } => {
                assert_eq!(values.len(), set.len() + 1);
                values.rotate_right(1);
                assert!(self.kept.insert(text(&values[0]), values).is_some(), "a row that is not there");
            }
            other => panic!("{other:?}"),
        }
    }
}

/// What a count of everybody, one after another, gives.
fn naive(users: &[(UserId, Vec<(Timestamp, UserEvent)>)]) -> Numbers {
    let mut numbers = Numbers::new();
    for (user, events) in users {
        of_one(*user, events, &mut numbers);
    }
    numbers
}

fn of_one(user: UserId, events: &[(Timestamp, UserEvent)], numbers: &mut Numbers) {
    use UserEvent as E;
    let came = user.ulid().timestamp_ms() as i64 / 1_000;
    let at = |nth: usize| events[nth].0.as_millis().div_euclid(1_000);
    let find = |fits: &dyn Fn(&E) -> bool| events.iter().position(|(_, event)| fits(event));
    let day = |seconds: i64| seconds.div_euclid(DAY);
    let after = |seconds: i64| day(seconds) - day(came);
    let guest = find(&|event| matches!(event, E::GuestCreated(_)));
    let signup = find(&|event| matches!(event, E::MemberSignedUp(_)));
    let upgrade = find(&|event| matches!(event, E::GuestUpgraded(_))).filter(|_| signup.is_none());
    let mut state = User::default();
    let verified = events.iter().position(|(_, event)| {
        state.apply(event);
        state.standing == Standing::Member && state.email.as_ref().is_some_and(|email| email.verified)
    });

    let entry = match guest.map(|nth| &events[nth].1) {
        Some(E::GuestCreated(e)) => e.entry.clone(),
        _ => Default::default(),
    };
    let method = |nth: usize| match &events[nth].1 {
        E::GuestUpgraded(e) => e.authentication.clone(),
        E::MemberSignedUp(e) => e.authentication.clone(),
        other => panic!("{other:?}"),
    };
    let method = |nth: usize| {
        let said = method(nth);
        said.provider.map_or(said.method.name().to_owned(), |provider| format!("social:{provider}"))
    };
    let mut count = |number, seconds: i64, method: Option<String>| {
        let spans = |widths: &[i64], split: &str, value: String, numbers: &mut Numbers| {
            for width in widths {
                let begin = seconds.div_euclid(*width) * width;
                let key = vec![width.to_string(), split.to_owned(), begin.to_string(), value.clone()];
                add(numbers, "conversion_counts", number, key);
            }
        };
        let all = [QUARTER, HOUR, DAY];
        spans(&all, "", String::new(), numbers);
        method.into_iter().for_each(|method| spans(&all, "method", method, numbers));
        for (split, label) in
            [("channel", &entry.channel), ("campaign", &entry.campaign), ("referrer", &entry.referrer_host)]
        {
            label.iter().for_each(|label| spans(&[DAY], split, label.to_string(), numbers));
        }
    };
    if guest.is_some() {
        count("guests", came, None);
    }
    if let Some(nth) = signup {
        count("signups", at(nth), Some(method(nth)));
    }
    if let Some(nth) = upgrade {
        count("upgrades", at(nth), Some(method(nth)));
        count("converted", came, Some(method(nth)));
    }
    if let Some(nth) = verified {
        match (signup, upgrade) {
            (Some(signup), _) => count("verified_signups", at(nth), Some(method(signup))),
            (None, Some(upgrade)) => {
                count("verified", at(nth), Some(method(upgrade)));
                count("converted_verified", came, Some(method(upgrade)));
            }
            (None, None) => panic!("a member who never became one"),
        }
    }
    for (nth, (_, event)) in events.iter().enumerate() {
        let number = match event {
            E::UpgradeSuperseded(e) if e.guest_again && !e.provisional => "fell_back",
            E::UserDeleted(e) if e.was_guest && e.evidence.is_some() => "expired",
            E::UserDeleted(e) if e.was_guest => "deleted_guests",
            E::UserDeleted(_) => "deleted_members",
            _ => continue,
        };
        for width in [QUARTER, HOUR, DAY] {
            let begin = at(nth).div_euclid(width) * width;
            let key = vec![width.to_string(), String::new(), begin.to_string(), String::new()];
            add(numbers, "conversion_counts", number, key);
        }
    }
    if let Some(nth) = upgrade {
        let took = (events[nth].0.as_millis() - user.ulid().timestamp_ms() as i64).max(0) / 1_000;
        let mut bound = 0;
        while upper_bound(bound) <= took {
            bound = upper_bound(bound);
        }
        assert_eq!(bound, lower_bound(took));
        let more = events[..nth].iter().filter(|(_, event)| {
            let E::SessionStarted(e) = event else { return false };
            e.impersonation.is_none() && e.authentication.method != Method::Anonymous
        });
        for (measure, value) in [("seconds", bound), ("sessions", 1 + more.count() as i64)] {
            let key = vec![measure.to_owned(), (day(at(nth)) * DAY).to_string(), value.to_string()];
            add(numbers, "conversion_spreads", "upgrades", key);
        }
        let days = after(at(nth)).max(0);
        for (unit, after) in [("day", days.min(63)), ("week", (days / 7).min(63))] {
            let key = vec![unit.to_owned(), (day(came) * DAY).to_string(), after.to_string()];
            add(numbers, "conversion_cohorts", "upgrades", key);
        }
    }
    if signup.is_none() {
        let active = events.iter().filter(|(_, event)| match event {
            // The one that a guest comes with is no coming back.
            E::SessionStarted(e) => e.impersonation.is_none() && e.authentication.method != Method::Anonymous,
            E::GuestUpgraded(e) => e.session.is_some(),
            E::ActivityRecorded(_) | E::SessionExtended(_) | E::UpgradeBegun(_) => true,
            _ => false,
        });
        let days: BTreeSet<i64> = active.map(|(at, _)| after(at.as_millis().div_euclid(1_000))).collect();
        let weeks: BTreeSet<i64> = days.iter().filter(|days| **days > 0).map(|days| days / 7).collect();
        for (unit, all) in [("day", days), ("week", weeks)] {
            for after in all.into_iter().filter(|after| (1..63).contains(after)) {
                let key = vec![unit.to_owned(), (day(came) * DAY).to_string(), after.to_string()];
                add(numbers, "conversion_cohorts", "returned", key);
            }
        }
    }
}

fn entry(position: usize, at: Timestamp, user: UserId, event: UserEvent) -> Entry {
    Entry {
        position: position as u64,
        id: String::new(),
        recorded_at: at,
        occurred_at: at,
        actor: Actor { kind: "system".to_owned(), id: None, by: None, impersonator: None },
        request: None,
        cause: None,
        settings_version: 0,
        event: Event::User(user, event),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn counts_are_those_of_a_naive_count(lives in prop::collection::vec(lives(), 1..4), page in 1..60usize) {
        let mut users = Vec::new();
        for (steps, number) in lives.iter().zip(1..) {
            let mut life = Life::numbered(number);
            steps.iter().for_each(|step| {
                life.live(step);
            });
            if let Some(user) = life.user.id {
                users.push((user, life.events));
            }
        }
        // All lives side by side, an event of each at a time.
        let all: usize = users.iter().map(|(_, events)| events.len()).sum();
        let mut streams: Vec<_> = users.iter().map(|(_, events)| events.iter()).collect();
        let mut entries = Vec::new();
        let mut turn = 0;
        while entries.len() < all {
            let which = turn % streams.len();
            if let Some((at, event)) = streams[which].next() {
                entries.push(entry(entries.len() + 1, *at, users[which].0, event.clone()));
            }
            turn += 1;
        }
        let mut rows = Rows::default();
        entries.chunks(page).for_each(|page| rows.fold(page));
        prop_assert_eq!(&rows.numbers, &naive(&users));
    }
}

/// The sums hold together whatever happens: nobody is converted who did not come, nor twice.
#[test]
fn a_guest_who_fell_back_and_upgraded_again_is_counted_once() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut twice = 0;
    for _ in 0..3_000 {
        let steps = lives().new_tree(&mut runner).unwrap().current();
        let mut life = Life::numbered(1);
        steps.iter().for_each(|step| {
            life.live(step);
        });
        let Some(user) = life.user.id else { continue };
        let upgrades = life.events.iter().filter(|(_, event)| matches!(event, UserEvent::GuestUpgraded(_))).count();
        let entries: Vec<_> =
            life.events.iter().enumerate().map(|(nth, (at, event))| entry(nth + 1, *at, user, event.clone())).collect();
        let mut rows = Rows::default();
        if entries.is_empty() {
            continue;
        }
        rows.fold(&entries);
        let sum = |number: &str| -> i64 {
            let of = |(table, named, key): &(&str, &str, Vec<String>)| {
                *table == "conversion_counts" && *named == number && key[0] == "86400" && key[1].is_empty()
            };
            rows.numbers.iter().filter(|(key, _)| of(key)).map(|(_, count)| count).sum()
        };
        assert!(sum("converted") <= sum("guests") && sum("converted_verified") <= sum("converted"));
        assert_eq!(sum("upgrades"), sum("converted"));
        twice += usize::from(upgrades > 1 && sum("upgrades") == 1);
    }
    assert!(twice > 0, "nobody upgraded twice");
}
