//! Cleans up guests who have been away for too long, by one node at a time: what the process asks for
//! ([`chrysalis_domain::process::expiry`]), of whoever is due, in the bulk lane. The user decides; so being late, or being
//! two, takes nobody who came back meanwhile.

use std::collections::HashMap;
use std::time::Duration;

use chrysalis_domain::Span;
use chrysalis_domain::Timestamp;
use chrysalis_domain::id::{CommandId, EventId, ProcessId, ProjectId, UserId};
use chrysalis_domain::process::expiry::{Expiry, Look, ProcessCommand};
use chrysalis_domain::user::command::ExpiryTerms;
use chrysalis_domain::user::{UserCommand, UserRefusal};
use chrysalis_projections::Value;
use chrysalis_projections::stale_guests::{BARRED, DISABLED, Due, LAPSED, QUIET, TOLD};
use futures_util::stream::{self, StreamExt};
use tokio::sync::watch;

use super::{Lease, Turn};
use crate::app::App;
use crate::entropy;
use crate::log::cqrs::{Ask, Concurrency, ExecuteError, Step, execute, load};
use crate::log::{Actor, AppendError, Context, Lane, LogFault, Refused, StreamId, ask};

/// Names the lease, so it is for ever.
const NAME: &str = "expiry";
/// Guests looked at together.
const PAGE: i64 = 256;
/// Of these, decided at the same time: what a batch holds of them is what others wait for.
const AT_ONCE: usize = 64;
/// How often to look.
const LOOK: Duration = Duration::from_secs(1);
/// How long to leave a fault of the store alone: clean-up pauses with the log.
const AFTER_FAULT: Duration = Duration::from_secs(5);
/// Guests remembered who were looked at for nothing, and how long they are left alone.
const SPARED: usize = 10_000;
const SPARE: Span = Span::from_secs(600);

/// Cleans up until `stop` turns true.
pub async fn follow(app: App, turn: Turn, mut stop: watch::Receiver<bool>) {
    let log = app.log.clone();
    let mut cleaner = Cleaner { app, looked: None, spared: HashMap::new() };
    let mut lease = Lease::new(turn);
    while !*stop.borrow() {
        let pause = match cleaner.round(&mut lease).await {
            Ok(()) => LOOK,
            Err(fault) => {
                tracing::warn!(%fault, "the clean-up of guests pauses; it goes on when the fault is gone");
                AFTER_FAULT
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.changed() => {}
        }
    }
    let _ = log.release(NAME, &lease.turn.node).await;
}

struct Cleaner {
    app: App,
    /// What the clock showed at the last look, and what the steady one did.
    looked: Option<(Timestamp, Timestamp)>,
    /// Who was asked and stays, until when they are left alone.
    spared: HashMap<UserId, Timestamp>,
}

impl Cleaner {
    async fn round(&mut self, lease: &mut Lease) -> Result<(), LogFault> {
        let log = self.app.log.clone();
        if !lease.hold(log.as_ref(), NAME).await? {
            self.looked = None;
            return Ok(());
        }
        self.look_at_the_clock().await?;
        let expiry = load::<Expiry>(log.as_ref(), ProcessId::EXPIRY).await?.state;
        let (now, settings) = (self.app.clock.now(), self.app.settings.now());
        let terms = settings.anonymous.max_age.map(|max_age| ExpiryTerms {
            settings_version: settings.version,
            max_age,
            notice: Span::ZERO,
            undo: Span::ZERO,
        });
        self.spared.retain(|_, until| *until > now);
        for look in expiry.looks(now, terms.as_ref()) {
            let Some(command) = expiry.command(look, terms.as_ref()) else { continue };
            self.walk(lease, look, &command, settings.version, now).await?;
        }
        Ok(())
    }

    /// A clock that jumped is noted before anything rests on it.
    async fn look_at_the_clock(&mut self) -> Result<(), LogFault> {
        let (seen, steady) = (self.app.clock.now(), self.app.clock.steady());
        if let Some((showed, was)) = self.looked {
            let expected = showed + steady.since(was);
            if seen.since(expected).max(expected.since(seen)) > Expiry::STEADY {
                tracing::warn!(%expected, %seen, "the clock jumped; what it skipped counts for no guest's age");
                let step = ProcessCommand::NoteClock { expected, seen };
                let step = Step::Process(ProcessId::EXPIRY, Concurrency::Exact, step);
                let ask = Ask::new(self.context(None, 0), seen).then(step).whatever_the_settings();
                unless_refused(execute(self.app.log.as_ref(), self.app.entropy.as_ref(), ask).await.map(|_| ()))?;
            }
        }
        self.looked = Some((seen, steady));
        Ok(())
    }

    /// Asks everybody at a place of the due list, page by page.
    async fn walk(
        &mut self,
        lease: &Lease,
        look: Look,
        command: &UserCommand,
        settings: u64,
        now: Timestamp,
    ) -> Result<(), LogFault> {
        let mut behind: (Timestamp, String) = (Timestamp::from_millis(i64::MIN), String::new());
        while lease.stands() {
            let (question, by) = match look {
                Look::Quiet { before } => (&QUIET, before),
                Look::Told { by } => (&TOLD, by),
                Look::Lapsed { by, .. } => (&LAPSED, by),
                Look::Disabled { by } => (&DISABLED, by),
                Look::Barred { before } => (&BARRED, before),
            };
            let parameters = [by.into(), behind.0.into(), Value::Text(behind.1.clone()), PAGE.into()];
            let page: Vec<Due> = ask(self.app.log.as_ref(), question, &parameters).await?;
            let Some(last) = page.last() else { return Ok(()) };
            behind = (last.place, last.user.to_string());
            let due: Vec<_> = page.iter().map(|due| due.user).filter(|user| !self.spared.contains_key(user)).collect();
            let this = &*self;
            let asked =
                stream::iter(due).map(|user| async move { (user, this.ask(user, command, settings, now).await) });
            let answers: Vec<_> = asked.buffer_unordered(AT_ONCE).collect().await;
            for (user, answer) in answers {
                if !answer? && self.spared.len() < SPARED {
                    self.spared.insert(user, now + SPARE);
                }
            }
        }
        Ok(())
    }

    /// Whether something follows; false where the user says no.
    async fn ask(&self, user: UserId, command: &UserCommand, settings: u64, now: Timestamp) -> Result<bool, LogFault> {
        let cause = self.last_event(user).await?;
        let context = self.context(cause, settings);
        let mut ask = Ask::new(context, now).then(Step::User(user, Concurrency::Exact, command.clone()));
        ask.lane = Lane::Bulk;
        if matches!(command, UserCommand::FinishExpiry { .. }) {
            ask = ask.whatever_the_settings();
        }
        match execute(self.app.log.as_ref(), self.app.entropy.as_ref(), ask).await {
            Ok(done) => Ok(done.appended.is_some()),
            Err(ExecuteError::Refused(UserRefusal::Deleted)) => Ok(true),
            Err(error) => unless_refused(Err(error)).map(|()| false),
        }
    }

    /// What happened to the user last: the command follows from it, and is the same whoever gives it, and however often.
    async fn last_event(&self, user: UserId) -> Result<Option<EventId>, LogFault> {
        let events = self.app.log.read_stream(&StreamId::user(user), 0, 64).await?;
        Ok(events.last().and_then(|event| event.event_id.parse().ok()))
    }

    fn context(&self, cause: Option<EventId>, settings_version: u64) -> Context {
        let fresh = || CommandId::from_ulid(entropy::ulid(self.app.entropy.as_ref(), self.app.clock.now()));
        Context {
            project: ProjectId::DEFAULT,
            actor: Actor::system(),
            request: None,
            command: cause.map_or_else(fresh, |cause| CommandId::after(cause, NAME)),
            cause,
            settings_version,
        }
    }
}

/// Whoever stays, stays: only the store's faults stop a round.
fn unless_refused(done: Result<(), ExecuteError>) -> Result<(), LogFault> {
    match done {
        Err(ExecuteError::Append(AppendError::Fault(fault))) => Err(fault),
        Err(ExecuteError::Append(AppendError::Busy { .. })) => {
            Err(LogFault::Unavailable("the writer's queue is full".to_owned()))
        }
        Err(ExecuteError::Append(AppendError::Refused(Refused::Settings { .. }))) | Ok(()) | Err(_) => Ok(()),
    }
}
