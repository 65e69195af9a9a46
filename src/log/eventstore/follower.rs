//! What `$all` shows of the log, to this node: a subscription that the server filters by the name of the stream, on a thread of its
//! own, from the place that was kept with the rows, and taken up again wherever it breaks off.
//!
//! It promises to tell of every event that comes to stand in the log, in order, as soon as the server shows it; and where it
//! may have missed one, because it begins, broke off or was shown a gap, it says that instead, so that the stream itself is
//! looked at. Rows don't come from here: they were staged before the event, and whoever hears of it sees that they are stored.
//!
//! Who may not read `$all` (as a server comes, that takes an administrator) loses nothing but time: the stream is looked at
//! once a second then.

use std::convert::Infallible;
use std::thread::JoinHandle;
use std::time::Duration;

use eventstore::{
    Client, ClientSettings, Error, Position as Place, StreamPosition, SubscribeToAllOptions, SubscriptionEvent,
    SubscriptionFilter,
};
use tokio::runtime::Runtime;
use tokio::sync::{oneshot, watch};

use super::client::Connected;
use super::ended::{self, Ended};
use super::{LogFault, Options, Position, connection};

/// Between two subscriptions.
const AGAIN: Duration = Duration::from_millis(250);
/// The same, for who may not read `$all`.
const PERMITTED: Duration = Duration::from_secs(60);

/// How far `$all` showed the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shown {
    /// The last event of the log that was shown; 0 where none was.
    pub(super) position: Position,
    /// Up to which place of `$all` that is all of them; none where it is not known yet.
    pub(super) place: Option<u64>,
    /// How often something may have been missed.
    pub(super) doubts: u64,
    /// A subscription stands.
    pub(super) follows: bool,
    /// The last one was not allowed.
    pub(super) denied: bool,
}

impl Shown {
    fn event(&mut self, position: Position, place: u64) {
        // What was shown before it broke off may be shown again; what is left out is to be looked for.
        if self.position != 0 && position > self.position + 1 {
            self.doubts += 1;
        }
        self.position = self.position.max(position);
        self.place = Some(place);
    }
}

pub(super) struct Follower {
    shown: watch::Receiver<Shown>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// From the place that was kept, which what stands before it has to be stored for.
    pub(super) fn start(options: &Options, kept: Option<u64>) -> Result<Self, LogFault> {
        let unstarted = |error: std::io::Error| LogFault::Unavailable(format!("the follower did not start: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(unstarted)?;
        let (tell, shown) = watch::channel(Shown { place: kept, ..Shown::default() });
        let (stop, stopped) = oneshot::channel();
        let following = Following {
            settings: connection::settings(&options.url).map_err(LogFault::Bug)?,
            stream: options.stream.clone(),
            patience: options.patience,
            tell,
        };
        let thread = std::thread::Builder::new()
            .name("log-follower".to_owned())
            .spawn(move || following.run(&runtime, stopped))
            .map_err(unstarted)?;
        Ok(Self { shown, stop: Some(stop), thread: Some(thread) })
    }

    pub(super) fn shown(&self) -> watch::Receiver<Shown> {
        self.shown.clone()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Following {
    settings: ClientSettings,
    stream: String,
    patience: Duration,
    tell: watch::Sender<Shown>,
}

impl Following {
    fn run(&self, runtime: &Runtime, mut stopped: oneshot::Receiver<()>) {
        loop {
            let stood = *self.tell.borrow();
            let followed = ended::heard(|| {
                runtime.block_on(async {
                    tokio::select! {
                        _ = &mut stopped => Ok(()),
                        Err(error) = self.subscribed(stood.place) => Err(error),
                    }
                })
            });
            let broke_off = match followed {
                Ok(Ok(())) => return,
                Ok(Err(error)) => Some(error),
                Err(Ended) => None,
            };
            tracing::debug!(?broke_off, "the log is not followed for now; it is tried again");
            let denied = matches!(broke_off, Some(Error::AccessDenied));
            // A server that does not know the place was emptied, put back, or is another one: what comes is followed from now on.
            let unknown = stood.doubts == self.tell.borrow().doubts && broke_off.as_ref().is_some_and(answered);
            self.tell.send_modify(|shown| {
                shown.doubts += u64::from(shown.follows);
                (shown.follows, shown.denied) = (false, denied);
                shown.place = shown.place.filter(|_| !unknown);
            });
            let pause = if denied { PERMITTED } else { AGAIN };
            if runtime.block_on(async { tokio::time::timeout(pause, &mut stopped).await.is_ok() }) {
                return;
            }
        }
    }

    /// Ends with why it broke off. Where no place is known it begins with what comes: what stands is looked for.
    async fn subscribed(&self, kept: Option<u64>) -> Result<Infallible, Error> {
        let connected = Connected::new(&self.settings)?;
        connected.call(async |client| self.listened(client, kept).await).await
    }

    async fn listened(&self, client: &Client, kept: Option<u64>) -> Result<Infallible, Error> {
        let from =
            kept.map_or(StreamPosition::End, |place| StreamPosition::Position(Place { commit: place, prepare: place }));
        let filter = SubscriptionFilter::on_stream_name().add_prefix(&self.stream);
        let options = SubscribeToAllOptions::default().position(from).filter(filter).requires_leader(true);
        let mut following = client.subscribe_to_all(&options).await;
        loop {
            let follows = self.tell.borrow().follows;
            let next = following.next_subscription_event();
            // It may take as long as it likes only once it stands.
            let next = match follows {
                true => next.await,
                false => tokio::time::timeout(self.patience, next).await.unwrap_or(Err(Error::DeadlineExceeded)),
            };
            match next? {
                SubscriptionEvent::Confirmed(_) => self.tell.send_modify(|shown| {
                    shown.doubts += 1;
                    shown.follows = true;
                }),
                SubscriptionEvent::EventAppeared(event) => {
                    let event = event.get_original_event();
                    let (ours, place) = (event.stream_id == self.stream, event.position.commit);
                    self.tell.send_modify(|shown| match ours {
                        true => shown.event(event.revision + 1, place),
                        // Of a stream whose name begins as the log's does.
                        false => shown.place = Some(place),
                    });
                }
                SubscriptionEvent::Checkpoint(place) => {
                    self.tell.send_modify(|shown| shown.place = Some(place.commit));
                }
                _ => {}
            }
        }
    }
}

/// Whether it was a server that said so.
fn answered(error: &Error) -> bool {
    !matches!(error, Error::GrpcConnectionError(_) | Error::DeadlineExceeded | Error::AccessDenied)
}
