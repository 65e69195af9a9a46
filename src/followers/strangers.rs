//! Forgets who asked for a link, a code or a provider and is no user, a day after nothing can come of it any more: by one node
//! at a time. Being late, or being two, changes nothing that anybody is told.

use std::time::Duration;

use chrysalis_domain::challenge::ChallengeCommand;
use chrysalis_domain::id::{CommandId, ProjectId};
use chrysalis_domain::{Span, Timestamp};
use chrysalis_projections::strangers::{ENDED, Stranger};
use tokio::sync::watch;

use super::{Lease, Turn};
use crate::app::App;
use crate::entropy;
use crate::log::cqrs::{Ask, Concurrency, ExecuteError, Step, execute};
use crate::log::{Actor, AppendError, Context, Lane, LogFault, ask};

/// Names the lease, so it is for ever.
const NAME: &str = "strangers";
/// Strangers looked at together.
const PAGE: i64 = 256;
/// How long they are remembered: whoever comes late is told that it is late.
const REMEMBERED: Span = Span::from_days(1);
/// How often to look.
const LOOK: Duration = Duration::from_secs(2);
/// How long to leave a fault of the store alone.
const AFTER_FAULT: Duration = Duration::from_secs(5);

/// Forgets them until `stop` turns true.
pub async fn forget(app: App, turn: Turn, mut stop: watch::Receiver<bool>) {
    let mut lease = Lease::new(turn);
    while !*stop.borrow() {
        let pause = match round(&app, &mut lease).await {
            Ok(()) => LOOK,
            Err(fault) => {
                tracing::warn!(%fault, "who is no user is remembered for now; they are forgotten when the fault is gone");
                AFTER_FAULT
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.changed() => {}
        }
    }
    let _ = app.log.release(NAME, &lease.turn.node).await;
}

async fn round(app: &App, lease: &mut Lease) -> Result<(), LogFault> {
    if !lease.hold(app.log.as_ref(), NAME).await? {
        return Ok(());
    }
    let now = app.clock.now();
    for stranger in ask(app.log.as_ref(), &ENDED, &[(now - REMEMBERED).into(), PAGE.into()]).await? {
        if lease.stands() {
            end(app, stranger, now).await?;
        }
    }
    Ok(())
}

async fn end(app: &App, Stranger { challenge, met }: Stranger, now: Timestamp) -> Result<(), LogFault> {
    let context = Context {
        project: ProjectId::DEFAULT,
        actor: Actor::system(),
        request: None,
        command: CommandId::from_ulid(entropy::ulid(app.entropy.as_ref(), now)),
        cause: None,
        settings_version: 0,
    };
    let step = Step::Challenge(challenge, Concurrency::Exact, ChallengeCommand::ForgetStranger { met });
    let mut ask = Ask::new(context, now).then(step).whatever_the_settings();
    ask.lane = Lane::Bulk;
    match execute(app.log.as_ref(), app.entropy.as_ref(), ask).await {
        Ok(_) => Ok(()),
        Err(ExecuteError::Append(AppendError::Fault(fault))) => Err(fault),
        Err(ExecuteError::Append(AppendError::Busy { .. })) => {
            Err(LogFault::Unavailable("the writer's queue is full".to_owned()))
        }
        Err(other) => Err(LogFault::Bug(format!("who is no user is not forgotten: {other}"))),
    }
}
