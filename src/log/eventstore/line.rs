//! The way to EventStoreDB, by its client: appends in a session, reads, deletions; to whatever stream.
//!
//! Three habits of the client (`eventstore` 4) are met here. It is done for good when it finds no node once, and holds on to a
//! node that went silent: so it is made anew after every failure but those that a node answered, which name the leader, to which
//! it goes by itself, or another revision. Its session of appends ends with the first append that is refused, and what was on
//! its way in it is not known: so after a failure streams are asked what stands in them. And it panics, in a task of its own,
//! over certificates and a TLS provider that it does not expect: those are looked at first.

use std::sync::Arc;
use std::time::Duration;

use eventstore::{
    BatchAppendClient, BatchAppendOptions, Client, ClientSettings, DeleteStreamOptions, Error, EventData,
    ExpectedRevision, ReadStreamOptions, RecordedEvent, StreamPosition,
};
use futures_util::future::join_all;
use tokio::sync::Mutex;

use super::certificates::sound;
use super::client::Connected;
use super::connection::settings;
use super::prompt;
use super::{LogFault, Options};

/// Events that are to stand in a stream, all of them or none.
pub(super) struct Offer {
    pub(super) stream: String,
    pub(super) expected: ExpectedRevision,
    pub(super) events: Vec<EventData>,
}

pub(super) struct Line {
    settings: ClientSettings,
    patience: Duration,
    open: Mutex<Option<Open>>,
}

struct Open {
    connected: Arc<Connected>,
    /// Appends go through it.
    session: Option<BatchAppendClient>,
}

impl Line {
    pub(super) fn new(options: &Options) -> Result<Self, LogFault> {
        let settings = settings(&options.url)
            .map_err(|told| LogFault::Bug(format!("the connection string does not read: {told}")))?;
        sound(&settings)?;
        Ok(Self { settings, patience: options.patience, open: Mutex::new(None) })
    }

    /// Offers all of them at once; answers the revision of the last event of each.
    ///
    /// # Errors
    /// Where one of them is not known to stand: any of them may.
    pub(super) async fn append(&self, offers: Vec<Offer>) -> Result<Vec<u64>, LogFault> {
        let offering = async {
            let connected = self.connected().await?;
            let mut open = self.open.lock().await;
            let open = open.get_or_insert_with(|| Open { connected, session: None });
            let held = open.session.take();
            let begins = held.is_none();
            let appending = async |client: &Client| {
                let session = match held {
                    Some(session) => session,
                    None => client.batch_append(&BatchAppendOptions::default().requires_leader(true)).await?,
                };
                let appends = offers
                    .into_iter()
                    .map(|Offer { stream, expected, events }| session.append_to_stream(stream, expected, events));
                let mut revisions = Vec::new();
                let mut failed = None;
                for written in join_all(appends).await {
                    match written {
                        Ok(written) => revisions.push(written.current_revision().unwrap_or_default()),
                        // Whoever still waits when one ends the session is told but that it ended, and may come before that one.
                        Err(error) if matches!(failed, None | Some(Error::ServerError(_))) => failed = Some(error),
                        Err(_) => {}
                    }
                }
                match failed {
                    None => Ok((session, revisions)),
                    Some(error) => Err(error),
                }
            };
            let (session, revisions) = open.connected.call(appending).await.map_err(Failed)?;
            open.session = Some(session);
            if begins {
                self.make_prompt();
            }
            Ok(revisions)
        };
        let offered = tokio::time::timeout(self.patience, offering).await;
        self.told(offered).await
    }

    /// Events of a stream; none where it is not there.
    pub(super) async fn read(
        &self,
        stream: &str,
        from: StreamPosition<u64>,
        most: usize,
    ) -> Result<Vec<RecordedEvent>, LogFault> {
        let options =
            ReadStreamOptions::default().position(from).max_count(most).requires_leader(true).deadline(self.patience);
        let reading = async {
            let connected = self.connected().await?;
            let read = async |client: &Client| {
                let mut events = Vec::new();
                let mut reading = client.read_stream(stream, &options).await?;
                while let Some(event) = reading.next().await? {
                    events.extend(event.event);
                }
                Ok::<_, Error>(events)
            };
            let answered = match connected.call(&read).await {
                // It names the one that is, to whom the client goes from then on: an election is no outage.
                Err(Error::NotLeaderException(_)) => connected.call(&read).await,
                answered => answered,
            };
            match answered {
                Ok(events) => Ok(events),
                // A stream that is not there is empty.
                Err(Error::ResourceNotFound) => Ok(Vec::new()),
                Err(error) => Err(Failed(error)),
            }
        };
        let read = tokio::time::timeout(self.patience, reading).await;
        self.told(read).await
    }

    /// Takes a stream away whose last event has this revision: it may come back.
    pub(super) async fn delete(&self, stream: &str, revision: u64) -> Result<(), LogFault> {
        let options = DeleteStreamOptions::default()
            .expected_revision(ExpectedRevision::Exact(revision))
            .requires_leader(true)
            .deadline(self.patience);
        let deleting = async {
            let connected = self.connected().await?;
            let deleted = connected.call(async |client: &Client| client.delete_stream(stream, &options).await).await;
            deleted.map(|_| ()).map_err(Failed)
        };
        let deleted = tokio::time::timeout(self.patience, deleting).await;
        self.told(deleted).await
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

    async fn connected(&self) -> Result<Arc<Connected>, Failed> {
        let mut open = self.open.lock().await;
        if let Some(open) = open.as_ref() {
            return Ok(open.connected.clone());
        }
        let connected = Arc::new(Connected::new(&self.settings).map_err(Failed)?);
        *open = Some(Open { connected: connected.clone(), session: None });
        Ok(connected)
    }

    /// Lets go of what failed, and says why.
    async fn told<T>(&self, answered: Result<Result<T, Failed>, tokio::time::error::Elapsed>) -> Result<T, LogFault> {
        let (fault, keeps) = match answered {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(Failed(error))) => (self.fault(&error), answered_by_a_node(&error)),
            Err(_) => (late(), false),
        };
        let mut open = self.open.lock().await;
        match open.as_mut() {
            Some(open) if keeps => open.session = None,
            _ => *open = None,
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

/// Whether it was said that this is not allowed: then it did not happen.
pub(super) fn is_denied(fault: &LogFault) -> bool {
    matches!(fault, LogFault::Unavailable(told) if told == DENIED)
}

const DENIED: &str = "EventStoreDB refuses these credentials, or they may not read and append to the log's stream and those of its \
     reservations";

struct Failed(Error);

/// Whether a node that can be asked further said so.
fn answered_by_a_node(error: &Error) -> bool {
    match error {
        Error::NotLeaderException(_) | Error::WrongExpectedVersion { .. } => true,
        Error::Grpc { message, .. } => message.contains("WrongExpectedVersion"),
        _ => false,
    }
}

/// What kind of failure an error of the client is.
fn fault(error: &Error) -> LogFault {
    match error {
        Error::ResourceDeleted => {
            LogFault::Damaged("the stream of the log was deleted in EventStoreDB; restore it from a backup".to_owned())
        }
        Error::AccessDenied => LogFault::Unavailable(DENIED.to_owned()),
        Error::Grpc { message, .. } if message.contains("AccessDenied") => LogFault::Unavailable(DENIED.to_owned()),
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
    if error.contains("client error (Connect)") {
        return "no connection to EventStoreDB: nobody answers there".to_owned();
    }
    if error.contains("SendRequest") || error.contains("Connection is closed") {
        return "the connection to EventStoreDB broke off".to_owned();
    }
    let end = error.find(", details:").unwrap_or(error.len());
    format!("EventStoreDB: {}", error.get(..end).unwrap_or(error))
}
