//! The stream that is the log: where a batch comes to stand in it, and what stands there.

use std::sync::Arc;
use std::time::Duration;

use eventstore::{EventData, ExpectedRevision, RecordedEvent, StreamPosition};
use uuid::Uuid;

use super::event;
use super::line::{Line, Offer, is_denied};
use super::{LogFault, Options, Position, Recorded};

/// Between two attempts.
const AGAIN: Duration = Duration::from_millis(100);

pub(super) struct Ledger {
    line: Arc<Line>,
    stream: String,
}

/// What became of events that were offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offered {
    /// They stand behind the position that they were offered behind.
    Stand,
    /// Others do.
    Taken,
}

impl Ledger {
    pub(super) fn new(options: &Options) -> Result<Self, LogFault> {
        Ok(Self { line: Arc::new(Line::new(options)?), stream: options.stream.clone() })
    }

    /// The way by which it is reached.
    pub(super) fn line(&self) -> Arc<Line> {
        self.line.clone()
    }

    pub(super) fn stream(&self) -> &str {
        &self.stream
    }

    /// Appends events behind a position, all of them or none, and tries until it knows which: whoever calls has a limit.
    pub(super) async fn append(&self, after: Position, events: &[Recorded]) -> Result<Offered, LogFault> {
        let offered: Vec<EventData> = events.iter().map(event::data).collect::<Result<_, _>>()?;
        let Some(first) = events.first() else { return Ok(Offered::Stand) };
        let first = event::uuid(&first.event_id)?;
        loop {
            let failed = match self.offer(after, offered.clone()).await {
                Ok(()) => return Ok(Offered::Stand),
                Err(fault) => fault,
            };
            // Whatever was answered, and where nothing was: the stream knows.
            match self.id_behind(after).await {
                Ok(Some(there)) if there == first => return Ok(Offered::Stand),
                Ok(Some(_)) => return Ok(Offered::Taken),
                Ok(None) if is_denied(&failed) || !matches!(failed, LogFault::Unavailable(_)) => return Err(failed),
                Ok(None) | Err(_) => tracing::debug!(%failed, after, "an append failed; it is tried again"),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Whether it may be appended to, where it ends at a position: asked by an append of nothing.
    ///
    /// # Errors
    /// Where that is denied. Whatever else comes of it says nothing.
    pub(super) async fn lets_append(&self, after: Position) -> Result<(), LogFault> {
        match self.offer(after, Vec::new()).await {
            Err(fault) if is_denied(&fault) => Err(fault),
            _ => Ok(()),
        }
    }

    /// The id of the event that stands behind a position.
    pub(super) async fn id_behind(&self, after: Position) -> Result<Option<Uuid>, LogFault> {
        let read = self.read(StreamPosition::Position(after), 1).await?;
        Ok(read.first().map(|event| event.id))
    }

    /// Events behind a position, in order.
    pub(super) async fn page(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, LogFault> {
        self.read(StreamPosition::Position(after), limit).await?.iter().map(event::recorded).collect()
    }

    /// The same, each with its position and as it reads: it may be anybody's.
    pub(super) async fn standing(
        &self,
        after: Position,
        limit: usize,
    ) -> Result<Vec<(Position, Result<Recorded, LogFault>)>, LogFault> {
        let read = self.read(StreamPosition::Position(after), limit).await?;
        Ok(read.iter().map(|event| (event.revision + 1, event::recorded(event))).collect())
    }

    /// Where the stream ends.
    pub(super) async fn end(&self) -> Result<Position, LogFault> {
        let read = self.read(StreamPosition::End, 1).await?;
        Ok(read.first().map_or(0, |last| last.revision + 1))
    }

    async fn offer(&self, after: Position, events: Vec<EventData>) -> Result<(), LogFault> {
        let expected = match after {
            0 => ExpectedRevision::NoStream,
            after => ExpectedRevision::Exact(after - 1),
        };
        let offer = Offer { stream: self.stream.clone(), expected, events };
        self.line.append(vec![offer]).await.map(|_| ())
    }

    async fn read(&self, from: StreamPosition<u64>, most: usize) -> Result<Vec<RecordedEvent>, LogFault> {
        self.line.read(&self.stream, from, most).await
    }
}
