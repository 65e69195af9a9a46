//! An administrator acts as a user, for an hour, in a session of its own. Every event it leads to names the administrator;
//! it is no way to get at the account: whoever acts as a user can't change how the user gets in.

use chrysalis_domain::Span;
use chrysalis_domain::id::{SessionId, UserId};
use chrysalis_domain::user::event::EndReason;
use chrysalis_domain::user::{Impersonation, Impersonator, UserCommand};
use chrysalis_domain::value::{Authentication, Carrier};

use super::gone;
use crate::app::authority::Authority;
use crate::app::identify::{Identity, Presented};
use crate::app::new_session::{Opening, SignedIn};
use crate::app::{App, AppError, Caller, Refusal};

/// How long it may last.
const LIFE: Span = Span::from_hours(1);

/// Whoever acted as a user does so no more.
#[derive(Clone, Debug)]
pub enum Stopped {
    /// Back in the administrator's own session.
    Back(Box<SignedIn>),
    /// There is no session to go back to.
    Out,
}

impl App {
    /// `own` is the administrator's session: with it this one ends.
    pub async fn impersonate(
        &self,
        caller: &Caller,
        authority: &Authority,
        own: Option<SessionId>,
        user: UserId,
    ) -> Result<SignedIn, AppError> {
        let row = self.target(user).await?;
        let by = match (authority.key(), authority.admin()) {
            (Some(key), _) => Impersonator::Key(key),
            (None, Some(admin)) => Impersonator::Admin(admin),
            (None, None) => return Err(Refusal::UserUnknown.into()),
        };
        let Opening { mut session, token, client, .. } =
            self.opening(caller, &self.sealer(&row)?, Authentication::administrator(caller.at), false)?;
        session.expires_at = caller.at + LIFE;
        session.impersonation = Some(Impersonation { by, session: own });
        let id = session.id;
        let mut ask = self.ask(caller, authority.actor(), user, UserCommand::Impersonate { session });
        ask.sealed = vec![client];
        self.execute(ask).await.map_err(gone)?;
        let row = self.session_row(id).await?.ok_or(Refusal::UserUnknown)?;
        self.signed_in_as(&row, token.as_str())
    }

    /// `presented` may be past its time. `own` is the token that the administrator's browser kept.
    pub async fn stop_impersonating(
        &self,
        caller: &Caller,
        presented: &Presented,
        own: Option<&str>,
    ) -> Result<Stopped, AppError> {
        let Some(held) = presented.row.impersonation else { return Err(Refusal::NotImpersonating.into()) };
        let (user, session) = (presented.row.user.user, presented.row.session);
        let command = UserCommand::RevokeSession { session, reason: EndReason::ImpersonationEnded };
        match self.execute(self.ask(caller, presented.actor(), user, command)).await.map_err(gone) {
            // The user is gone, and the session with them.
            Ok(_) | Err(AppError::Refused(Refusal::UserUnknown)) => {}
            Err(error) => return Err(error),
        }
        let Some(own) = own else { return Ok(Stopped::Out) };
        match self.identify(caller, own, Carrier::Cookie).await? {
            Identity::Live(back)
                if held.by == Impersonator::Admin(back.row.user.user) && held.session == Some(back.row.session) =>
            {
                Ok(Stopped::Back(Box::new(self.signed_in_as(&back.row, &back.token)?)))
            }
            _ => Ok(Stopped::Out),
        }
    }
}
