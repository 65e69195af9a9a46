//! The stream that is the log, by the client of EventStoreDB. All that knows of that client is here and in [`super::event`].
//!
//! Three habits of the client (`eventstore` 4) are met here. It is done for good when it finds no node once, and holds on to a
//! node that went silent: so it is made anew after every failure but the one that names the leader, to which it goes by
//! itself. Its session of appends ends with the first append that is refused, and what was on its way in it is not known:
//! so one append is on its way at a time, and after a failure the stream is asked what stands in it. And it panics, in a task
//! of its own, over certificates and a TLS provider that it does not expect: those are looked at first.

use std::sync::Arc;
use std::time::Duration;

use eventstore::{
    BatchAppendClient, BatchAppendOptions, Client, ClientSettings, Error, EventData, ExpectedRevision,
    ReadStreamOptions, RecordedEvent, StreamPosition,
};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::certificates::sound;
use super::client::Connected;
use super::connection::settings;
use super::{LogFault, Options, Position, Recorded};
use super::{event, prompt};

/// Between two attempts.
const AGAIN: Duration = Duration::from_millis(100);

pub(super) struct Ledger {
    settings: ClientSettings,
    stream: String,
    patience: Duration,
    line: Mutex<Option<Line>>,
}

struct Line {
    connected: Arc<Connected>,
    /// Appends go through it, one behind the other.
    session: Option<BatchAppendClient>,
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
        let settings = settings(&options.url)
            .map_err(|told| LogFault::Bug(format!("the connection string does not read: {told}")))?;
        sound(&settings)?;
        Ok(Self { settings, stream: options.stream.clone(), patience: options.patience, line: Mutex::new(None) })
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
                Ok(None) if !matches!(failed, LogFault::Unavailable(_)) => return Err(failed),
                Ok(None) | Err(_) => tracing::debug!(%failed, after, "an append failed; it is tried again"),
            }
            tokio::time::sleep(AGAIN).await;
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
        let offering = async {
            let connected = self.connected().await?;
            let mut line = self.line.lock().await;
            let line = line.get_or_insert_with(|| Line { connected, session: None });
            let held = line.session.take();
            let begins = held.is_none();
            let appending = async |client: &Client| {
                let session = match held {
                    Some(session) => session,
                    None => client.batch_append(&BatchAppendOptions::default().requires_leader(true)).await?,
                };
                session.append_to_stream(&self.stream, expected, events).await?;
                Ok(session)
            };
            line.session = Some(line.connected.call(appending).await.map_err(Failed)?);
            if begins {
                self.make_prompt();
            }
            Ok(())
        };
        let offered = tokio::time::timeout(self.patience, offering).await;
        self.told(offered).await
    }

    /// What goes through a connection that is new goes out at once from now on.
    fn make_prompt(&self) {
        let ports: Vec<u16> = self.settings.hosts().iter().filter_map(|host| u16::try_from(host.port).ok()).collect();
        // Nobody waits for it: appends are right without.
        drop(tokio::task::spawn_blocking(move || match prompt::connections_to(&ports) {
            Ok(1..) => {}
            not => tracing::debug!(?not, "appends to EventStoreDB may wait for acknowledgements"),
        }));
    }

    async fn read(&self, from: StreamPosition<u64>, most: usize) -> Result<Vec<RecordedEvent>, LogFault> {
        let options =
            ReadStreamOptions::default().position(from).max_count(most).requires_leader(true).deadline(self.patience);
        let reading = async {
            let connected = self.connected().await?;
            let mut events = Vec::new();
            let read = async |client: &Client| {
                let mut stream = client.read_stream(self.stream.as_str(), &options).await?;
                while let Some(event) = stream.next().await? {
                    events.extend(event.event);
                }
                Ok::<(), Error>(())
            };
            match connected.call(read).await {
                // A stream that is not there is empty.
                Ok(()) | Err(Error::ResourceNotFound) => Ok(events),
                Err(error) => Err(Failed(error)),
            }
        };
        let read = tokio::time::timeout(self.patience, reading).await;
        self.told(read).await
    }

    async fn connected(&self) -> Result<Arc<Connected>, Failed> {
        let mut line = self.line.lock().await;
        if let Some(line) = line.as_ref() {
            return Ok(line.connected.clone());
        }
        let connected = Arc::new(Connected::new(&self.settings).map_err(Failed)?);
        *line = Some(Line { connected: connected.clone(), session: None });
        Ok(connected)
    }

    /// Lets go of what failed, and says why.
    async fn told<T>(&self, answered: Result<Result<T, Failed>, tokio::time::error::Elapsed>) -> Result<T, LogFault> {
        let (fault, leads_on) = match answered {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(Failed(error))) => (self.fault(&error), matches!(error, Error::NotLeaderException(_))),
            Err(_) => (late(), false),
        };
        let mut line = self.line.lock().await;
        match line.as_mut() {
            Some(line) if leads_on => line.session = None,
            _ => *line = None,
        }
        Err(fault)
    }

    fn fault(&self, error: &Error) -> LogFault {
        match error {
            Error::GrpcConnectionError(_) => {
                let at =
                    self.settings.hosts().iter().map(|host| format!("{}:{}", host.host, host.port)).collect::<Vec<_>>();
                let how = if self.settings.is_secure_mode_enabled() {
                    " by TLS: nobody answers there, or not by TLS, or the certificate is for another name or of an authority that is not \
                     trusted (tlsCaFile)"
                } else {
                    " without TLS: nobody answers there, or by TLS alone"
                };
                LogFault::Unavailable(format!("no connection to EventStoreDB at {}{how}", at.join(", ")))
            }
            error => fault(error),
        }
    }
}

pub(super) fn late() -> LogFault {
    LogFault::Unavailable("EventStoreDB did not answer in time".to_owned())
}

struct Failed(Error);

/// What kind of failure an error of the client is.
fn fault(error: &Error) -> LogFault {
    match error {
        Error::ResourceDeleted => {
            LogFault::Damaged("the stream of the log was deleted in EventStoreDB; restore it from a backup".to_owned())
        }
        Error::AccessDenied => LogFault::Unavailable(
            "EventStoreDB refuses these credentials, or they may not read and append to the log's stream".to_owned(),
        ),
        Error::UnsupportedFeature => {
            LogFault::Unavailable("EventStoreDB is too old: batches of appends came with 21.10".to_owned())
        }
        Error::Grpc { message, .. } if message.contains("MaximumAppendSizeExceeded") => {
            LogFault::Bug("a batch was larger than EventStoreDB takes".to_owned())
        }
        Error::NotLeaderException(_) => LogFault::Unavailable("EventStoreDB has another leader".to_owned()),
        other => LogFault::Unavailable(said(&other.to_string())),
    }
}

/// An error as it is told: the same words each time, without what came with the answer.
fn said(error: &str) -> String {
    if error.contains("Server Is Not Ready") {
        return "EventStoreDB has no leader for now, and elects one by itself".to_owned();
    }
    if error.contains("SendRequest") {
        return "the connection to EventStoreDB broke off".to_owned();
    }
    let end = error.find(", details:").unwrap_or(error.len());
    format!("EventStoreDB: {}", error.get(..end).unwrap_or(error))
}
