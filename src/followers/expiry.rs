//! Cleans up guests who have been away for too long: what the process asks for ([`chrysalis_domain::process::expiry`]), of
//! whoever is due, in the bulk lane. The user decides; so being late, or being two, takes nobody who came back meanwhile.
//!
//! A page of the due list is read ahead, with what happened to everybody on it, while the one before is decided about. Each
//! guest is a group of its own: one that is refused keeps nobody back.

use std::collections::HashMap;
use std::time::Duration;

use chrysalis_domain::Span;
use chrysalis_domain::Subject;
use chrysalis_domain::Timestamp;
use chrysalis_domain::id::{CommandId, EventId, ProcessId, UserId};
use chrysalis_domain::process::expiry::{Expiry, Look, ProcessCommand};
use chrysalis_domain::user::command::ExpiryTerms;
use chrysalis_domain::user::{User, UserCommand, UserRefusal};
use chrysalis_projections::Value;
use chrysalis_projections::stale_guests::{BARRED, DISABLED, Due, LAPSED, QUIET, TOLD};
use futures_util::stream::{self, StreamExt};
use tokio::sync::watch;

use super::Lease;
use super::in_turn::InTurn;
use super::watch::{Seen, Watch};
use crate::app::App;
use crate::entropy;
use crate::log::cqrs::{Ahead, Ask, Concurrency, ExecuteError, Step, execute, execute_ahead, load};
use crate::log::{AppendError, Context, Lane, LogFault, Position, Refused, StreamId, ask};

/// Guests looked at together.
const PAGE: i64 = 1_024;
/// How often to look.
const LOOK: Duration = Duration::from_secs(1);
/// Guests remembered who were looked at for nothing, and how long they are left alone.
const SPARED: usize = 10_000;
const SPARE: Span = Span::from_secs(600);

pub struct Cleaner {
    app: App,
    clock: Watch,
    stop: watch::Receiver<bool>,
    /// Who was asked and stays, until when they are left alone.
    spared: HashMap<UserId, Timestamp>,
}

impl InTurn for Cleaner {
    const NAME: &'static str = "expiry";
    /// Clean-up pauses with the log.
    const AFTER_FAULT: Duration = Duration::from_secs(5);
    const STANDS_STILL: &'static str = "the clean-up of guests pauses; it goes on when the fault is gone";
    const ASIDE: Option<Duration> = Some(LOOK);

    /// The clock is watched also while it is another node's turn: a jump is noted when it is ours.
    async fn wants_turn(&mut self, _lease: &Lease, _head: Position) -> Result<bool, LogFault> {
        self.clock.look();
        Ok(true)
    }

    /// Broken off when the server stops: of those who are due, who was not asked yet will be.
    async fn turn(&mut self, lease: &mut Lease, _head: Position) -> Result<Duration, LogFault> {
        let mut stop = self.stop.clone();
        tokio::select! {
            done = self.round(lease) => done?,
            _ = stop.changed() => {}
        }
        Ok(LOOK)
    }
}

/// One look at the due list.
struct Walk<'a> {
    look: Look,
    command: &'a UserCommand,
    settings: u64,
}

/// Guests of a page, with what happened to them; and where the next one begins.
struct Page {
    due: Vec<UserId>,
    ahead: Ahead,
    behind: Option<Due>,
}

/// What a guest says to a command.
enum Answer {
    /// Something follows from it, or did before.
    Follows,
    Stays,
    /// The settings are others than those that the command rests on.
    Moved,
}

impl Cleaner {
    pub fn new(app: App, clock: Watch, stop: watch::Receiver<bool>) -> Self {
        Self { app, clock, stop, spared: HashMap::new() }
    }

    async fn round(&mut self, lease: &mut Lease) -> Result<(), LogFault> {
        let log = self.app.log.clone();
        let seen = self.clock.look();
        if let Some(expected) = seen.expected {
            self.note(expected, seen).await?;
        }
        let configured = &self.app.config.anonymous;
        if !self.clock.is_settled(configured.settle) {
            return Ok(());
        }
        let expiry = load::<Expiry>(log.as_ref(), ProcessId::EXPIRY).await?.state;
        let settings = self.app.settings.now();
        let terms = settings.anonymous.max_age.map(|max_age| ExpiryTerms {
            settings_version: settings.version,
            max_age,
            notice: configured.notice,
            undo: configured.undo,
            job: None,
        });
        self.spared.retain(|_, until| *until > seen.now);
        for look in expiry.looks(seen.now, terms.as_ref()) {
            let Some(command) = expiry.command(look, terms.as_ref()) else { continue };
            if !self.walk(lease, Walk { look, command: &command, settings: settings.version }).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// A clock that jumped is noted before anything rests on it.
    async fn note(&mut self, expected: Timestamp, seen: Seen) -> Result<(), LogFault> {
        tracing::warn!(%expected, seen = %seen.now, "the clock jumped; what it skipped counts for no guest's age");
        let step = ProcessCommand::NoteClock { expected, seen: seen.now };
        let step = Step::Process(ProcessId::EXPIRY, Concurrency::Exact, step);
        let ask = Ask::new(self.context(None, 0, seen.now), seen.now).then(step).whatever_the_settings();
        match execute(self.app.log.as_ref(), self.app.entropy.as_ref(), ask).await {
            Ok(_) => self.clock.noted(seen),
            Err(error) => stays(error).map(|_| ())?,
        }
        Ok(())
    }

    /// Asks everybody at a place of the due list, page by page. `false`: what it rests on has changed, and a round begins
    /// anew.
    async fn walk(&mut self, lease: &mut Lease, walk: Walk<'_>) -> Result<bool, LogFault> {
        let mut page = self.page(&walk, None).await?;
        loop {
            // A node that was paused, or whose clock jumped, finds out here.
            let seen = self.clock.look();
            if !lease.hold().await? || seen.expected.is_some() {
                return Ok(false);
            }
            let next = async {
                match page.behind {
                    Some(behind) => self.page(&walk, Some(behind)).await.map(Some),
                    None => Ok(None),
                }
            };
            let (answers, next) = tokio::join!(self.ask_all(&page, &walk, seen.now), next);
            for (user, answer) in answers {
                match answer? {
                    Answer::Follows => {}
                    Answer::Stays => self.spare(user, seen.now + SPARE),
                    Answer::Moved => return Ok(false),
                }
            }
            page = match next? {
                Some(next) => next,
                None => return Ok(true),
            };
        }
    }

    fn spare(&mut self, user: UserId, until: Timestamp) {
        if self.spared.len() < SPARED {
            self.spared.insert(user, until);
        }
    }

    /// The page behind a place; with none, the first.
    async fn page(&self, walk: &Walk<'_>, behind: Option<Due>) -> Result<Page, LogFault> {
        let log = self.app.log.as_ref();
        let (place, user) = match behind {
            Some(due) => (due.place, due.user.to_string()),
            None => (Timestamp::from_millis(i64::MIN), String::new()),
        };
        let (question, by, before) = match walk.look {
            Look::Quiet { before } => (&QUIET, before, None),
            Look::Told { by } => (&TOLD, by, None),
            Look::Lapsed { by, before } => (&LAPSED, by, Some(before)),
            Look::Disabled { by } => (&DISABLED, by, None),
            Look::Barred { before } => (&BARRED, before, None),
        };
        let parameters = [by.into(), place.into(), Value::Text(user), PAGE.into()];
        let parameters: Vec<Value> = parameters.into_iter().chain(before.map(Value::from)).collect();
        let found: Vec<Due> = ask(log, question, &parameters).await?;
        let behind = found.last().copied().filter(|_| found.len() as i64 == PAGE);
        let due: Vec<UserId> =
            found.into_iter().map(|due| due.user).filter(|user| !self.spared.contains_key(user)).collect();
        let ahead = Ahead::read(log, due.iter().map(|user| Subject::User(*user))).await?;
        Ok(Page { due, ahead, behind })
    }

    async fn ask_all(&self, page: &Page, walk: &Walk<'_>, now: Timestamp) -> Vec<(UserId, Result<Answer, LogFault>)> {
        let due = stream::iter(page.due.clone());
        let asked = due.map(|user| async move { (user, self.ask(user, &page.ahead, walk, now).await) });
        asked.buffer_unordered(self.app.config.writer.bulk()).collect().await
    }

    async fn ask(&self, user: UserId, ahead: &Ahead, walk: &Walk<'_>, now: Timestamp) -> Result<Answer, LogFault> {
        let log = self.app.log.as_ref();
        let cause = match ahead.last(Subject::User(user)) {
            Some(event) => event.event_id.parse().ok(),
            None => self.last_event(user).await?,
        };
        let context = self.context(cause, walk.settings, now);
        let mut ask = Ask::new(context, now).then(Step::User(user, Concurrency::Exact, walk.command.clone()));
        ask.lane = Lane::Bulk;
        if matches!(walk.command, UserCommand::FinishExpiry { .. }) {
            ask = ask.whatever_the_settings();
        }
        match execute_ahead(log, self.app.entropy.as_ref(), ask, Some(ahead)).await {
            Ok(done) if done.appended.is_some() => Ok(Answer::Follows),
            Ok(_) => Ok(Answer::Stays),
            Err(ExecuteError::Refused(UserRefusal::Deleted)) => Ok(Answer::Follows),
            Err(error) => stays(error),
        }
    }

    /// What happened last to a user of whom much is known: the command follows from it, and is the same whoever gives it,
    /// and however often.
    async fn last_event(&self, user: UserId) -> Result<Option<EventId>, LogFault> {
        let version = load::<User>(self.app.log.as_ref(), user).await?.version;
        let last = self.app.log.read_stream(&StreamId::user(user), version.saturating_sub(1), 1).await?;
        Ok(last.first().and_then(|event| event.event_id.parse().ok()))
    }

    fn context(&self, cause: Option<EventId>, settings_version: u64, now: Timestamp) -> Context {
        let fresh = || CommandId::from_ulid(entropy::ulid(self.app.entropy.as_ref(), now));
        let command = cause.map_or_else(fresh, |cause| CommandId::after(cause, Self::NAME));
        Context { cause, settings_version, ..Context::of_system(command) }
    }
}

/// Whoever stays, stays: only the store's faults stop a round.
fn stays(error: ExecuteError) -> Result<Answer, LogFault> {
    Ok(match error.refusal()? {
        ExecuteError::Append(AppendError::Refused(Refused::Settings { .. })) => Answer::Moved,
        _ => Answer::Stays,
    })
}
