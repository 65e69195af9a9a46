//! Many users removed by a filter: asked for once, done in stretches by whichever node has the turn.

use chrysalis_domain::id::{JobId, UserId};
use chrysalis_domain::job::{JobCommand, JobOutcome, JobRequested, UserFilter};
use chrysalis_domain::user::event::DeletionReason;
use chrysalis_domain::user::{UserCommand, UserRefusal};
use chrysalis_domain::{Permission, Timestamp};
use chrysalis_projections::jobs::{self, JobRow};
use chrysalis_projections::listing::{self, Compare, Condition, Field, From, Listing, Order};
use chrysalis_projections::table::id;
use chrysalis_projections::users::UserRow;
use futures_util::StreamExt;

use super::list_users::{Total, still_holds};
use crate::app::authority::Authority;
use crate::app::{App, AppError, Caller, Refusal};
use crate::log::cqrs::{Ask, Concurrency, ExecuteError, Step};
use crate::log::{Actor, Context, Lane, StreamId, ask_one, list};

/// Users of one stretch: what is done again at the most when a node dies in the middle.
const STRETCH: u32 = 512;
/// Deletions on their way at a time: enough for a batch, and few beside those who wait for an answer.
const AT_ONCE: usize = 64;

/// A job, and how many users may still be ahead of it.
#[derive(Clone, Debug)]
pub struct JobView {
    pub row: JobRow,
    pub ahead: Total,
}

impl App {
    /// How many the filter matches now.
    pub async fn count_users(&self, filter: &UserFilter, at: Timestamp) -> Result<Total, AppError> {
        self.total(&of(filter, None, at)).await
    }

    /// Everybody whom the filter matches is to go.
    pub async fn remove_users(
        &self,
        caller: &Caller,
        authority: &Authority,
        filter: UserFilter,
    ) -> Result<JobView, AppError> {
        let job = JobId::from_ulid(self.fresh(caller.at));
        let request = JobCommand::Request(JobRequested { job, filter, at: caller.at });
        let ask = self.asking(caller, authority.actor()).then(Step::Job(job, Concurrency::New, request));
        self.execute(ask).await?;
        self.job(job, caller.at).await
    }

    pub async fn job(&self, job: JobId, at: Timestamp) -> Result<JobView, AppError> {
        let row = ask_one(self.log.as_ref(), &jobs::BY_ID, &[id(job)]).await?.ok_or(Refusal::JobNotFound)?;
        let ahead = match &row.outcome {
            Some(_) => Total::Exactly(0),
            None => self.total(&of(&row.filter, row.through, at)).await?,
        };
        Ok(JobView { row, ahead })
    }

    /// What is done stays done; the rest stays.
    pub async fn cancel_job(&self, caller: &Caller, authority: &Authority, job: JobId) -> Result<JobView, AppError> {
        let end = JobCommand::End { outcome: JobOutcome::Cancelled };
        let ask = self.asking(caller, authority.actor()).then(Step::Job(job, Concurrency::Exact, end));
        self.execute(ask).await?;
        self.job(job, caller.at).await
    }

    /// Does the next stretch of the job that has waited longest; `false` when none waits.
    pub(crate) async fn work(&self) -> Result<bool, AppError> {
        let Some(job) = ask_one(self.log.as_ref(), &jobs::NEXT, &[]).await? else { return Ok(false) };
        let now = self.clock.now();
        let on_behalf = self.asked_by(job.job).await?;
        let listing = of(&job.filter, job.through, now);
        let mut places = list(self.log.as_ref(), listing::page(&listing), listing::read).await?;
        // One more than the stretch tells that there is more; it is the first of the next.
        places.truncate(STRETCH as usize);
        let Some(through) = places.last().map(|place| place.id) else {
            self.step(&on_behalf, job.job, JobCommand::End { outcome: JobOutcome::Finished }).await?;
            return Ok(true);
        };
        let matching = |user: &UserRow| listing.conditions.iter().all(|condition| still_holds(condition, user));
        let gone = places.into_iter().map(|place| {
            let matches = place.user.as_ref().is_some_and(&matching);
            let on_behalf = &on_behalf;
            let only_if_guest = job.filter.guests == Some(true);
            async move { if matches { self.remove(on_behalf, place.id, only_if_guest).await } else { Ok(false) } }
        });
        let outcomes: Vec<_> = futures_util::stream::iter(gone).buffer_unordered(AT_ONCE).collect().await;
        let (mut deleted, mut spared) = (0, 0);
        for outcome in outcomes {
            if outcome? { deleted += 1 } else { spared += 1 }
        }
        let advance = JobCommand::Advance { from: job.through, through, deleted, spared };
        self.step(&on_behalf, job.job, advance).await?;
        Ok(true)
    }

    /// `false` when the user is spared, or was gone already.
    async fn remove(&self, on_behalf: &Context, user: UserId, only_if_guest: bool) -> Result<bool, AppError> {
        let command = UserCommand::DeleteUser { reason: DeletionReason::Administrator, only_if_guest };
        let step = Step::User(user, Concurrency::Exact, command);
        match self.execute(self.bulk(on_behalf).then(step)).await {
            Ok(done) => Ok(done.appended.is_some()),
            Err(ExecuteError::Refused(UserRefusal::NotAnonymous | UserRefusal::Deleted | UserRefusal::NotFound)) => {
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn step(&self, on_behalf: &Context, job: JobId, command: JobCommand) -> Result<(), AppError> {
        let ask = self.bulk(on_behalf).then(Step::Job(job, Concurrency::Exact, command));
        match self.execute(ask).await {
            // It was cancelled meanwhile, or another node has done the stretch too: what it deleted, this one did not.
            Ok(_) | Err(ExecuteError::Job(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn bulk(&self, on_behalf: &Context) -> Ask {
        let at = self.clock.now();
        let command = chrysalis_domain::id::CommandId::from_ulid(self.fresh(at));
        let ask = Ask { lane: Lane::Bulk, ..Ask::new(Context { command, ..on_behalf.clone() }, at) };
        // Whom to remove was said when the job began.
        ask.whatever_the_settings()
    }

    /// Who asked for the job answers for what is done in it.
    async fn asked_by(&self, job: JobId) -> Result<Context, AppError> {
        let stream = StreamId::of(chrysalis_domain::Subject::Job(job));
        let first = self.log.read_stream(&stream, 0, 1).await?.into_iter().next().ok_or(Refusal::JobNotFound)?;
        let kind = ["user", "admin", "api_key"].into_iter().find(|kind| *kind == first.actor_type);
        let actor = Actor {
            kind: kind.unwrap_or("system"),
            id: first.actor_id,
            by: first.actor_by,
            impersonator: first.impersonator,
        };
        Ok(Context {
            project: chrysalis_domain::id::ProjectId::DEFAULT,
            actor,
            request: None,
            command: chrysalis_domain::id::CommandId::from_ulid(self.fresh(self.clock.now())),
            cause: first.event_id.parse().ok(),
            settings_version: first.settings_version,
        })
    }
}

/// The next stretch of those whom the filter matches: oldest first, behind the last one.
fn of(filter: &UserFilter, through: Option<UserId>, at: Timestamp) -> Listing {
    let flags =
        [(Field::IsAnonymous, filter.guests), (Field::EmailVerified, filter.verified), (Field::Banned, filter.banned)];
    let flags = flags.into_iter().filter_map(|(field, flag)| Some(Condition::Flag(field, flag?)));
    let times = [
        (Field::CreatedAt, Compare::Less, filter.created_before),
        (Field::CreatedAt, Compare::More, filter.created_after),
        (Field::LastActiveAt, Compare::Less, filter.last_active_before),
        (Field::LastActiveAt, Compare::More, filter.last_active_after),
    ];
    let times = times.into_iter().filter_map(|(field, compare, time)| Some(Condition::Time(field, compare, time?)));
    // For the count of those who are ahead.
    let behind = through.map(|through| Condition::Id(Compare::More, through));
    Listing {
        conditions: flags.chain(times).chain(behind).collect(),
        order: Order { by: Field::CreatedAt, ascending: true },
        from: From::Start,
        limit: STRETCH,
        at,
    }
}

/// What deleting them takes.
pub fn permission_for(filter: &UserFilter) -> Permission {
    if filter.guests == Some(true) { Permission::GuestsDelete } else { Permission::UsersDeleteBulk }
}
