//! One endpoint: reads the log, has messages sent, and says how far it has come. What is kept of it is in [`Kept`]; a crash
//! takes back what was sent since it was kept last, to be sent again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrysalis_domain::id::WebhookId;
use chrysalis_domain::webhook::Loss;
use chrysalis_domain::{Span, Timestamp};
use chrysalis_projections::webhooks::{BY_ID, WebhookRow};
use chrysalis_projections::{deeds, table};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use super::kept::Kept;
use super::lines::{Lines, Message, Next, Place};
use super::tail::{Happened, Page};
use super::telling::{Attempt, Receiver, What};
use super::{AFTER_FAULT, Deliverer, GATHER, Orders, Outcome};
use crate::app::acting::Acting;
use crate::app::webhooks::Webhooks;
use crate::keys::{Record, SealKind};
use crate::log::{LogFault, Position, StreamId, ask_one};
use crate::webhooks::{WebhookSecret, message_id};

/// How long after each failure a message is tried again; after the last it is lost.
const AGAIN: [Span; 4] = [Span::from_secs(300), Span::from_secs(1_800), Span::from_hours(2), Span::from_hours(24)];
/// How long a message is put off that we could not send or note.
const PUT_OFF: Span = Span::from_secs(1);
/// Events of a page of one stream.
const STREAM_PAGE: usize = 32;
/// Messages in memory above which no further page is read.
const HELD: usize = 512;
/// Lines that may wait. An endpoint that fails more than these takes nothing: the rest waits where it is, in the log.
const WAITING_MOST: usize = 10_000;
/// How long what came of deliveries may gather before it is kept, and how long a mere place.
const SETTLE: Duration = Duration::from_millis(250);
const SETTLE_PLACE: Duration = Duration::from_secs(5);
/// How often to look whether somebody's time has come.
const LOOK: Duration = Duration::from_millis(200);

/// Serves an endpoint until the orders end, or somebody else does so.
pub(super) async fn serve(
    deliverer: Arc<Deliverer>,
    webhook: WebhookId,
    mut orders: watch::Receiver<Orders>,
    waiting: Arc<AtomicU64>,
) {
    while orders.borrow().is_some() {
        let served = match Endpoint::begin(&deliverer, webhook, &mut orders, &waiting).await {
            Ok(Some(mut endpoint)) => endpoint.serve().await,
            Ok(None) => break,
            Err(fault) => Err(fault),
        };
        let Err(fault) = served else { break };
        tracing::warn!(%fault, %webhook, "deliveries to a webhook endpoint stand still; they go on from what is kept");
        tokio::time::sleep(AFTER_FAULT).await;
    }
    deliverer.metrics.lag(webhook, None);
}

struct Endpoint<'e> {
    deliverer: &'e Arc<Deliverer>,
    orders: &'e mut watch::Receiver<Orders>,
    waiting: &'e AtomicU64,
    row: WebhookRow,
    receiver: Arc<Receiver>,
    share: usize,
    kept: Kept,
    /// The last position whose messages are in the lines, and when it was recorded.
    taken: Position,
    taken_at: Timestamp,
    lines: Lines<What>,
    under_way: JoinSet<(StreamId, Attempt)>,
    settled: Instant,
    tally_changed: bool,
}

/// What to go on with.
enum Going {
    /// At once: there is more to be read.
    On,
    /// When something comes.
    Idle,
    /// Not at all: it is disabled, deleted, or somebody else's.
    Over,
}

impl<'e> Endpoint<'e> {
    /// From what is kept. None when there is nothing to be served.
    async fn begin(
        deliverer: &'e Arc<Deliverer>,
        webhook: WebhookId,
        orders: &'e mut watch::Receiver<Orders>,
        waiting: &'e AtomicU64,
    ) -> Result<Option<Self>, LogFault> {
        let Some((_, share)) = *orders.borrow_and_update() else { return Ok(None) };
        let Some(kept) = Kept::take_over(&deliverer.store, webhook).await? else { return Ok(None) };
        let Some((row, receiver)) = standing(deliverer, webhook).await? else { return Ok(None) };
        let mut endpoint = Self {
            deliverer,
            orders,
            waiting,
            share,
            taken: kept.upto.saturating_sub(1),
            taken_at: deliverer.app.clock.now(),
            kept,
            receiver: Arc::new(receiver),
            lines: Lines::default(),
            under_way: JoinSet::new(),
            settled: Instant::now(),
            tally_changed: false,
            row,
        };
        if endpoint.kept.upto == 0 {
            let created = endpoint.kept.created().await?;
            if !endpoint.kept.store(created + 1, &endpoint.row.tally, &[], &[]).await? {
                return Ok(None);
            }
            endpoint.taken = created;
        }
        if !endpoint.replay().await? {
            return Ok(None);
        }
        endpoint.kept.lines().await?.into_iter().for_each(|line| endpoint.lines.restore(line));
        Ok(Some(endpoint))
    }

    async fn serve(&mut self) -> Result<(), LogFault> {
        let mut head = self.deliverer.store.head();
        loop {
            let upto = *head.borrow_and_update();
            match self.turn(upto).await? {
                Going::On => {
                    tokio::task::yield_now().await;
                    continue;
                }
                Going::Idle => {}
                Going::Over => break,
            }
            let (has_room, pause) = (self.has_room(), self.pause());
            tokio::select! {
                Some(one) = self.under_way.join_next(), if !self.under_way.is_empty() => {
                    if let Going::Over = self.came_back(one).await? {
                        break;
                    }
                }
                _ = head.changed(), if has_room => tokio::time::sleep(GATHER / 5).await,
                // Seen, and not yet followed.
                _ = self.orders.changed() => self.orders.mark_changed(),
                () = tokio::time::sleep(pause) => {}
            }
        }
        // What is under way is waited for: it would be sent again.
        while let Some(one) = self.under_way.join_next().await {
            self.came_back(one).await?;
        }
        self.settle().await.map(|_| ())
    }

    /// How long it may be left alone while nothing comes.
    fn pause(&self) -> Duration {
        let busy = self.lines.waits() || self.lines.under_way() > 0 || self.changed();
        if busy { LOOK } else { SETTLE_PLACE }
    }

    fn changed(&self) -> bool {
        self.lines.has_changed() || self.tally_changed
    }

    /// Everything that can be done at this moment, but one page at a time.
    async fn turn(&mut self, head: Position) -> Result<Going, LogFault> {
        match self.orders.has_changed() {
            Ok(false) => {}
            Ok(true) if self.follow_orders().await? => {}
            _ => return Ok(Going::Over),
        }
        while let Some(one) = self.under_way.try_join_next() {
            if let Going::Over = self.came_back(one).await? {
                return Ok(Going::Over);
            }
        }
        let more = self.has_room() && self.taken < head;
        if more {
            self.take().await?;
        }
        self.start().await?;
        let worth = if self.changed() { SETTLE } else { SETTLE_PLACE };
        if self.settled.elapsed() >= worth && !self.settle().await? {
            return Ok(Going::Over);
        }
        self.tell_operator(head);
        Ok(if more { Going::On } else { Going::Idle })
    }

    fn has_room(&self) -> bool {
        self.lines.held() < HELD && self.lines.stored() < WAITING_MOST
    }

    fn tell_operator(&self, head: Position) {
        let unread = head.saturating_sub(self.taken);
        let waiting = unread + self.lines.held() as u64 + self.lines.stored() as u64;
        self.waiting.store(waiting, Ordering::Relaxed);
        let untold = self.lines.oldest().map(|what| what.entry.recorded_at);
        let oldest = untold.into_iter().chain((unread > 0).then_some(self.taken_at)).min();
        let lag = oldest.map_or(Span::ZERO, |oldest| self.deliverer.app.clock.now().since(oldest));
        self.deliverer.metrics.lag(self.row.webhook, Some(lag));
    }

    /// Takes in the messages of the next page of the log.
    async fn take(&mut self) -> Result<(), LogFault> {
        let Page { events, upto } = self.deliverer.tail.read(self.deliverer.store.as_ref(), self.taken).await?;
        for happened in &events {
            self.messages(happened).into_iter().for_each(|message| self.lines.take(message));
            self.taken_at = happened.entry.recorded_at;
        }
        self.taken = upto;
        Ok(())
    }

    /// The messages to this endpoint that an event makes.
    fn messages(&self, happened: &Happened) -> Vec<Message<What>> {
        let Happened { stream, version, entry } = happened;
        let wanted = |name: &str| self.row.event_types.is_empty() || self.row.event_types.iter().any(|one| one == name);
        let all = deeds::of(entry).into_iter().zip(0..);
        all.filter(|(deed, _)| wanted(deed.name.as_str()))
            .map(|(_, nth)| Message {
                stream: stream.clone(),
                position: entry.position,
                place: Place { version: *version, nth },
                what: What { entry: entry.clone(), nth },
            })
            .collect()
    }

    /// Sends as many as may be under way.
    async fn start(&mut self) -> Result<(), LogFault> {
        while self.lines.under_way() < self.share {
            let now = self.deliverer.app.clock.now();
            match self.lines.next(now, (self.share / 2).max(1)) {
                None => break,
                Some(Next::Read { stream, from }) => self.read(stream, from, now).await?,
                Some(Next::Send { stream, .. }) => {
                    let Some(first) = self.lines.first(&stream) else { continue };
                    let (deliverer, receiver, what) =
                        (self.deliverer.clone(), self.receiver.clone(), first.what.clone());
                    self.under_way.spawn(async move {
                        let attempt = deliverer.tell(&receiver, &what).await;
                        (stream, attempt)
                    });
                }
            }
        }
        Ok(())
    }

    /// Reads on in one stream, for a line that holds nothing of it in memory.
    async fn read(&mut self, stream: StreamId, from: Place, now: Timestamp) -> Result<(), LogFault> {
        let mut page = self.deliverer.store.read_stream(&stream, from.version.saturating_sub(1), STREAM_PAGE).await?;
        if page.first().is_some_and(|first| first.version == from.version && first.position > self.taken) {
            // After a crash the log has to come as far first.
            self.lines.put_off(&stream, now + PUT_OFF);
            return Ok(());
        }
        // What comes behind that comes by itself.
        page.retain(|recorded| recorded.position <= self.taken);
        let rest = page.last().filter(|_| page.len() == STREAM_PAGE);
        let rest = rest.map(|last| Place { version: last.version + 1, nth: 0 });
        let mut messages = Vec::new();
        for recorded in page {
            let Some(happened) = Happened::read(recorded)? else { continue };
            messages.extend(self.messages(&happened).into_iter().filter(|message| message.place >= from));
        }
        self.lines.read(&stream, messages, rest);
        Ok(())
    }

    /// Something that was under way is over.
    async fn came_back(&mut self, one: Result<(StreamId, Attempt), JoinError>) -> Result<Going, LogFault> {
        let (stream, attempt) = one.map_err(|error| LogFault::Bug(format!("a delivery broke off: {error}")))?;
        let now = self.deliverer.app.clock.now();
        let (tally, metrics) = (&mut self.row.tally, &self.deliverer.metrics);
        match attempt {
            Attempt::NotTried => self.lines.not_tried(&stream, now + PUT_OFF),
            Attempt::Arrived => {
                metrics.attempted(Outcome::Arrived);
                tally.arrived += 1;
                (tally.lost_before, tally.last_at, tally.last_arrived) = (self.row.lost, Some(now), true);
                self.tally_changed = true;
                self.lines.done(&stream);
            }
            Attempt::Failed(status) => {
                (tally.last_at, tally.last_arrived) = (Some(now), false);
                self.tally_changed = true;
                let before = self.lines.attempts(&stream);
                match AGAIN.get(before as usize) {
                    Some(after) => {
                        metrics.attempted(Outcome::Failed);
                        self.lines.failed(&stream, now + *after);
                    }
                    None => return self.lose(&stream, before + 1, status.map(|status| status.as_u16()), now).await,
                }
            }
        }
        Ok(Going::Idle)
    }

    /// A message was tried as often as one may be.
    async fn lose(
        &mut self,
        stream: &StreamId,
        attempts: u32,
        status: Option<u16>,
        now: Timestamp,
    ) -> Result<Going, LogFault> {
        let Some(first) = self.lines.first(stream) else { return Ok(Going::Idle) };
        let webhook = self.row.webhook;
        let event_type = first.what.event_type().unwrap_or_default();
        let message = message_id(first.what.event(), webhook);
        let after_success = self.row.lost_in_a_row() == 0;
        let loss = Loss { message, event_type, attempts, status, after_success };
        let app = &self.deliverer.app;
        let noting = Webhooks::by(Acting::operator(app.log.as_ref(), &app.keyring, app.entropy.as_ref(), now));
        let noted = noting.lose(webhook, message, self.row.replays, loss).await;
        let row = match noted {
            Ok(row) => row,
            Err(error) => {
                tracing::warn!(%error, %webhook, %message, "a lost webhook message could not be noted; it is tried once more");
                self.deliverer.metrics.attempted(Outcome::Failed);
                self.lines.failed(stream, now + PUT_OFF);
                return Ok(Going::Idle);
            }
        };
        tracing::warn!(%webhook, %message, attempts, status, "a webhook message is lost");
        self.deliverer.metrics.attempted(Outcome::Lost);
        self.lines.done(stream);
        let Some(row) = row else { return Ok(Going::Over) };
        (self.row.lost, self.row.in_a_row) = (row.lost, row.in_a_row);
        if row.enabled {
            return Ok(Going::Idle);
        }
        tracing::warn!(%webhook, in_a_row = row.in_a_row, "a webhook endpoint is disabled: it took nothing for too long");
        Ok(Going::Over)
    }

    /// Keeps what came of deliveries; `false` when somebody else took over.
    async fn settle(&mut self) -> Result<bool, LogFault> {
        let upto = self.lines.settled(self.taken) + 1;
        self.settled = Instant::now();
        if upto == self.kept.upto && !self.changed() {
            return Ok(true);
        }
        let (put, gone) = self.lines.changed();
        let kept = self.kept.store(upto, &self.row.tally, &put, &gone).await;
        if let Ok(true) = kept {
            self.tally_changed = false;
        } else {
            self.lines.change_again(put, gone);
        }
        kept
    }

    /// Another row, or another share. `false` when there is nothing to be served any more.
    async fn follow_orders(&mut self) -> Result<bool, LogFault> {
        let Some((_, share)) = *self.orders.borrow_and_update() else { return Ok(false) };
        self.share = share;
        let Some((row, receiver)) = standing(self.deliverer, self.row.webhook).await? else { return Ok(false) };
        self.row = WebhookRow { tally: self.row.tally, ..row };
        self.receiver = Arc::new(receiver);
        self.replay().await
    }

    /// Begins anew where somebody asked for it. What waits is dropped: what of it comes behind that place is told anew.
    async fn replay(&mut self) -> Result<bool, LogFault> {
        if self.row.replays == self.row.tally.replays {
            return Ok(true);
        }
        tracing::info!(webhook = %self.row.webhook, from = self.row.replay_from, "a webhook endpoint is told everything anew");
        self.under_way = JoinSet::new();
        self.lines = Lines::default();
        let dropped: Vec<StreamId> = self.kept.lines().await?.into_iter().map(|line| line.stream).collect();
        self.row.tally.replays = self.row.replays;
        let from = self.row.replay_from.max(1);
        self.taken = from - 1;
        self.kept.store(from, &self.row.tally, &[], &dropped).await
    }
}

/// An endpoint as it stands now, whatever was ordered when; none when there is nothing to be served any more.
async fn standing(deliverer: &Deliverer, webhook: WebhookId) -> Result<Option<(WebhookRow, Receiver)>, LogFault> {
    let (log, keyring) = (deliverer.store.as_ref(), &deliverer.app.keyring);
    let row = ask_one(log, &BY_ID, &[table::id(webhook)]).await?;
    let Some(row) = row.filter(|row| row.enabled) else { return Ok(None) };
    let url = Record::open(log, keyring, SealKind::Secret, row.url).await?;
    let secret = Record::open(log, keyring, SealKind::Secret, row.secret).await?;
    let (Some(url), Some(secret)) = (url, secret) else {
        return Err(LogFault::Unavailable("the endpoint was changed while we looked".to_owned()));
    };
    let receiver = Receiver { webhook, url, secret: WebhookSecret::from_stored(secret) };
    Ok(Some((row, receiver)))
}
