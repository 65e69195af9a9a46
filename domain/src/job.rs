//! Something long that was asked for once: many users deleted by a filter. It is done in steps, each an event, so that it
//! can stop anywhere and go on, and everybody can see how far it is.

use serde::{Deserialize, Serialize};

use crate::decider::decider;
use crate::event::{Names, events};
use crate::id::{JobId, UserId};
use crate::time::Timestamp;

events! {
    JobEvent:
    JobRequested 1,
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

/// A stretch of users is done with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobAdvanced {
    /// The last user of the stretch: the next one begins behind it.
    pub through: UserId,
    /// Users that were deleted so far.
    pub deleted: u64,
    /// Users so far that no longer matched when it was their turn.
    pub spared: u64,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobEnded {
    pub outcome: JobOutcome,
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

impl Names for JobEvent {}

/// The state of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    pub requested: Option<JobRequested>,
    pub through: Option<UserId>,
    pub deleted: u64,
    pub spared: u64,
    pub ended: Option<JobOutcome>,
}

#[derive(Clone, Debug)]
pub enum JobCommand {
    Request(JobRequested),
    /// `from` is where whoever worked had begun: of two who work at once, one is late.
    Advance {
        from: Option<UserId>,
        through: UserId,
        deleted: u32,
        spared: u32,
    },
    End {
        outcome: JobOutcome,
    },
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
}

decider!(Job: Job(JobId), JobCommand, JobEvent, JobRefusal, format 1);

impl Job {
    /// What follows from the command; nothing at all when what it asks for is so already.
    ///
    /// # Errors
    /// A refusal. State is unchanged then.
    pub fn decide(&self, command: JobCommand, at: Timestamp) -> Result<Vec<JobEvent>, JobRefusal> {
        match command {
            JobCommand::Request(requested) if self.requested.is_none() => Ok(vec![requested.into()]),
            JobCommand::Request(_) => Err(JobRefusal::Exists),
            _ if self.requested.is_none() => Err(JobRefusal::NotFound),
            JobCommand::End { outcome } if self.ended.is_none() => Ok(vec![JobEnded { outcome, at }.into()]),
            JobCommand::End { outcome } if self.ended == Some(outcome) => Ok(Vec::new()),
            _ if self.ended.is_some() => Err(JobRefusal::Ended),
            JobCommand::Advance { from, .. } if from != self.through => Err(JobRefusal::Late),
            JobCommand::Advance { through, deleted, spared, .. } => {
                let (deleted, spared) = (self.deleted + u64::from(deleted), self.spared + u64::from(spared));
                Ok(vec![JobAdvanced { through, deleted, spared, at }.into()])
            }
            JobCommand::End { .. } => Err(JobRefusal::Ended),
        }
    }

    pub fn apply(&mut self, event: &JobEvent) {
        match event {
            JobEvent::JobRequested(e) => self.requested = Some(e.clone()),
            JobEvent::JobAdvanced(e) => {
                (self.through, self.deleted, self.spared) = (Some(e.through), e.deleted, e.spared);
            }
            JobEvent::JobEnded(e) => self.ended = Some(e.outcome),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: &str = "job_01JM0000000000000000000001";
    const AT: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn user(number: u64) -> UserId {
        UserId::from_ulid(ulid::Ulid::from_parts(number, 0))
    }

    fn after(commands: Vec<JobCommand>) -> Job {
        let mut job = Job::default();
        for command in commands {
            job.decide(command, AT).unwrap().iter().for_each(|event| job.apply(event));
        }
        job
    }

    fn request() -> JobCommand {
        JobCommand::Request(JobRequested { job: JOB.parse().unwrap(), filter: UserFilter::default(), at: AT })
    }

    fn advance(from: Option<u64>, through: u64) -> JobCommand {
        JobCommand::Advance { from: from.map(user), through: user(through), deleted: 1, spared: 0 }
    }

    #[test]
    fn a_stretch_counts_once() {
        let job = after(vec![request(), advance(None, 5), advance(Some(5), 9)]);
        assert_eq!((job.through, job.deleted), (Some(user(9)), 2));
        assert_eq!(job.decide(advance(Some(5), 9), AT), Err(JobRefusal::Late));
        assert_eq!(job.decide(advance(None, 5), AT), Err(JobRefusal::Late));
    }

    #[test]
    fn what_has_ended_does_not_go_on() {
        let end = |outcome| JobCommand::End { outcome };
        let job = after(vec![request(), end(JobOutcome::Cancelled)]);
        assert_eq!(job.decide(advance(None, 5), AT), Err(JobRefusal::Ended));
        assert_eq!(job.decide(end(JobOutcome::Cancelled), AT), Ok(Vec::new()));
        assert_eq!(job.decide(end(JobOutcome::Finished), AT), Err(JobRefusal::Ended));
        assert_eq!(job.decide(request(), AT), Err(JobRefusal::Exists));
        assert_eq!(Job::default().decide(end(JobOutcome::Cancelled), AT), Err(JobRefusal::NotFound));
    }
}
