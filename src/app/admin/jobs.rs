//! What takes long: asked for once, done in stretches by whichever node has the turn, looked at and stopped by anybody who
//! may. What one stretch is says each kind of job: [`remove_users`](super::remove_users),
//! [`clean_up`](super::guests::clean_up), [`waves`](super::waves), [`end_sessions`](super::end_sessions).

use chrysalis_domain::id::{CommandId, JobId, ProjectId, UserId};
use chrysalis_domain::job::{JobCommand, JobOutcome, Task};
use chrysalis_domain::user::UserCommand;
use chrysalis_domain::{Permission, Subject, Timestamp};
use chrysalis_projections::jobs::{self, JobRow};
use chrysalis_projections::table::id;

use super::list_users::Total;
use super::{end_sessions, remove_users};
use crate::app::authority::Authority;
use crate::app::{App, AppError, Caller, Refusal};
use crate::log::cqrs::{Ask, Concurrency, ExecuteError, Step};
use crate::log::origins::NetworkHash;
use crate::log::{Actor, AppendError, Context, Lane, Refused, StreamId, ask_one};

/// A job, and how many users may still be ahead of it.
#[derive(Clone, Debug)]
pub struct JobView {
    pub row: JobRow,
    pub ahead: Total,
    /// The one that a wave is of, while it is known.
    pub network: Option<NetworkHash>,
}

/// Somebody whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub user: UserId,
    pub fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Asked,
    /// Known not to match any more.
    Spared,
    /// Never did match.
    PassedBy,
}

impl App {
    pub async fn job(&self, job: JobId, at: Timestamp) -> Result<JobView, AppError> {
        let row = ask_one(self.log.as_ref(), &jobs::BY_ID, &[id(job)]).await?.ok_or(Refusal::JobNotFound)?;
        let network = match &row.task {
            Task::DisableWave(wave) => self.network_of(wave).await?,
            Task::RemoveUsers(_) | Task::CleanUp(_) | Task::RestoreWave(_) | Task::EndSessions(_) => None,
        };
        let ahead = match (&row.outcome, &row.task) {
            (Some(_), _) => Total::Exactly(0),
            (None, Task::RemoveUsers(filter)) => self.total(&remove_users::of(filter, row.through, at)).await?,
            (None, Task::CleanUp(clean_up)) => {
                self.total(&remove_users::of(&clean_up.filter(), row.through, at)).await?
            }
            (None, Task::DisableWave(wave)) => self.ahead_of_wave(wave, network, row.through).await?,
            (None, Task::RestoreWave(undoes)) => self.ahead_of_restoring(*undoes, row.through).await?,
            (None, Task::EndSessions(before)) => {
                self.total(&remove_users::of(&end_sessions::whose(*before), row.through, at)).await?
            }
        };
        Ok(JobView { row, ahead, network })
    }

    /// What is done stays done; the rest stays.
    pub async fn cancel_job(&self, caller: &Caller, authority: &Authority, job: JobId) -> Result<JobView, AppError> {
        let row = ask_one(self.log.as_ref(), &jobs::BY_ID, &[id(job)]).await?.ok_or(Refusal::JobNotFound)?;
        authority.needs(permission_for(&row.task))?;
        let end = JobCommand::End { outcome: JobOutcome::Cancelled };
        let ask = self.asking(caller, authority.actor()).then(Step::Job(job, Concurrency::Exact, end));
        self.execute(ask).await?;
        self.job(job, caller.at).await
    }

    /// Does the next stretch of the job that has waited longest; `false` when none waits.
    pub(crate) async fn work(&self) -> Result<bool, AppError> {
        let Some(job) = ask_one(self.log.as_ref(), &jobs::NEXT, &[]).await? else { return Ok(false) };
        let on_behalf = self.asked_by(job.job).await?;
        match &job.task {
            Task::RemoveUsers(filter) => {
                self.remove_stretch(&on_behalf, &job, filter, &remove_users::removal(filter)).await?
            }
            Task::CleanUp(clean_up) => {
                let command = self.expiry(job.job, clean_up, on_behalf.settings_version).await?;
                self.remove_stretch(&on_behalf, &job, &clean_up.filter(), &command).await?
            }
            Task::DisableWave(wave) => self.disable_stretch(&on_behalf, &job, wave).await?,
            Task::RestoreWave(undoes) => self.restore_stretch(&on_behalf, &job, *undoes).await?,
            Task::EndSessions(before) => {
                let command = UserCommand::RevokeOlderSessions { before: *before };
                self.remove_stretch(&on_behalf, &job, &end_sessions::whose(*before), &command).await?
            }
        }
        Ok(true)
    }

    /// Asks the same of everybody whose turn it is, all in one group with the step that the job takes by it: so it is done and
    /// counted or neither, and a job that was stopped does nothing more. Where one of them moved meanwhile fewer are asked at
    /// a time; who refuses alone is spared.
    pub(super) async fn ask_all(
        &self,
        on_behalf: &Context,
        job: &JobRow,
        turns: &[Turn],
        command: &UserCommand,
    ) -> Result<(), AppError> {
        let mut turns = turns;
        let mut refused = false;
        while let Some(last) = turns.last() {
            let asked = |turn: &&Turn| turn.fate == Fate::Asked && !refused;
            let spared = |turn: &&Turn| turn.fate == Fate::Spared || (turn.fate == Fate::Asked && refused);
            let many = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
            let advance = JobCommand::Advance {
                from: job.through,
                through: last.user,
                done: many(turns.iter().filter(asked).count()),
                spared: many(turns.iter().filter(spared).count()),
            };
            let asks = turns.iter().filter(asked);
            let asks = asks.map(|turn| Step::User(turn.user, Concurrency::Exact, command.clone()));
            let ask = asks.fold(self.bulk(on_behalf), Ask::then);
            match self.execute(ask.then(Step::Job(job.job, Concurrency::Exact, advance))).await {
                // It was stopped meanwhile, or another node has done the stretch.
                Ok(_) | Err(ExecuteError::Job(_)) => return Ok(()),
                Err(
                    ExecuteError::Refused(_)
                    | ExecuteError::Append(AppendError::Busy { .. } | AppendError::Refused(Refused::TooLarge)),
                ) if turns.len() > 1 => {
                    turns = &turns[..turns.len().div_ceil(8)];
                }
                Err(ExecuteError::Refused(_) | ExecuteError::Append(AppendError::Refused(Refused::TooLarge)))
                    if !refused =>
                {
                    refused = true;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    pub(super) async fn step(&self, on_behalf: &Context, job: JobId, command: JobCommand) -> Result<(), AppError> {
        let ask = self.bulk(on_behalf).then(Step::Job(job, Concurrency::Exact, command));
        match self.execute(ask).await {
            // It was cancelled meanwhile, or another node has done the stretch too: what it did, this one did not.
            Ok(_) | Err(ExecuteError::Job(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn finish(&self, on_behalf: &Context, job: &JobRow) -> Result<(), AppError> {
        self.step(on_behalf, job.job, JobCommand::End { outcome: JobOutcome::Finished }).await
    }

    pub(super) fn bulk(&self, on_behalf: &Context) -> Ask {
        let at = self.clock.now();
        let command = CommandId::from_ulid(self.fresh(at));
        let ask = Ask { lane: Lane::Bulk, ..Ask::new(Context { command, ..on_behalf.clone() }, at) };
        // What to do was said when the job began.
        ask.whatever_the_settings()
    }

    /// Who asked for the job answers for what is done in it.
    async fn asked_by(&self, job: JobId) -> Result<Context, AppError> {
        let stream = StreamId::of(Subject::Job(job));
        let first = self.log.read_stream(&stream, 0, 1).await?.into_iter().next().ok_or(Refusal::JobNotFound)?;
        let kind = ["user", "admin", "api_key"].into_iter().find(|kind| *kind == first.actor_type);
        let actor = Actor {
            kind: kind.unwrap_or("system"),
            id: first.actor_id,
            by: first.actor_by,
            impersonator: first.impersonator,
        };
        Ok(Context {
            project: ProjectId::DEFAULT,
            actor,
            request: None,
            command: CommandId::from_ulid(self.fresh(self.clock.now())),
            cause: first.event_id.parse().ok(),
            settings_version: first.settings_version,
        })
    }
}

/// What asking for it takes, and looking at it.
pub fn permission_for(task: &Task) -> Permission {
    match task {
        Task::RemoveUsers(_) | Task::CleanUp(_) => Permission::GuestsDelete,
        Task::DisableWave(_) | Task::RestoreWave(_) => Permission::GuestsManage,
        Task::EndSessions(_) => Permission::SessionsRevoke,
    }
}
