//! A guest's doings move to a member: to the same person, as a ticket shows (CONTRACT 2.5, 9), or to whom an administrator
//! names.

use super::*;

impl User {
    /// Nothing when it was done before: a ticket that is redeemed twice moves nothing twice.
    pub(super) fn transfer(&self, to: UserId, epoch: Option<u32>, at: Timestamp) -> Decision {
        match self.transferred_to {
            Some(done) if done == to => return Ok(Vec::new()),
            Some(_) => return Err(UserRefusal::ChallengeUnknown),
            None => {}
        }
        self.is_guest()?;
        self.not_out_by_a_job()?;
        self.same_epoch(epoch)?;
        let mut events = vec![GuestTransferred { to, at }.into()];
        events.extend(self.end(|_| true, EndReason::Transferred, at));
        Ok(events)
    }

    pub(super) fn absorb(&self, guest: UserId, epoch: Option<u32>, at: Timestamp) -> Decision {
        if self.absorbed.contains(&guest) {
            return Ok(Vec::new());
        }
        if self.standing != Standing::Member {
            return Err(UserRefusal::Anonymous);
        }
        self.same_epoch(epoch)?;
        Ok(vec![GuestAbsorbed { guest, at }.into()])
    }
}
