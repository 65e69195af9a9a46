//! What is kept of an endpoint beside the log: up to where everything is dealt with, the lines that wait, and how deliveries
//! went. It changes in one transaction, and only by whoever took over last: one that was paused, and wakes up when another
//! delivers, changes nothing any more.

use std::sync::Arc;

use chrysalis_domain::Subject;
use chrysalis_domain::id::WebhookId;
use chrysalis_projections::webhooks::{Tally, WAITING, WaitingRow};
use chrysalis_projections::{Value, table};

use super::lines::{Place, Stored};
use crate::log::transfer::{CHECKPOINTS, SideChange, SideRow, WEBHOOK_TALLIES, WEBHOOK_WAITING};
use crate::log::{LogFault, Position, Store, StreamId, ask};

/// Lines that are read at a time.
const PAGE: i64 = 1_000;

pub(super) struct Kept {
    store: Arc<dyn Store>,
    webhook: WebhookId,
    /// Which one of those we are who took over.
    turn: Position,
    /// The first position that is not dealt with; 0 where nothing was kept yet.
    pub(super) upto: Position,
}

impl Kept {
    /// Takes over from whoever had it. None when somebody else does so at the same time.
    pub(super) async fn take_over(store: &Arc<dyn Store>, webhook: WebhookId) -> Result<Option<Self>, LogFault> {
        let name = turn(webhook);
        let before = store.checkpoint(&name).await?;
        let turn = before + 1;
        if !store.advance(&name, before, turn).await? {
            return Ok(None);
        }
        let upto = store.checkpoint(&progress(webhook)).await?;
        Ok(Some(Self { store: store.clone(), webhook, turn, upto }))
    }

    /// The lines that wait.
    pub(super) async fn lines(&self) -> Result<Vec<Stored>, LogFault> {
        lines(&self.store, self.webhook).await
    }

    /// The position of the endpoint's own creation: it is told what happens from there on.
    pub(super) async fn created(&self) -> Result<Position, LogFault> {
        let own = StreamId::of(Subject::Webhook(self.webhook));
        Ok(self.store.read_stream(&own, 0, 1).await?.first().map_or(0, |event| event.position))
    }

    /// Keeps that everything before `upto` is dealt with, but for these lines, and those that are kept and not gone.
    /// `false` when somebody else took over.
    pub(super) async fn store(
        &mut self,
        upto: Position,
        tally: &Tally,
        put: &[Stored],
        gone: &[StreamId],
    ) -> Result<bool, LogFault> {
        let webhook = self.webhook;
        let place = vec![progress(webhook).into(), upto.cast_signed().into()];
        let lines = SideChange {
            table: &WEBHOOK_WAITING,
            put: put.iter().map(|line| row(webhook, line)).collect(),
            gone: gone.iter().map(|stream| key(webhook, stream)).collect(),
        };
        let changes = vec![
            SideChange { table: &CHECKPOINTS, put: vec![place], gone: Vec::new() },
            SideChange { table: &WEBHOOK_TALLIES, put: vec![tally_row(webhook, tally)], gone: Vec::new() },
            lines,
        ];
        let kept = self.store.keep(&turn(webhook), self.turn, changes).await?;
        if kept {
            self.upto = upto;
        } else {
            tracing::info!(%webhook, "another node delivers to this webhook endpoint");
        }
        Ok(kept)
    }
}

/// Forgets all that is kept of an endpoint that is deleted: first who delivers, so that nobody keeps anything any more, and
/// the tally last, by which it is found.
pub(super) async fn forget(store: &Arc<dyn Store>, webhook: WebhookId) -> Result<(), LogFault> {
    let places = [turn(webhook), progress(webhook)].into_iter().map(|name| vec![name.into()]).collect();
    let lines = lines(store, webhook).await?.iter().map(|line| key(webhook, &line.stream)).collect();
    let tally = vec![vec![table::id(webhook)]];
    for (table, gone) in [(&CHECKPOINTS, places), (&WEBHOOK_WAITING, lines), (&WEBHOOK_TALLIES, tally)] {
        store.put_side_rows(SideChange { table, put: Vec::new(), gone }).await?;
    }
    Ok(())
}

/// Names the place up to which an endpoint is served, so it is for ever.
fn progress(webhook: WebhookId) -> String {
    format!("webhooks/{webhook}")
}

/// Names the count of those who served it, so it is for ever, too.
fn turn(webhook: WebhookId) -> String {
    format!("webhooks/{webhook}/turn")
}

async fn lines(store: &Arc<dyn Store>, webhook: WebhookId) -> Result<Vec<Stored>, LogFault> {
    let mut rows: Vec<WaitingRow> = Vec::new();
    loop {
        let after = rows.last().map_or(String::new(), |row| row.stream.clone());
        let page = ask(store.as_ref(), &WAITING, &[table::id(webhook), after.into(), Value::Integer(PAGE)]).await?;
        if page.is_empty() {
            break;
        }
        rows.extend(page);
    }
    let line = |WaitingRow { stream, version, nth, attempts, due_at }| Stored {
        stream: StreamId::from_stored(stream),
        place: Place { version, nth },
        attempts,
        due_at,
    };
    Ok(rows.into_iter().map(line).collect())
}

fn key(webhook: WebhookId, stream: &StreamId) -> SideRow {
    vec![table::id(webhook), stream.as_str().to_owned().into()]
}

fn row(webhook: WebhookId, line: &Stored) -> SideRow {
    let mut row = key(webhook, &line.stream);
    row.extend([
        Value::Integer(line.place.version.cast_signed()),
        i64::from(line.place.nth).into(),
        i64::from(line.attempts).into(),
        line.due_at.into(),
    ]);
    row
}

fn tally_row(webhook: WebhookId, tally: &Tally) -> SideRow {
    vec![
        table::id(webhook),
        Value::Integer(tally.arrived.cast_signed()),
        Value::Integer(tally.lost_before.cast_signed()),
        tally.last_at.into(),
        tally.last_arrived.into(),
        i64::from(tally.replays).into(),
    ]
}
