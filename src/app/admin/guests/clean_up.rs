//! The clean-up, run at once for an age that whoever asks names or the settings have: a job like any other that removes
//! many ([`remove_users`](crate::app::admin::remove_users)), of which each guest decides for itself whether it goes.
//!
//! Who was not active since the moment of asking is looked at, and no clock that is wrong when the job is resumed takes
//! anybody else. Nobody is told beforehand, for somebody says so now; but it can be undone for as long as any clean-up.

use chrysalis_domain::Span;
use chrysalis_domain::id::{JobId, ProcessId};
use chrysalis_domain::job::{CleanUp, JobCommand, Task};
use chrysalis_domain::process::expiry::Expiry;
use chrysalis_domain::user::UserCommand;
use chrysalis_domain::user::command::ExpiryTerms;

use crate::app::admin::jobs::JobView;
use crate::app::authority::Authority;
use crate::app::{App, AppError, Caller};
use crate::log::LogFault;
use crate::log::cqrs::{Concurrency, Step, load};

impl App {
    /// Every guest that has been away for longer goes.
    pub async fn clean_up(&self, caller: &Caller, authority: &Authority, max_age: Span) -> Result<JobView, AppError> {
        let job = JobId::from_ulid(self.fresh(caller.at));
        let terms = self.terms(job, max_age, caller.settings.version);
        let passed = load::<Expiry>(self.log.as_ref(), ProcessId::EXPIRY).await?.state.passed;
        let cutoff = passed.before(caller.at, terms.away());
        let clean_up = CleanUp { max_age_secs: max_age.as_millis() / 1000, cutoff };
        let request = JobCommand::Request { job, task: Task::CleanUp(clean_up) };
        let ask = self.asking(caller, authority.actor()).then(Step::Job(job, Concurrency::New, request));
        self.execute(ask).await?;
        self.job(job, caller.at).await
    }

    /// What is asked of each of them.
    pub(in crate::app::admin) async fn expiry(
        &self,
        job: JobId,
        clean_up: &CleanUp,
        settings_version: u64,
    ) -> Result<UserCommand, LogFault> {
        let terms = self.terms(job, Span::from_secs(clean_up.max_age_secs), settings_version);
        let passed = load::<Expiry>(self.log.as_ref(), ProcessId::EXPIRY).await?.state.passed;
        Ok(UserCommand::ExpireGuest { terms, passed })
    }

    fn terms(&self, job: JobId, max_age: Span, settings_version: u64) -> ExpiryTerms {
        let undo = self.config.anonymous.undo;
        ExpiryTerms { settings_version, max_age, notice: Span::ZERO, undo, job: Some(job) }
    }
}
