//! Waves of bots (docs/abuse.md): guests counted by where and when they came, those of a wave taken out of use by one job, and
//! put back by another. By calls over HTTP and by the command line alike, so asking takes no more than a log and a keyring;
//! the jobs are done by whichever node has the turn.

use chrysalis_domain::id::{JobId, PersonId, UserId};
use chrysalis_domain::job::{JobCommand, Task, Wave, WaveNetwork};
use chrysalis_domain::user::UserCommand;
use chrysalis_domain::{Span, Timestamp};
use chrysalis_projections::jobs::JobRow;
use chrysalis_projections::table::id;
use chrysalis_projections::{Value, users};

use super::jobs::{Fate, Turn};
use super::list_users::Total;
use crate::app::acting::Acting;
use crate::app::authority::Authority;
use crate::app::{App, AppError, Caller};
use crate::entropy::{self};
use crate::keys::{PersonSealer, Record, SealKind};
use crate::log::cqrs::{Ask, Concurrency, Step, execute};
use crate::log::origins::{self, Grouping, NetworkHash, OriginRow, PIECE, Tally, first_id};
use crate::log::{Context, Log, LogFault, ask, ask_one};

/// Guests asked in one group: enough for a batch, and few beside those who wait for an answer.
const TOGETHER: usize = 64;
/// Origins read at a time, and how often before the job says how far it is.
const READ: i64 = 1_024;
const READS: usize = 32;
/// Guests counted one by one; beyond, the count is from below.
const COUNTED: i64 = 10_000;

/// Who came together: from one time to another, both included, from one network if it is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Came {
    pub from: Timestamp,
    pub to: Timestamp,
    pub network: Option<NetworkHash>,
}

/// Guests by where and when they came.
#[derive(Clone, Debug)]
pub struct Counted {
    /// The largest first.
    pub groups: Vec<Tally>,
    /// Where not all were counted: those who came later were.
    pub down_to: Option<Timestamp>,
}

/// What asks about waves, in somebody's name.
pub struct Waves<'a> {
    pub acting: Acting<'a>,
}

impl App {
    pub fn waves(&self, caller: &Caller, authority: &Authority) -> Waves<'_> {
        Waves::by(self.acting(caller, authority))
    }
}

impl<'a> Waves<'a> {
    pub fn by(acting: Acting<'a>) -> Self {
        Self { acting }
    }

    /// Counts who came in a time, the newest first, and no more than so many pieces of them.
    pub async fn count(
        &self,
        by: Grouping,
        from: Timestamp,
        to: Timestamp,
        pieces: usize,
    ) -> Result<Counted, AppError> {
        let tallies = origins::tally(self.acting.log, by, first_id(from), end(to), (pieces, PIECE)).await?;
        let time = |user: UserId| i64::try_from(user.ulid().timestamp_ms()).map(Timestamp::from_millis).ok();
        Ok(Counted { groups: tallies.groups, down_to: tallies.down_to.and_then(time) })
    }

    /// How many guests came with a wave, and still are guests.
    pub async fn size(&self, came: &Came) -> Result<Total, AppError> {
        size(self.acting.log, came, None).await
    }

    /// Takes those of a wave out of use who still are guests when their turn comes: as one job.
    pub async fn disable(&self, came: &Came) -> Result<JobId, AppError> {
        let mut ask = self.ask();
        let network = came.network.map(|network| {
            let person = PersonId::from_ulid(entropy::ulid(self.acting.entropy, self.acting.at));
            let (sealer, key) = PersonSealer::create(self.acting.keyring, person, self.acting.entropy)?;
            let record = sealer.seal(SealKind::Network, &origins::named(&network), self.acting.entropy, self.acting.at);
            let network = WaveNetwork { record: record.id, person };
            (ask.sealed, ask.person_keys) = (vec![record], vec![key]);
            Ok::<_, LogFault>(network)
        });
        let wave = Wave { from: came.from, to: came.to, network: network.transpose()? };
        self.request(ask, Task::DisableWave(wave)).await
    }

    /// Puts those back whom a job took out of use, as another job. That one goes no further.
    pub async fn restore(&self, undoes: JobId) -> Result<JobId, AppError> {
        let ask = self.ask().then(Step::Job(undoes, Concurrency::Exact, JobCommand::Halt));
        self.request(ask, Task::RestoreWave(undoes)).await
    }

    async fn request(&self, ask: Ask, task: Task) -> Result<JobId, AppError> {
        let job = JobId::from_ulid(entropy::ulid(self.acting.entropy, self.acting.at));
        let ask = ask.then(Step::Job(job, Concurrency::New, JobCommand::Request { job, task }));
        execute(self.acting.log, self.acting.entropy, ask).await?;
        Ok(job)
    }

    fn ask(&self) -> Ask {
        Ask::new(self.acting.context.clone(), self.acting.at).whatever_the_settings()
    }
}

/// Guests of a wave behind a user, counted no further than is quick.
async fn size(log: &dyn Log, came: &Came, through: Option<UserId>) -> Result<Total, AppError> {
    let after = through.unwrap_or_else(|| first_id(came.from));
    let (count, all) = origins::count(log, after, end(came.to), came.network, COUNTED).await?;
    Ok(if all { Total::Exactly(count) } else { Total::AtLeast(count) })
}

impl App {
    /// None where no network was named; and once the job has ended, with which it is forgotten.
    pub(super) async fn network_of(&self, wave: &Wave) -> Result<Option<NetworkHash>, LogFault> {
        let Some(network) = wave.network else { return Ok(None) };
        let named = Record::open(self.log.as_ref(), &self.keyring, SealKind::Network, network.record).await?;
        Ok(named.and_then(|named| origins::network(&named)))
    }

    pub(super) async fn ahead_of_wave(
        &self,
        wave: &Wave,
        network: Option<NetworkHash>,
        through: Option<UserId>,
    ) -> Result<Total, AppError> {
        size(self.log.as_ref(), &Came { from: wave.from, to: wave.to, network }, through).await
    }

    pub(super) async fn ahead_of_restoring(&self, undoes: JobId, through: Option<UserId>) -> Result<Total, AppError> {
        let asked = [id(undoes), behind(through), COUNTED.into()];
        let count = ask_one(self.log.as_ref(), &users::COUNT_DISABLED_BY, &asked).await?.unwrap_or(0);
        let total = if count < COUNTED { Total::Exactly } else { Total::AtLeast };
        Ok(total(u64::try_from(count).unwrap_or(0)))
    }

    pub(super) async fn disable_stretch(&self, on_behalf: &Context, job: &JobRow, wave: &Wave) -> Result<(), AppError> {
        let network = self.network_of(wave).await?;
        // Without the one that was named it would be everybody.
        let lost = wave.network.is_some() && network.is_none();
        let turns = if lost { Vec::new() } else { self.whose_turn_it_is(wave, network, job.through).await? };
        if turns.is_empty() {
            return self.finish(on_behalf, job).await;
        }
        self.ask_all(on_behalf, job, &turns, &UserCommand::DisableGuest { by: job.job }).await
    }

    /// The next guests of a wave, oldest first; and the last of the others, where there are many in between.
    async fn whose_turn_it_is(
        &self,
        wave: &Wave,
        network: Option<NetworkHash>,
        through: Option<UserId>,
    ) -> Result<Vec<Turn>, AppError> {
        let (mut after, before) = (through.unwrap_or_else(|| first_id(wave.from)), end(wave.to));
        let mut turns: Vec<Turn> = Vec::new();
        for _ in 0..READS {
            let rows = origins::between(self.log.as_ref(), after, before, READ).await?;
            let Some(last) = rows.last() else { break };
            after = last.user;
            let fates = rows.iter().map(|row| Turn { user: row.user, fate: fate(row, network) });
            turns.extend(fates);
            // Of those who are passed by the last one is enough to tell how far the job is.
            let furthest = turns.last().copied();
            turns.retain(|turn| turn.fate != Fate::PassedBy);
            if turns.len() >= TOGETHER {
                turns.truncate(TOGETHER);
                return Ok(turns);
            }
            turns.extend(furthest.filter(|turn| turn.fate == Fate::PassedBy));
        }
        Ok(turns)
    }

    pub(super) async fn restore_stretch(
        &self,
        on_behalf: &Context,
        job: &JobRow,
        undoes: JobId,
    ) -> Result<(), AppError> {
        let many = i64::try_from(TOGETHER).unwrap_or(i64::MAX);
        let asked = [id(undoes), behind(job.through), many.into()];
        let found = ask(self.log.as_ref(), &users::DISABLED_BY, &asked).await?;
        if found.is_empty() {
            return self.finish(on_behalf, job).await;
        }
        let turns: Vec<_> = found.into_iter().map(|user| Turn { user, fate: Fate::Asked }).collect();
        self.ask_all(on_behalf, job, &turns, &UserCommand::ReinstateGuest { by: undoes }).await
    }
}

fn fate(row: &OriginRow, network: Option<NetworkHash>) -> Fate {
    use chrysalis_domain::user::Standing;
    match row.standing {
        _ if network.is_some_and(|network| !row.networks.include(&network)) => Fate::PassedBy,
        Standing::Guest | Standing::Provisional => Fate::Asked,
        Standing::Absent | Standing::Member | Standing::Disabled | Standing::Deleted => Fate::Spared,
    }
}

/// Behind all who came by that time.
fn end(to: Timestamp) -> UserId {
    first_id(to + Span::from_millis(1))
}

/// Behind that user, or from the first on.
fn behind(through: Option<UserId>) -> Value {
    through.map_or_else(|| Value::from(""), id)
}

/// The time that is asked about where none is named.
pub const LATELY: Span = Span::from_days(1);
