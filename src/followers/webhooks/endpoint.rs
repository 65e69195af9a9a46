//! One endpoint: reads the log, has messages sent, and stores how far it has come.
//!
//! Three things are stored, each true by itself, in this order: lines that wait, up to where everything else is dealt with,
//! lines that wait no more. A crash in between takes back what was sent since, to be sent again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrysalis_domain::id::WebhookId;
use chrysalis_domain::webhook::Loss;
use chrysalis_domain::{Span, Subject, Timestamp};
use chrysalis_projections::webhooks::{BY_ID, WAITING, WaitingRow, WebhookRow};
use chrysalis_projections::{Value, deeds, table};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::lines::{Lines, Message, Next, Place, Stored};
use super::telling::{Attempt, Receiver, What};
use super::{AFTER_FAULT, Deliverer, GATHER, Orders};
use crate::app::webhooks::Webhooks;
use crate::keys::{Record, SealKind};
use crate::log::transfer::{WEBHOOK_TALLIES, WEBHOOK_WAITING};
use crate::log::{Log, LogFault, Position, Recorded, StreamId, ask, ask_one, read_entry};
use crate::webhooks::{WebhookSecret, message_id};

/// How long after each failure a message is tried again; after the last it is lost.
const AGAIN: [Span; 4] = [Span::from_secs(300), Span::from_secs(1_800), Span::from_hours(2), Span::from_hours(24)];
/// How long a message is put off that we could not send or note.
const PUT_OFF: Span = Span::from_secs(1);
/// Events of a page of the log, and of a page of one stream.
const PAGE: usize = 256;
const STREAM_PAGE: usize = 32;
/// Messages in memory above which no further page is read.
const HELD: usize = 512;
/// Lines that may wait. An endpoint that fails more than these takes nothing: the rest waits where it is, in the log.
const WAITING_MOST: usize = 10_000;
/// How long what came of deliveries may gather before it is stored, and how long a mere place.
const SETTLE: Duration = Duration::from_millis(250);
const SETTLE_PLACE: Duration = Duration::from_secs(5);
/// How often to look whether somebody's time has come.
const LOOK: Duration = Duration::from_millis(200);

/// Serves an endpoint until the orders end, or somebody else does so.
pub(super) async fn serve(deliverer: Arc<Deliverer>, mut orders: watch::Receiver<Orders>, waiting: Arc<AtomicU64>) {
    while orders.borrow().is_some() {
        let served = match Endpoint::begin(&deliverer, &mut orders, &waiting).await {
            Ok(Some(mut endpoint)) => endpoint.serve().await,
            Ok(None) => return,
            Err(fault) => Err(fault),
        };
        match served {
            Ok(()) => return,
            Err(fault) => {
                tracing::warn!(%fault, "deliveries to a webhook endpoint stand still; they go on from what is stored")
            }
        }
        tokio::time::sleep(AFTER_FAULT).await;
    }
}

/// The lines of an endpoint that are stored.
pub(super) async fn waiting(log: &dyn Log, webhook: WebhookId) -> Result<Vec<WaitingRow>, LogFault> {
    let mut rows: Vec<WaitingRow> = Vec::new();
    loop {
        let after = rows.last().map_or(String::new(), |row| row.stream.clone());
        let page = ask(log, &WAITING, &[table::id(webhook), after.into(), Value::Integer(1_000)]).await?;
        if page.is_empty() {
            return Ok(rows);
        }
        rows.extend(page);
    }
}

pub(super) struct Endpoint<'e> {
    deliverer: &'e Arc<Deliverer>,
    orders: &'e mut watch::Receiver<Orders>,
    waiting: &'e AtomicU64,
    row: WebhookRow,
    receiver: Arc<Receiver>,
    share: usize,
    /// The checkpoint: the first position that is not dealt with, as it is stored.
    stored: Position,
    /// The last position whose messages are in the lines.
    taken: Position,
    lines: Lines<What>,
    under_way: JoinSet<(StreamId, Attempt)>,
    settled: Instant,
    tally_changed: bool,
}

/// What to go on with.
enum Going {
    On,
    /// Disabled, deleted, or somebody else's.
    Over,
}

impl<'e> Endpoint<'e> {
    /// From what is stored. None when there is nothing to be served.
    async fn begin(
        deliverer: &'e Arc<Deliverer>,
        orders: &'e mut watch::Receiver<Orders>,
        waiting: &'e AtomicU64,
    ) -> Result<Option<Self>, LogFault> {
        let Some((ordered, share)) = orders.borrow_and_update().clone() else { return Ok(None) };
        let store = deliverer.store.as_ref();
        // What counts is how it stands now, not when the orders were given.
        let row = ask_one(store, &BY_ID, &[table::id(ordered.webhook)]).await?;
        let Some(row) = row.filter(|row| row.enabled) else { return Ok(None) };
        let receiver = open(deliverer, &row).await?;
        let stored = store.checkpoint(&checkpoint(row.webhook)).await?;
        let mut endpoint = Self {
            deliverer,
            orders,
            waiting,
            share,
            stored,
            taken: stored.saturating_sub(1),
            receiver: Arc::new(receiver),
            lines: Lines::default(),
            under_way: JoinSet::new(),
            settled: Instant::now(),
            tally_changed: false,
            row,
        };
        if stored == 0 {
            // It is told what happens from its own creation on.
            let own = StreamId::of(Subject::Webhook(endpoint.row.webhook));
            let created = store.read_stream(&own, 0, 1).await?.first().map_or(1, |event| event.position + 1);
            if !endpoint.begin_at(created).await? {
                return Ok(None);
            }
        }
        if !endpoint.replay().await? {
            return Ok(None);
        }
        for WaitingRow { stream, version, nth, attempts, due_at } in waiting_of(&endpoint).await? {
            let (stream, place) = (StreamId::from_stored(stream), Place { version, nth });
            endpoint.lines.restore(Stored { stream, place, attempts, due_at });
        }
        Ok(Some(endpoint))
    }

    async fn serve(&mut self) -> Result<(), LogFault> {
        let mut head = self.deliverer.store.head();
        loop {
            let upto = *head.borrow_and_update();
            let going = self.turn(upto).await?;
            if matches!(going, Going::Over) || self.orders.borrow().is_none() {
                break;
            }
            let pause =
                if self.lines.waits() || self.lines.has_changed() || self.tally_changed { LOOK } else { SETTLE_PLACE };
            tokio::select! {
                Some(one) = self.under_way.join_next(), if !self.under_way.is_empty() => {
                    if let Going::Over = self.came_back(one).await? {
                        break;
                    }
                }
                _ = head.changed(), if self.has_room() => tokio::time::sleep(GATHER / 5).await,
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

    /// Everything that can be done at this moment.
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
        loop {
            self.start().await?;
            if !self.has_room() || self.taken >= head {
                break;
            }
            self.take(head).await?;
        }
        let since = self.settled.elapsed();
        let worth = if self.lines.has_changed() || self.tally_changed { SETTLE } else { SETTLE_PLACE };
        if since >= worth && !self.settle().await? {
            return Ok(Going::Over);
        }
        let behind = head.saturating_sub(self.taken) + self.lines.held() as u64 + self.lines.stored() as u64;
        self.waiting.store(behind, Ordering::Relaxed);
        Ok(Going::On)
    }

    fn has_room(&self) -> bool {
        self.lines.held() < HELD && self.lines.stored() < WAITING_MOST
    }

    /// Takes in the messages of the next page of the log.
    async fn take(&mut self, head: Position) -> Result<(), LogFault> {
        let mut page = self.deliverer.store.read_all(self.taken, PAGE).await?;
        page.retain(|event| event.position <= head);
        for recorded in page {
            let position = recorded.position;
            self.messages(recorded)?.into_iter().for_each(|message| self.lines.take(message));
            self.taken = position;
        }
        Ok(())
    }

    /// The messages to this endpoint that an event makes.
    fn messages(&self, recorded: Recorded) -> Result<Vec<Message<What>>, LogFault> {
        let (stream, position, version) = (recorded.stream.clone(), recorded.position, recorded.version);
        let Some(entry) = read_entry(recorded)? else { return Ok(Vec::new()) };
        let entry = Arc::new(entry);
        let wanted = |name: &str| self.row.event_types.is_empty() || self.row.event_types.iter().any(|one| one == name);
        let all = deeds::of(&entry).into_iter().zip(0..);
        Ok(all
            .filter(|(deed, _)| wanted(deed.name.as_str()))
            .map(|(_, nth)| {
                let what = What { entry: entry.clone(), nth };
                Message { stream: stream.clone(), position, place: Place { version, nth }, what }
            })
            .collect())
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
            messages.extend(self.messages(recorded)?.into_iter().filter(|message| message.place >= from));
        }
        self.lines.read(&stream, messages, rest);
        Ok(())
    }

    /// Something that was under way is over.
    async fn came_back(&mut self, one: Result<(StreamId, Attempt), tokio::task::JoinError>) -> Result<Going, LogFault> {
        let (stream, attempt) = one.map_err(|error| LogFault::Bug(format!("a delivery broke off: {error}")))?;
        let now = self.deliverer.app.clock.now();
        let tally = &mut self.row.tally;
        match attempt {
            Attempt::NotTried => self.lines.not_tried(&stream, now + PUT_OFF),
            Attempt::Arrived => {
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
                    Some(after) => self.lines.failed(&stream, now + *after),
                    None => return self.lose(&stream, before + 1, status.map(|status| status.as_u16()), now).await,
                }
            }
        }
        Ok(Going::On)
    }

    /// A message was tried as often as one may be.
    async fn lose(
        &mut self,
        stream: &StreamId,
        attempts: u32,
        status: Option<u16>,
        now: Timestamp,
    ) -> Result<Going, LogFault> {
        let Some(first) = self.lines.first(stream) else { return Ok(Going::On) };
        let webhook = self.row.webhook;
        let event_type = first.what.event_type().unwrap_or_default();
        let message = message_id(first.what.event(), webhook);
        let after_success = self.row.lost_in_a_row() == 0;
        let loss = Loss { message, event_type, attempts, status, after_success };
        let app = &self.deliverer.app;
        let noting = Webhooks::of_operator(app.log.as_ref(), &app.keyring, app.entropy.as_ref(), now);
        let noted = noting.lose(webhook, message, self.row.replays, loss).await;
        let row = match noted {
            Ok(row) => row,
            Err(error) => {
                tracing::warn!(%error, %webhook, %message, "a lost webhook message could not be noted; it is tried once more");
                self.lines.failed(stream, now + PUT_OFF);
                return Ok(Going::On);
            }
        };
        tracing::warn!(%webhook, %message, attempts, status, "a webhook message is lost");
        self.lines.done(stream);
        let Some(row) = row else { return Ok(Going::Over) };
        (self.row.lost, self.row.in_a_row) = (row.lost, row.in_a_row);
        if row.enabled {
            return Ok(Going::On);
        }
        tracing::warn!(%webhook, in_a_row = row.in_a_row, "a webhook endpoint is disabled: it took nothing for too long");
        Ok(Going::Over)
    }

    /// Stores what came of deliveries; `false` when somebody else did so meanwhile.
    async fn settle(&mut self) -> Result<bool, LogFault> {
        let (put, gone) = self.lines.changed();
        let upto = self.lines.settled(self.taken) + 1;
        let stored = self.store(&put, upto, &gone).await;
        if !matches!(stored, Ok(true)) {
            self.lines.change_again(put, gone);
        }
        self.settled = Instant::now();
        stored
    }

    async fn store(&mut self, put: &[Stored], upto: Position, gone: &[StreamId]) -> Result<bool, LogFault> {
        let (store, webhook) = (self.deliverer.store.as_ref(), self.row.webhook);
        let key = |stream: &StreamId| vec![table::id(webhook), stream.as_str().to_owned().into()];
        if !put.is_empty() {
            let row = |stored: &Stored| {
                let mut row = key(&stored.stream);
                row.extend([
                    Value::Integer(stored.place.version.cast_signed()),
                    i64::from(stored.place.nth).into(),
                    i64::from(stored.attempts).into(),
                    stored.due_at.into(),
                ]);
                row
            };
            store.put_side_rows(&WEBHOOK_WAITING, put.iter().map(row).collect(), Vec::new()).await?;
        }
        if upto != self.stored && !self.begin_at(upto).await? {
            return Ok(false);
        }
        if !gone.is_empty() {
            store.put_side_rows(&WEBHOOK_WAITING, Vec::new(), gone.iter().map(key).collect()).await?;
        }
        if self.tally_changed {
            self.tally().await?;
        }
        Ok(true)
    }

    async fn tally(&mut self) -> Result<(), LogFault> {
        let tally = &self.row.tally;
        let row = vec![
            table::id(self.row.webhook),
            Value::Integer(tally.arrived.cast_signed()),
            Value::Integer(tally.lost_before.cast_signed()),
            tally.last_at.into(),
            tally.last_arrived.into(),
            i64::from(tally.replays).into(),
        ];
        self.deliverer.store.put_side_rows(&WEBHOOK_TALLIES, vec![row], Vec::new()).await?;
        self.tally_changed = false;
        Ok(())
    }

    /// Moves the checkpoint, from where we know it.
    async fn begin_at(&mut self, position: Position) -> Result<bool, LogFault> {
        let name = checkpoint(self.row.webhook);
        let moved = self.deliverer.store.advance(&name, self.stored, position).await?;
        if moved {
            self.stored = position;
            self.taken = self.taken.max(position.saturating_sub(1));
        } else {
            tracing::info!(webhook = %self.row.webhook, "another node delivers to this webhook endpoint");
        }
        Ok(moved)
    }

    /// Another row, or another share. `false` when there is nothing to be served any more.
    async fn follow_orders(&mut self) -> Result<bool, LogFault> {
        let Some((row, share)) = self.orders.borrow_and_update().clone() else { return Ok(false) };
        self.share = share;
        let (tally, lost, in_a_row) = (self.row.tally, self.row.lost, self.row.in_a_row);
        self.row = WebhookRow { tally, lost, in_a_row, ..row };
        self.receiver = Arc::new(open(self.deliverer, &self.row).await?);
        self.replay().await
    }

    /// Begins anew where somebody asked for it. What waits is dropped: what of it comes behind that place is told anew.
    async fn replay(&mut self) -> Result<bool, LogFault> {
        if self.row.replays == self.row.tally.replays {
            return Ok(true);
        }
        tracing::info!(webhook = %self.row.webhook, from = self.row.replay_from, "a webhook endpoint is told everything anew");
        // Before anything else, or what waits would be taken for dealt with. A crash in between begins the replay again.
        self.under_way = JoinSet::new();
        self.lines = Lines::default();
        let rows = waiting_of(self).await?;
        let gone = rows.into_iter().map(|row| vec![table::id(self.row.webhook), row.stream.into()]).collect();
        self.deliverer.store.put_side_rows(&WEBHOOK_WAITING, Vec::new(), gone).await?;
        let from = self.row.replay_from.max(1);
        if from != self.stored && !self.begin_at(from).await? {
            return Ok(false);
        }
        self.taken = from - 1;
        self.row.tally.replays = self.row.replays;
        self.tally().await?;
        Ok(true)
    }
}

/// Names an endpoint's checkpoint, so it is for ever.
fn checkpoint(webhook: WebhookId) -> String {
    format!("webhooks/{webhook}")
}

async fn waiting_of(endpoint: &Endpoint<'_>) -> Result<Vec<WaitingRow>, LogFault> {
    waiting(endpoint.deliverer.store.as_ref(), endpoint.row.webhook).await
}

/// Where an endpoint stands, and what it knows us by.
async fn open(deliverer: &Deliverer, row: &WebhookRow) -> Result<Receiver, LogFault> {
    let log = deliverer.store.as_ref();
    let url = Record::open(log, &deliverer.app.keyring, SealKind::Secret, row.url).await?;
    let secret = Record::open(log, &deliverer.app.keyring, SealKind::Secret, row.secret).await?;
    let (Some(url), Some(secret)) = (url, secret) else {
        return Err(LogFault::Damaged(format!("the address or the secret of {} is missing", row.webhook)));
    };
    Ok(Receiver { webhook: row.webhook, url, secret: WebhookSecret::from_stored(secret) })
}
