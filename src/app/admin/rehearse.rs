//! A clean-up, rehearsed: whom a maximum age would delete now, and whom it would have deleted had it always been in force.
//! Nothing is decided, and nothing stored.
//!
//! Who goes now is told by the rule that a guest itself decides by: its last activity, the hour within which that is
//! recorded, holds, clocks that jumped. Hindsight goes by how long guests were away, by the clocks of then, and leaves holds
//! aside. Whom another policy took first never got so far, and is not counted there.

use std::collections::BTreeMap;
use std::time::Duration;

use chrysalis_domain::id::ProcessId;
use chrysalis_domain::process::expiry::Expiry;
use chrysalis_domain::user::command::ExpiryTerms;
use chrysalis_domain::{Span, Timestamp};
use chrysalis_projections::absences::{self, ABSENCES, Absent, Away};
use tokio::sync::Mutex;

use crate::log::cqrs::load;
use crate::log::{Log, LogFault, follow, list};

/// What a maximum age would do.
#[derive(Clone, Debug)]
pub struct Rehearsal {
    pub max_age: Span,
    /// Whoever was last active before is away for too long.
    pub cutoff: Timestamp,
    /// Events that were not counted yet: the read model is being folded anew.
    pub behind: u64,
    pub would_delete: u64,
    /// Away for as long, but held.
    pub held: u64,
    /// Away for as long, and taken out of use already.
    pub disabled: u64,
    /// Some of those who would be deleted, and of those who are held: who was last active longest ago comes first.
    pub first: Vec<Absent>,
    pub first_held: Vec<Absent>,
    pub hindsight: Hindsight,
}

/// What it would have done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hindsight {
    /// Who came back and became a member, by the method.
    pub members: BTreeMap<String, u64>,
    /// Who came back, and became none.
    pub returned: u64,
    /// Who did not come back: guests still, or deleted since.
    pub stayed_away: u64,
}

impl Hindsight {
    pub fn became_members(&self) -> u64 {
        self.members.values().sum()
    }

    /// Everybody who would have been deleted at some time.
    pub fn would_have_deleted(&self) -> u64 {
        self.became_members() + self.returned + self.stayed_away
    }
}

/// How long to wait for events of a moment ago to be counted.
const PATIENCE: Duration = Duration::from_secs(2);

/// Rehearses at a time, and names so many guests of each kind.
pub async fn rehearse(log: &dyn Log, max_age: Span, now: Timestamp, rows: u32) -> Result<Rehearsal, LogFault> {
    // It reads much: one at a time leaves the store to others.
    static ONE: Mutex<()> = Mutex::const_new(());
    let _one = ONE.lock().await;
    let behind = follow::behind(log, &ABSENCES, PATIENCE).await?;
    let terms = ExpiryTerms { settings_version: 0, max_age, notice: Span::ZERO, undo: Span::ZERO, job: None };
    let cutoff = load::<Expiry>(log, ProcessId::EXPIRY).await?.state.passed.before(now, terms.away());

    let away = list(log, absences::count_away(cutoff, now), absences::read_away).await?;
    let Away { all, held, disabled } = away.into_iter().next().unwrap_or_default();
    let first = list(log, absences::list_away(cutoff, now, rows), absences::read_absent).await?;
    let first_held = list(log, absences::list_held(cutoff, now, rows), absences::read_absent).await?;

    let returned = list(log, absences::count_returned(terms.away(), cutoff), absences::read_returned).await?;
    let gone: u64 = list(log, absences::count_gone(terms.away()), absences::read_gone).await?.into_iter().sum();
    // Who is away again is counted among those who came back.
    let again: u64 = returned.iter().map(|returned| returned.away).sum();
    let mut hindsight = Hindsight { stayed_away: all.saturating_sub(again) + gone, ..Hindsight::default() };
    for returned in returned {
        match returned.method {
            Some(method) => *hindsight.members.entry(method).or_default() += returned.count,
            None => hindsight.returned += returned.count,
        }
    }
    let would_delete = all.saturating_sub(held).saturating_sub(disabled);
    Ok(Rehearsal { max_age, cutoff, behind, would_delete, held, disabled, first, first_held, hindsight })
}
