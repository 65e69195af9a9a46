//! Forgets who asked for a link, a code or a provider and is no user, a day after nothing can come of it any more. Being late,
//! or being two, changes nothing that anybody is told.

use std::time::Duration;

use chrysalis_domain::challenge::ChallengeCommand;
use chrysalis_domain::{Span, Timestamp};
use chrysalis_projections::strangers::{ENDED, Stranger};

use super::Lease;
use super::in_turn::InTurn;
use crate::app::App;
use crate::log::cqrs::{Concurrency, Step};
use crate::log::{LogFault, Position, ask};

/// Strangers looked at together.
const PAGE: i64 = 256;
/// How long they are remembered: whoever comes late is told that it is late.
const REMEMBERED: Span = Span::from_days(1);
/// How often to look.
const LOOK: Duration = Duration::from_secs(2);

pub struct Strangers {
    pub app: App,
}

impl InTurn for Strangers {
    const NAME: &'static str = "strangers";
    const AFTER_FAULT: Duration = Duration::from_secs(5);
    const STANDS_STILL: &'static str =
        "who is no user is remembered for now; they are forgotten when the fault is gone";
    const ASIDE: Option<Duration> = Some(LOOK);

    async fn turn(&mut self, lease: &mut Lease, _head: Position) -> Result<Duration, LogFault> {
        let now = self.app.clock.now();
        for stranger in ask(self.app.log.as_ref(), &ENDED, &[(now - REMEMBERED).into(), PAGE.into()]).await? {
            if lease.stands() {
                self.forget(stranger, now).await?;
            }
        }
        Ok(LOOK)
    }
}

impl Strangers {
    async fn forget(&self, Stranger { challenge, met }: Stranger, now: Timestamp) -> Result<(), LogFault> {
        let step = Step::Challenge(challenge, Concurrency::Exact, ChallengeCommand::ForgetStranger { met });
        match self.app.execute_by_itself(step, now).await {
            Ok(_) => Ok(()),
            Err(error) => Err(LogFault::Bug(format!("who is no user is not forgotten: {}", error.refusal()?))),
        }
    }
}
