//! Guests who stay away, and guests who come back.

use chrysalis::keys::SealKind;
use chrysalis::log::{Claim, SealedRecord};
use chrysalis_domain::id::{JobId, SessionId};
use chrysalis_domain::user::command::ExpiryTerms;
use chrysalis_domain::user::{User, UserCommand};
use chrysalis_domain::{Passed, Span};

use super::History;
use crate::conformance::world::Person;

impl History {
    /// What becomes of guests who stay away.
    pub(super) fn clean_up(&self, state: &User) -> UserCommand {
        use UserCommand as C;
        let (world, chance) = (&self.world, &self.world.chance);
        let passed = Passed::default();
        // So that a few seconds are long enough.
        let max_age = Span::from_secs(5) - ExpiryTerms::RECORDED_WITHIN;
        let undo = Span::from_secs(*chance.pick(&[0, 1, 30, 3_600]));
        let mut terms = ExpiryTerms { settings_version: 3, max_age, notice: Span::ZERO, undo, job: None };
        // Nobody else brings them back.
        if let Some(by) = state.disabled.as_ref().and_then(|disabled| disabled.by) {
            return C::ReinstateGuest { by };
        }
        match (&state.disabled, chance.below(8)) {
            (Some(_), 0..3) => C::RestoreGuest,
            (Some(_), 3..6) => C::FinishExpiry { passed },
            (_, 6) => C::HoldGuest { until: world.now() + Span::from_secs(10), reason: None },
            (_, 7) => C::ReleaseGuest,
            (None, 0) => C::DisableGuest { by: world.fresh(JobId::from_ulid) },
            (None, 1..3) => {
                terms.notice = Span::from_secs(2);
                C::AnnounceExpiry { terms, passed }
            }
            _ => C::ExpireGuest { terms, passed },
        }
    }

    /// Codes by which a guest comes back: each step of the way, mostly in its order.
    pub(super) fn come_back(
        &self,
        person: &Person,
        state: &User,
        session: SessionId,
    ) -> (UserCommand, Vec<SealedRecord>, Vec<Claim>) {
        use UserCommand as C;
        let (world, chance) = (&self.world, &self.world.chance);
        let plain = |command| (command, Vec::new(), Vec::new());
        let fresh = || world.token().1.hash;
        match (&state.link, state.recovery) {
            (Some(link), _) if link.confirmed => plain(C::UseDeviceLink {
                hash: link.hash,
                ticket: link.ticket.unwrap_or_else(fresh),
                session: world.session(world.token().1),
            }),
            (Some(link), _) if link.ticket.is_some() && chance.below(4) > 0 => plain(C::ConfirmDeviceLink { session }),
            (Some(link), _) if chance.below(4) > 0 => {
                let client = world.seal(person, SealKind::Client, "{}");
                let command = C::ClaimDeviceLink { hash: link.hash, ticket: fresh(), client: client.id };
                (command, vec![client], Vec::new())
            }
            (Some(_), _) => plain(C::WithdrawDeviceLink { session }),
            (None, Some(hash)) => match chance.below(3) {
                0 => plain(C::UseRecoveryCode { hash, session: world.session(world.token().1) }),
                1 => plain(C::RevokeRecoveryCode { session }),
                _ => plain(C::OfferDeviceLink { session, hash: fresh(), expires_at: world.now() + Span::from_days(1) }),
            },
            (None, None) => plain(C::IssueRecoveryCode { session, hash: fresh() }),
        }
    }
}
