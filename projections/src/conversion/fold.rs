//! What an event counts for.
//!
//! A guest counts in the span in which it came, which its id tells, and an upgrade both there and in the span in which it
//! happened. Each guest is counted as converted once, by the first time that it became a member; what becomes of it later
//! takes nothing back. Days are those of UTC.

use chrysalis_domain::id::UserId;
use chrysalis_domain::user::UserEvent;
use chrysalis_domain::user::event::{DeletionReason, UserDeleted};
use chrysalis_domain::value::{Authentication, Entry as Origin, Label, Method};
use chrysalis_domain::{Event, Timestamp};

use super::kept::{Kept, Proof};
use super::spread::{AFTER_MAX, SESSIONS_MAX, lower_bound};
use super::{COHORTS, COUNTS, DAY, HOUR, QUARTER, SPREADS, Split, WEEK_DAYS};
use crate::model::Entry;
use crate::table::{Change, Value};

/// Whose row it reads or changes.
pub(super) fn whose(entry: &Entry) -> Option<String> {
    use UserEvent as E;
    let Event::User(user, event) = &entry.event else { return None };
    let hangs = match event {
        E::GuestCreated(e) => {
            e.entry.channel.is_some() || e.entry.campaign.is_some() || e.entry.referrer_host.is_some()
        }
        E::SessionStarted(e) => e.impersonation.is_none() && !is_first(&e.authentication),
        // On the first day there is nothing to know.
        E::ActivityRecorded(_) | E::SessionExtended(_) | E::UpgradeBegun(_) => {
            days_after(came(*user), entry.occurred_at) > 0
        }
        E::UpgradeSuperseded(e) => e.guest_again && !e.provisional,
        E::MemberSignedUp(_)
        | E::GuestUpgraded(_)
        | E::EmailClaimed(_)
        | E::EmailVerified(_)
        | E::EmailReleased(_)
        | E::EmailUnverified(_) => true,
        _ => false,
    };
    hangs.then(|| user.to_string())
}

/// A guest comes with one.
fn is_first(authentication: &Authentication) -> bool {
    authentication.method == Method::Anonymous
}

/// An id begins with the time at which its user came into being.
pub(super) fn came(user: UserId) -> Timestamp {
    Timestamp::from_millis(i64::try_from(user.ulid().timestamp_ms()).unwrap_or(i64::MAX))
}

fn seconds(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(1_000)
}

/// Where the span of that many seconds begins.
fn start(at: Timestamp, width: i64) -> i64 {
    let at = seconds(at);
    at - at.rem_euclid(width)
}

fn days_after(came: Timestamp, at: Timestamp) -> i64 {
    (start(at, DAY) - start(came, DAY)) / DAY
}

pub(super) fn fold(entry: &Entry, row: &mut Option<Vec<Value>>, out: &mut Vec<Change>) {
    let Event::User(user, event) = &entry.event else { return };
    let before = row.as_deref().map(Kept::read).unwrap_or_default();
    let mut life = Life { came: came(*user), at: entry.occurred_at, kept: before.clone(), out };
    life.happened(event);
    let now = life.kept;
    if now != before {
        *row = Some(now.row(*user));
    }
}

struct Life<'o> {
    came: Timestamp,
    at: Timestamp,
    kept: Kept,
    out: &'o mut Vec<Change>,
}

impl Life<'_> {
    fn happened(&mut self, event: &UserEvent) {
        use UserEvent as E;
        match event {
            E::GuestCreated(e) => {
                self.remember(&e.entry);
                self.count("guests", self.came);
            }
            E::MemberSignedUp(e) => {
                (self.kept.signed_up, self.kept.member) = (true, true);
                self.kept.method = Some(named(&e.authentication));
                self.count("signups", self.at);
            }
            // Who acts as the user is not the user.
            E::SessionStarted(e) if e.impersonation.is_none() && !is_first(&e.authentication) => {
                if self.kept.is_guest_yet() {
                    self.kept.sessions += 1;
                }
                self.was_active();
            }
            E::ActivityRecorded(_) | E::SessionExtended(_) | E::UpgradeBegun(_) => self.was_active(),
            E::GuestUpgraded(e) => {
                // Without a session it was completed elsewhere.
                if e.session.is_some() {
                    self.was_active();
                }
                self.upgraded(&e.authentication);
            }
            E::UpgradeSuperseded(e) if e.guest_again && !e.provisional => {
                self.kept.member = false;
                self.add("fell_back", self.at, Split::All, "".into());
            }
            E::EmailClaimed(e) => self.proven(e.proof.is_some()),
            E::EmailVerified(_) => self.proven(true),
            E::EmailReleased(_) | E::EmailUnverified(_) => self.proven(false),
            E::UserDeleted(e) => self.add(ending(e), self.at, Split::All, "".into()),
            _ => {}
        }
    }

    fn remember(&mut self, from: &Origin) {
        let text = |label: &Option<Label>| label.as_ref().map(ToString::to_string);
        self.kept.channel = text(&from.channel);
        self.kept.campaign = text(&from.campaign);
        self.kept.referrer = text(&from.referrer_host);
    }

    fn upgraded(&mut self, authentication: &Authentication) {
        let first = self.kept.is_guest_yet();
        self.kept.member = true;
        if first {
            self.kept.method = Some(named(authentication));
            self.count("upgrades", self.at);
            self.count("converted", self.came);
            let took = self.at.since(self.came).as_millis() / 1_000;
            self.spread("seconds", lower_bound(took));
            self.spread("sessions", (self.kept.sessions + 1).min(SESSIONS_MAX));
            let days = days_after(self.came, self.at).max(0);
            self.cohort("upgrades", "day", days.min(AFTER_MAX));
            self.cohort("upgrades", "week", (days / WEEK_DAYS).min(AFTER_MAX));
        }
        self.verified();
    }

    fn proven(&mut self, is_proven: bool) {
        self.kept.proof = match (self.kept.proof, is_proven) {
            (Proof::Counted, _) => Proof::Counted,
            (_, true) => Proof::Proven,
            (_, false) => Proof::None,
        };
        self.verified();
    }

    fn verified(&mut self) {
        if !self.kept.member || self.kept.proof != Proof::Proven {
            return;
        }
        self.kept.proof = Proof::Counted;
        if self.kept.signed_up {
            self.count("verified_signups", self.at);
        } else {
            self.count("verified", self.at);
            self.count("converted_verified", self.came);
        }
    }

    /// On each day and in each week after the first it counts once.
    fn was_active(&mut self) {
        let days = days_after(self.came, self.at);
        if self.kept.signed_up || days < 1 {
            return;
        }
        if days < AFTER_MAX && self.kept.days & (1 << days) == 0 {
            self.kept.days |= 1 << days;
            self.cohort("returned", "day", days);
        }
        let weeks = days / WEEK_DAYS;
        if (1..AFTER_MAX).contains(&weeks) && self.kept.weeks & (1 << weeks) == 0 {
            self.kept.weeks |= 1 << weeks;
            self.cohort("returned", "week", weeks);
        }
    }

    // --- numbers ---

    /// Of all, by the method if there is one yet, and by where they came from.
    fn count(&mut self, number: &'static str, at: Timestamp) {
        let Kept { method, channel, campaign, referrer, .. } = self.kept.clone();
        self.add(number, at, Split::All, "".into());
        let splits = [
            (Split::Method, method),
            (Split::Channel, channel),
            (Split::Campaign, campaign),
            (Split::Referrer, referrer),
        ];
        for (split, value) in splits {
            if let Some(value) = value {
                self.add(number, at, split, value.into());
            }
        }
    }

    fn add(&mut self, number: &'static str, at: Timestamp, split: Split, value: Value) {
        let widths: &[i64] = match split {
            Split::All | Split::Method => &[QUARTER, HOUR, DAY],
            Split::Channel | Split::Campaign | Split::Referrer => &[DAY],
        };
        for width in widths {
            let key = vec![(*width).into(), split.name().into(), start(at, *width).into(), value.clone()];
            self.push(&COUNTS, number, key);
        }
    }

    fn spread(&mut self, measure: &'static str, value: i64) {
        self.push(&SPREADS, "upgrades", vec![measure.into(), start(self.at, DAY).into(), value.into()]);
    }

    fn cohort(&mut self, number: &'static str, unit: &'static str, after: i64) {
        self.push(&COHORTS, number, vec![unit.into(), start(self.came, DAY).into(), after.into()]);
    }

    fn push(&mut self, table: &'static crate::Table, column: &'static str, mut values: Vec<Value>) {
        values.push(1.into());
        self.out.push(Change::Add { table, column, values });
    }
}

/// By what somebody became a member; of a provider, by which.
fn named(authentication: &Authentication) -> String {
    match &authentication.provider {
        Some(provider) => format!("{}:{provider}", authentication.method.name()),
        None => authentication.method.name().to_owned(),
    }
}

const fn ending(e: &UserDeleted) -> &'static str {
    match (e.was_guest, e.reason) {
        (true, DeletionReason::AnonymousMaxAge) => "expired",
        (true, _) => "deleted_guests",
        (false, _) => "deleted_members",
    }
}
