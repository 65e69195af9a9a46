//! A wave: many guests who came together and are no people. A job takes all of them out of use, and another puts back those
//! who were taken by it. Whoever became a member first is a member.

use super::*;
use crate::id::JobId;

impl User {
    /// Nothing where this job has done it. What else took the guest out of use is to be undone by nobody else.
    pub(super) fn disable(&self, by: JobId, at: Timestamp) -> Decision {
        self.is_guest()?;
        // A guest again by law, but one that may hold a member's data (CONTRACT 2.6).
        if self.superseded {
            return Err(UserRefusal::NotAnonymous);
        }
        match &self.disabled {
            Some(disabled) if disabled.by == Some(by) => Ok(Vec::new()),
            Some(_) => Err(UserRefusal::Deleted),
            None => {
                let by = Some(DisabledBy { job: by, last_activity: self.last_activity });
                let mut events = vec![GuestDisabled { evidence: None, by, at, final_at: None }.into()];
                events.extend(self.out_of_use(at));
                Ok(events)
            }
        }
    }

    pub(super) fn reinstate(&self, by: JobId, at: Timestamp) -> Decision {
        let theirs = self.disabled.as_ref().is_some_and(|disabled| disabled.by == Some(by));
        if theirs { self.restore(at) } else { Err(UserRefusal::GuestNotDisabled) }
    }

    /// Whom a job took out of use comes back when it is undone, and in no other way.
    pub(super) fn not_out_by_a_job(&self) -> Result<(), UserRefusal> {
        let by_a_job = self.disabled.as_ref().is_some_and(|disabled| disabled.by.is_some());
        if by_a_job { Err(UserRefusal::Deleted) } else { Ok(()) }
    }
}
