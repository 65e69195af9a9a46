//! Which groups of a batch are stored: every check, in memory, one group after the other. A group that is refused
//! leaves nothing behind; one that is accepted counts for those after it.

use std::collections::HashMap;

use chrysalis_domain::id::ClaimId;
use chrysalis_projections::claims::CLAIMS;
use chrysalis_projections::{Change, Value};

use super::facts::Facts;
use crate::log::quota::Left;
use crate::log::{Claim, Group, Refused, StreamId, Version};

/// What becomes of one group.
pub(super) enum Verdict {
    /// Stored: the version that each of its streams has afterwards.
    Stored(Vec<Version>),
    Refused(Refused),
    /// It repeats a group of this very batch, by its index.
    Repeats(usize),
}

/// What the accepted groups leave beside their events.
pub(super) struct Remains<'w> {
    pub(super) quotas: Vec<Left<'w>>,
    pub(super) settings: Settings,
}

/// What became of the settings.
#[derive(Default)]
pub(super) struct Settings {
    /// The version that has to stand when the batch takes the head; none where no group rests on it.
    pub(super) stand: Option<Version>,
    /// The version that they have afterwards, where a group changes them.
    pub(super) next: Option<Version>,
}

pub(super) fn judge<'w>(groups: &[&'w Group], facts: Facts<'w>) -> (Vec<Verdict>, Remains<'w>) {
    let mut bench = Bench { facts, accepted: HashMap::new(), settings: Settings::default() };
    let verdicts = groups.iter().enumerate().map(|(index, group)| bench.judge(index, group)).collect();
    (verdicts, Remains { quotas: bench.facts.counts.left(), settings: bench.settings })
}

struct Bench<'w> {
    facts: Facts<'w>,
    /// Idempotency keys of groups that were accepted.
    accepted: HashMap<&'w [u8], usize>,
    settings: Settings,
}

impl<'w> Bench<'w> {
    fn judge(&mut self, index: usize, group: &'w Group) -> Verdict {
        if let Some(key) = group.idempotency.as_ref().map(|used| used.key.as_slice()) {
            if let Some(first) = self.accepted.get(key) {
                return Verdict::Repeats(*first);
            }
            if let Some(repeated) = self.facts.used.get(key) {
                return Verdict::Refused(repeated.clone());
            }
        }
        let settings = self.settings.next.unwrap_or(self.facts.settings);
        if group.rests_on_settings && group.context.settings_version != settings {
            return Verdict::Refused(Refused::Settings { actual: settings });
        }
        if let Some(refused) = self.moved_on(group).or_else(|| self.held(group)).or_else(|| self.erased(group)) {
            return Verdict::Refused(refused);
        }
        if let Err(refused) = self.facts.counts.room(&group.quotas, self.facts.now) {
            return Verdict::Refused(refused);
        }
        self.accept(index, group)
    }

    fn moved_on(&self, group: &Group) -> Option<Refused> {
        let actual = |stream: &str| self.facts.versions.get(stream).copied().unwrap_or(0);
        let moved = group.appends.iter().find(|append| !append.expected.holds(actual(append.stream.as_str())))?;
        Some(Refused::Version { stream: moved.stream.clone(), actual: actual(moved.stream.as_str()) })
    }

    /// What stands in the way of a claim, under whichever look-up key, unless this very group releases it.
    fn held(&self, group: &Group) -> Option<Refused> {
        let standing = |claim: &Claim| {
            let standing = claim.key.hashes().filter_map(|hash| self.facts.holders.get(&(claim.key.kind.name(), hash)));
            standing.copied().find(|by| !group.releases(*by))
        };
        let held = |claim: &Claim| Some(Refused::ClaimHeld { claim: claim.claim, by: standing(claim)? });
        group.claims.iter().find_map(held)
    }

    fn erased(&self, group: &Group) -> Option<Refused> {
        let person = group.seals_for().find(|person| !self.facts.persons.contains(person))?;
        Some(Refused::Erased { person })
    }

    fn accept(&mut self, index: usize, group: &'w Group) -> Verdict {
        self.facts.counts.take(&group.quotas, self.facts.now);
        if let Some(idempotency) = &group.idempotency {
            self.accepted.insert(&idempotency.key, index);
        }
        let versions = group.appends.iter().map(|append| {
            let version = self.facts.versions.entry(append.stream.as_str()).or_default();
            *version += append.events.len() as Version;
            *version
        });
        let versions: Vec<Version> = versions.collect();
        let mut settings =
            group.appends.iter().zip(&versions).filter(|(append, _)| append.stream == *StreamId::settings());
        self.settings.next = settings.next().map(|(_, version)| *version).or(self.settings.next);
        if group.rests_on_settings {
            self.settings.stand = Some(self.facts.settings);
        }
        for change in group.changes() {
            self.follow_claim(change);
        }
        self.facts.persons.extend(group.person_keys.iter().map(|key| key.person));
        for person in &group.erase {
            self.facts.persons.remove(person);
        }
        Verdict::Stored(versions)
    }

    /// The claims that stand, as the change leaves them.
    fn follow_claim(&mut self, change: &'w Change) {
        match change {
            Change::Insert { table, values } if **table == CLAIMS => {
                let [Value::Static(kind), Value::Bytes(hash), _, _, Value::Text(claim), ..] = values.as_slice() else {
                    return;
                };
                if let Ok(claim) = claim.parse() {
                    self.facts.holders.insert((kind, hash), claim);
                }
            }
            Change::Delete { table, value: Value::Text(gone), .. } if **table == CLAIMS => {
                self.facts.holders.retain(|_, claim| gone.parse::<ClaimId>() != Ok(*claim));
            }
            _ => {}
        }
    }
}
