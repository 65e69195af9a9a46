//! Everybody signed out, as one job: after a restore to an earlier point, say, by which sessions that had ended live again. Asking
//! for it takes no more than a log; it is done by whichever node has the turn.

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::JobId;
use chrysalis_domain::job::{JobCommand, Task, UserFilter};

use crate::app::AppError;
use crate::app::acting::Acting;
use crate::entropy;
use crate::log::cqrs::{Ask, Concurrency, Step, execute};

/// Ends the sessions that began before now.
pub async fn end_sessions(acting: &Acting<'_>) -> Result<JobId, AppError> {
    let job = JobId::from_ulid(entropy::ulid(acting.entropy, acting.at));
    let request = JobCommand::Request { job, task: Task::EndSessions(acting.at) };
    let ask = Ask::new(acting.context.clone(), acting.at).whatever_the_settings();
    execute(acting.log, acting.entropy, ask.then(Step::Job(job, Concurrency::New, request))).await?;
    Ok(job)
}

/// Who may have any: whoever came later has none that is older.
pub(super) fn whose(before: Timestamp) -> UserFilter {
    UserFilter { created_before: Some(before), ..UserFilter::default() }
}
