//! Ends invitations that nobody answered in time: with them goes what was sealed for whoever was invited. That one is past its
//! time holds without it; being late, or being two, changes nothing that anybody is told.

use std::time::Duration;

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::OrganizationId;
use chrysalis_domain::organization::{OrganizationCommand, OrganizationRefusal};
use chrysalis_projections::invitations::PAST;

use super::Lease;
use super::in_turn::InTurn;
use crate::app::App;
use crate::log::cqrs::{Concurrency, ExecuteError, Step};
use crate::log::{LogFault, Position, ask};

/// Invitations looked at together.
const PAGE: i64 = 256;
/// How often to look.
const LOOK: Duration = Duration::from_secs(1);

pub struct Invitations {
    pub app: App,
}

impl InTurn for Invitations {
    const NAME: &'static str = "invitations";
    const AFTER_FAULT: Duration = Duration::from_secs(5);
    const STANDS_STILL: &'static str = "invitations past their time stay for now; they end when the fault is gone";
    const ASIDE: Option<Duration> = Some(LOOK);

    async fn turn(&mut self, lease: &mut Lease, _head: Position) -> Result<Duration, LogFault> {
        let now = self.app.clock.now();
        for organization in ask(self.app.log.as_ref(), &PAST, &[now.into(), PAGE.into()]).await? {
            if lease.stands() {
                self.expire(organization, now).await?;
            }
        }
        Ok(LOOK)
    }
}

impl Invitations {
    async fn expire(&self, organization: OrganizationId, now: Timestamp) -> Result<(), LogFault> {
        let step = Step::Organization(organization, Concurrency::Exact, OrganizationCommand::ExpireInvitations);
        match self.app.execute_by_itself(step, now).await {
            // It went meanwhile, and they with it.
            Ok(_) | Err(ExecuteError::Disallowed(OrganizationRefusal::NotFound)) => Ok(()),
            Err(error) => {
                Err(LogFault::Bug(format!("invitations that are past their time don't end: {}", error.refusal()?)))
            }
        }
    }
}
