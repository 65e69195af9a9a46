//! Many users removed by a filter, as one job. Each of them decides when their turn comes: who does not match any more stays,
//! and whoever administers does.

use chrysalis_domain::id::{JobId, UserId};
use chrysalis_domain::job::{JobCommand, Task, UserFilter};
use chrysalis_domain::user::{UserCommand, UserRefusal};
use chrysalis_domain::{Permission, Subject, Timestamp};
use chrysalis_projections::jobs::JobRow;
use chrysalis_projections::listing::{self, Compare, Condition, Field, From, Listing, Order, Place};
use chrysalis_projections::users::UserRow;
use futures_util::stream::{self, StreamExt};

use super::jobs::JobView;
use super::list_users::{Total, still_holds};
use crate::app::authority::Authority;
use crate::app::{App, AppError, Caller};
use crate::log::cqrs::{Ahead, Concurrency, ExecuteError, Step, execute_ahead};
use crate::log::{Context, list};

/// Users of one stretch: what is done again at the most when a node dies in the middle.
const STRETCH: u32 = 512;

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
        let request = JobCommand::Request { job, task: Task::RemoveUsers(filter) };
        let ask = self.asking(caller, authority.actor()).then(Step::Job(job, Concurrency::New, request));
        self.execute(ask).await?;
        self.job(job, caller.at).await
    }

    /// The next users whom the filter matches are asked for it; whoever says no is spared.
    pub(super) async fn remove_stretch(
        &self,
        on_behalf: &Context,
        job: &JobRow,
        filter: &UserFilter,
        command: &UserCommand,
    ) -> Result<(), AppError> {
        let listing = of(filter, job.through, self.clock.now());
        let mut places = list(self.log.as_ref(), listing::page(&listing), listing::read).await?;
        // One more than the stretch tells that there is more; it is the first of the next.
        places.truncate(STRETCH as usize);
        let Some(through) = places.last().map(|place| place.id) else { return self.finish(on_behalf, job).await };
        let holds = |user: &UserRow| listing.conditions.iter().all(|condition| still_holds(condition, user));
        let matching = |place: &Place| place.user.as_ref().is_some_and(holds).then_some(place.id);
        let matching: Vec<UserId> = places.iter().filter_map(matching).collect();
        let ahead = Ahead::read(self.log.as_ref(), matching.iter().map(|user| Subject::User(*user))).await?;
        let gone = stream::iter(matching).map(|user| self.remove(on_behalf, user, command, &ahead));
        let outcomes: Vec<_> = gone.buffer_unordered(self.config.writer.bulk()).collect().await;
        let mut done = 0;
        for outcome in outcomes {
            done += u32::from(outcome?);
        }
        // At most a stretch.
        let spared = u32::try_from(places.len()).unwrap_or(u32::MAX) - done;
        let advance = JobCommand::Advance { from: job.through, through, done, spared };
        self.step(on_behalf, job.job, advance).await
    }

    /// `false` when the user is spared, or was gone already.
    async fn remove(
        &self,
        on_behalf: &Context,
        user: UserId,
        command: &UserCommand,
        ahead: &Ahead,
    ) -> Result<bool, AppError> {
        let ask = self.bulk(on_behalf).then(Step::User(user, Concurrency::Exact, command.clone()));
        match execute_ahead(self.log.as_ref(), self.entropy.as_ref(), ask, Some(ahead)).await {
            Ok(done) => Ok(done.appended.is_some()),
            // The user says no, or is gone.
            Err(ExecuteError::Refused(refusal)) if spares(&refusal) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Deletes a user of whom that was asked by a filter.
pub(super) fn removal(filter: &UserFilter) -> UserCommand {
    UserCommand::DeleteMatching { filter: Box::new(filter.clone()) }
}

fn spares(refusal: &UserRefusal) -> bool {
    use UserRefusal as R;
    let gone = matches!(refusal, R::NotAnonymous | R::NotMatching | R::Administers | R::Deleted | R::NotFound);
    gone || matches!(refusal, R::GuestActive { .. } | R::GuestHeld { .. } | R::StillUndoable { .. })
}

/// The next stretch of those whom the filter matches: oldest first, behind the last one.
pub(super) fn of(filter: &UserFilter, through: Option<UserId>, at: Timestamp) -> Listing {
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
