//! Ends invitations that nobody answered in time, by one node at a time: with them goes what was sealed for whoever was
//! invited. That one is past its time holds without it; being late, or being two, changes nothing that anybody is told.

use std::time::Duration;

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::{CommandId, OrganizationId, ProjectId};
use chrysalis_domain::organization::{OrganizationCommand, OrganizationRefusal};
use chrysalis_projections::invitations::PAST;
use tokio::sync::watch;

use super::{Lease, Turn};
use crate::app::App;
use crate::entropy;
use crate::log::cqrs::{Ask, Concurrency, ExecuteError, Step, execute};
use crate::log::{Actor, AppendError, Context, Lane, LogFault, ask};

/// Names the lease, so it is for ever.
const NAME: &str = "invitations";
/// Invitations looked at together.
const PAGE: i64 = 256;
/// How often to look.
const LOOK: Duration = Duration::from_secs(1);
/// How long to leave a fault of the store alone.
const AFTER_FAULT: Duration = Duration::from_secs(5);

/// Ends them until `stop` turns true.
pub async fn expire(app: App, turn: Turn, mut stop: watch::Receiver<bool>) {
    let mut lease = Lease::new(turn);
    while !*stop.borrow() {
        let pause = match round(&app, &mut lease).await {
            Ok(()) => LOOK,
            Err(fault) => {
                tracing::warn!(%fault, "invitations past their time stay for now; they end when the fault is gone");
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
    for organization in ask(app.log.as_ref(), &PAST, &[now.into(), PAGE.into()]).await? {
        if lease.stands() {
            end(app, organization, now).await?;
        }
    }
    Ok(())
}

async fn end(app: &App, organization: OrganizationId, now: Timestamp) -> Result<(), LogFault> {
    let context = Context {
        project: ProjectId::DEFAULT,
        actor: Actor::system(),
        request: None,
        command: CommandId::from_ulid(entropy::ulid(app.entropy.as_ref(), now)),
        cause: None,
        settings_version: 0,
    };
    let step = Step::Organization(organization, Concurrency::Exact, OrganizationCommand::ExpireInvitations);
    let mut ask = Ask::new(context, now).then(step).whatever_the_settings();
    ask.lane = Lane::Bulk;
    match execute(app.log.as_ref(), app.entropy.as_ref(), ask).await {
        // It went meanwhile, and they with it.
        Ok(_) | Err(ExecuteError::Disallowed(OrganizationRefusal::NotFound)) => Ok(()),
        Err(ExecuteError::Append(AppendError::Fault(fault))) => Err(fault),
        Err(ExecuteError::Append(AppendError::Busy { .. })) => {
            Err(LogFault::Unavailable("the writer's queue is full".to_owned()))
        }
        Err(other) => Err(LogFault::Bug(format!("invitations that are past their time don't end: {other}"))),
    }
}
