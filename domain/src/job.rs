//! Something long that was asked for once: many users deleted by a filter, guests cleaned up, a wave of them taken out of use or put
//! back, everybody signed out. It is done in steps, each an event, so that it can stop anywhere and go on, and everybody can see how far it is.

use serde::{Deserialize, Serialize};

use crate::decider::decider;
use crate::event::{Names, events};
use crate::id::{JobId, PersonId, SealedId, UserId};
use crate::time::Timestamp;

#[cfg(test)]
mod scenarios;

events! {
    JobEvent:
    JobRequested 1,
    CleanUpRequested 1,
    WaveDisablingRequested 1,
    WaveRestoringRequested 1,
    SessionsEndingRequested 1,
    JobAdvanced 1,
    JobEnded 1,
}

/// Users are to be deleted: all who match when their turn comes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRequested {
    pub job: JobId,
    pub filter: UserFilter,
    pub at: Timestamp,
}

/// Which users; all that is given must hold. Nothing of a person stands in it: it is written into the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UserFilter {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guests: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub banned: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_before: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_after: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_active_before: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_active_after: Option<Timestamp>,
}

impl UserFilter {
    /// Says nothing: everybody matches.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Guests are to be cleaned up: each decides on its own activity, when its turn comes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CleanUpRequested {
    pub job: JobId,
    pub clean_up: CleanUp,
    pub at: Timestamp,
}

/// How long guests may have been away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CleanUp {
    pub max_age_secs: i64,
    /// Who was active later, as it was when that was asked for, is none of its business.
    pub cutoff: Timestamp,
}

impl CleanUp {
    /// Whose turn comes.
    pub fn filter(&self) -> UserFilter {
        UserFilter { guests: Some(true), last_active_before: Some(self.cutoff), ..UserFilter::default() }
    }
}

/// Guests are to be taken out of use: all who came with the wave and still are guests when their turn comes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaveDisablingRequested {
    pub job: JobId,
    pub wave: Wave,
    pub at: Timestamp,
}

/// Who came together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wave {
    /// At this time or later,
    pub from: Timestamp,
    /// at this one or before,
    pub to: Timestamp,
    /// from this network, if one is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<WaveNetwork>,
}

/// Where somebody came from must be possible to forget: it stands in no event, and goes with the end of the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaveNetwork {
    pub record: SealedId,
    /// Nobody: under whose key nothing else is sealed.
    pub person: PersonId,
}

/// Guests are to be put back: those whom a job took out of use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaveRestoringRequested {
    pub job: JobId,
    pub undoes: JobId,
    pub at: Timestamp,
}

/// Everybody is to be signed out of what they were signed in to by a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionsEndingRequested {
    pub job: JobId,
    /// Sessions that began later go on.
    pub before: Timestamp,
    pub at: Timestamp,
}

/// A stretch of users is done with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobAdvanced {
    /// The last user of the stretch: the next one begins behind it.
    pub through: UserId,
    /// Users so far to whom it was done. It is written as it was called when jobs did nothing but delete.
    #[serde(rename = "deleted")]
    pub done: u64,
    /// Users so far that no longer matched when it was their turn.
    pub spared: u64,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobEnded {
    pub outcome: JobOutcome,
    /// With it goes what was sealed for the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forgets: Option<PersonId>,
    pub at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobOutcome {
    /// There was nobody left.
    Finished,
    /// Somebody who may stopped it.
    Cancelled,
}

impl JobOutcome {
    pub const fn name(self) -> &'static str {
        match self {
            JobOutcome::Finished => "finished",
            JobOutcome::Cancelled => "cancelled",
        }
    }
}

impl Names for JobEvent {
    fn seals_for(&self, _: SealedId) -> Option<PersonId> {
        match self {
            JobEvent::WaveDisablingRequested(e) => e.wave.network.map(|network| network.person),
            _ => None,
        }
    }

    fn sealed(&self) -> Vec<SealedId> {
        match self {
            JobEvent::WaveDisablingRequested(e) => e.wave.network.iter().map(|network| network.record).collect(),
            JobEvent::JobRequested(_)
            | JobEvent::CleanUpRequested(_)
            | JobEvent::WaveRestoringRequested(_)
            | JobEvent::SessionsEndingRequested(_)
            | JobEvent::JobAdvanced(_)
            | JobEvent::JobEnded(_) => Vec::new(),
        }
    }

    fn erases(&self) -> Vec<PersonId> {
        match self {
            JobEvent::JobEnded(e) => e.forgets.into_iter().collect(),
            _ => Vec::new(),
        }
    }
}

/// What a job does, and to whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    RemoveUsers(UserFilter),
    CleanUp(CleanUp),
    DisableWave(Wave),
    RestoreWave(JobId),
    /// Those that began before.
    EndSessions(Timestamp),
}

impl Task {
    fn requested(self, job: JobId, at: Timestamp) -> JobEvent {
        match self {
            Task::RemoveUsers(filter) => JobRequested { job, filter, at }.into(),
            Task::CleanUp(clean_up) => CleanUpRequested { job, clean_up, at }.into(),
            Task::DisableWave(wave) => WaveDisablingRequested { job, wave, at }.into(),
            Task::RestoreWave(undoes) => WaveRestoringRequested { job, undoes, at }.into(),
            Task::EndSessions(before) => SessionsEndingRequested { job, before, at }.into(),
        }
    }
}

/// The state of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// None: it was never asked for.
    pub task: Option<Task>,
    pub through: Option<UserId>,
    pub done: u64,
    pub spared: u64,
    pub ended: Option<JobOutcome>,
}

#[derive(Clone, Debug)]
pub enum JobCommand {
    Request {
        job: JobId,
        task: Task,
    },
    /// `from` is where whoever worked had begun: of two who work at once, one is late.
    Advance {
        from: Option<UserId>,
        through: UserId,
        done: u32,
        spared: u32,
    },
    End {
        outcome: JobOutcome,
    },
    /// What it did is to be undone: it goes no further.
    Halt,
}

/// Why a job does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JobRefusal {
    #[error("there is no such job")]
    NotFound,
    #[error("the job exists already")]
    Exists,
    #[error("the job has ended")]
    Ended,
    #[error("somebody else has done that stretch")]
    Late,
    #[error("what the job does can't be undone")]
    Irreversible,
}

decider!(Job: Job(JobId), JobCommand, JobEvent, JobRefusal, format 2);

impl Job {
    /// What follows from the command; nothing at all when what it asks for is so already.
    ///
    /// # Errors
    /// A refusal. State is unchanged then.
    pub fn decide(&self, command: JobCommand, at: Timestamp) -> Result<Vec<JobEvent>, JobRefusal> {
        let Some(task) = &self.task else {
            return match command {
                JobCommand::Request { job, task } => Ok(vec![task.requested(job, at)]),
                _ => Err(JobRefusal::NotFound),
            };
        };
        match command {
            JobCommand::Request { .. } => Err(JobRefusal::Exists),
            JobCommand::Halt if !matches!(task, Task::DisableWave(_)) => Err(JobRefusal::Irreversible),
            JobCommand::Halt if self.ended.is_some() => Ok(Vec::new()),
            JobCommand::Halt => Ok(vec![self.end(JobOutcome::Cancelled, at)]),
            JobCommand::End { outcome } if self.ended.is_none() => Ok(vec![self.end(outcome, at)]),
            JobCommand::End { outcome } if self.ended == Some(outcome) => Ok(Vec::new()),
            JobCommand::End { .. } => Err(JobRefusal::Ended),
            JobCommand::Advance { .. } if self.ended.is_some() => Err(JobRefusal::Ended),
            JobCommand::Advance { from, .. } if from != self.through => Err(JobRefusal::Late),
            JobCommand::Advance { through, done, spared, .. } => {
                let (done, spared) = (self.done + u64::from(done), self.spared + u64::from(spared));
                Ok(vec![JobAdvanced { through, done, spared, at }.into()])
            }
        }
    }

    fn end(&self, outcome: JobOutcome, at: Timestamp) -> JobEvent {
        let forgets = match &self.task {
            Some(Task::DisableWave(wave)) => wave.network.map(|network| network.person),
            _ => None,
        };
        JobEnded { outcome, forgets, at }.into()
    }

    pub fn apply(&mut self, event: &JobEvent) {
        match event {
            JobEvent::JobRequested(e) => self.task = Some(Task::RemoveUsers(e.filter.clone())),
            JobEvent::CleanUpRequested(e) => self.task = Some(Task::CleanUp(e.clean_up)),
            JobEvent::WaveDisablingRequested(e) => self.task = Some(Task::DisableWave(e.wave.clone())),
            JobEvent::WaveRestoringRequested(e) => self.task = Some(Task::RestoreWave(e.undoes)),
            JobEvent::SessionsEndingRequested(e) => self.task = Some(Task::EndSessions(e.before)),
            JobEvent::JobAdvanced(e) => (self.through, self.done, self.spared) = (Some(e.through), e.done, e.spared),
            JobEvent::JobEnded(e) => self.ended = Some(e.outcome),
        }
    }
}
