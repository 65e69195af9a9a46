//! Events of the log as they come, for one reader (server-sent events, WHATWG HTML 9.2).
//!
//! A task reads on behind where the reader is, a page at a time, and holds no more than that: it reads the next page when the
//! one before was taken, gives the store's connection back in between, and hangs up on who takes nothing. Nothing is told that
//! was recorded after the reader's key or session ended: whether it stands is asked behind each page that is read.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures_util::stream;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, StatusCode};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use crate::app::App;
use crate::app::audit::events::Reader;
use crate::app::authority::Authority;
use crate::evidence::line::Line;
use crate::http::state::Http;
use crate::http::streams::Place;
use crate::log::{LogFault, Recorded};
use crate::open::duration;
use crate::wire::error::ApiError;

/// Events of a page.
const PAGE: usize = 64;
/// How long events may gather: one page for many.
const GATHER: Duration = Duration::from_millis(20);
/// How often to look whether the reader may still read.
const LOOK: Duration = Duration::from_secs(1);
/// Who takes nothing for so long has gone, or is stuck.
const TAKES_NOTHING: Duration = Duration::from_secs(30);
/// When to come back where there is no place, in seconds.
const COME_BACK: u32 = 10;
/// A proxy that gathers an answer before it passes it on would gather this one for ever.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

pub fn open(http: &Http, authority: Authority, reader: Reader) -> Result<Response, ApiError> {
    let Some(place) = http.streams.take() else {
        let full = "There are as many streams as there may be at a time";
        return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "TOO_MANY_STREAMS", full).retry_after(COME_BACK));
    };
    // One page is on its way, and the next one waits for it.
    let (out, pages) = mpsc::channel(1);
    let heartbeat = duration(http.app.config.audit.heartbeat);
    let telling = Telling { app: http.app.clone(), authority, reader, place, out, heartbeat };
    tokio::spawn(telling.run());
    let body = stream::unfold(pages, |mut pages: mpsc::Receiver<Bytes>| async move {
        pages.recv().await.map(|page| (Ok::<_, Infallible>(page), pages))
    });
    let mut response = Response::new(Body::from_stream(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response.headers_mut().insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    Ok(response)
}

struct Telling {
    app: App,
    authority: Authority,
    reader: Reader,
    place: Place,
    out: mpsc::Sender<Bytes>,
    heartbeat: Duration,
}

/// The reader is told nothing more.
struct Ended;

impl Telling {
    async fn run(mut self) {
        if let Err(fault) = self.tell().await {
            tracing::warn!(%fault, "a reader of the log was cut off; it goes on when it asks again");
        }
    }

    async fn tell(&mut self) -> Result<(), LogFault> {
        let log = self.app.log.clone();
        let mut head = log.head();
        let mut beats = interval_at(Instant::now() + self.heartbeat, self.heartbeat);
        let mut looks = interval_at(Instant::now() + LOOK, LOOK);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told = self.reader.place();
        // The answer begins, also where nothing happens for a while.
        if self.send(": the log, as it goes on\n\n".to_owned()).await.is_err() {
            return Ok(());
        }
        loop {
            head.mark_unchanged();
            let page = self.reader.next(log.as_ref(), PAGE).await?;
            if !self.may_read().await? {
                return Ok(());
            }
            if let Some(last) = page.events.last() {
                told = last.position;
                if self.send(blocks(&page.events)?).await.is_err() {
                    return Ok(());
                }
            }
            if page.ended {
                return Ok(());
            }
            loop {
                // What ends it, and what is due, comes before the next page: behind a filter for what is rare, pages are many.
                tokio::select! {
                    biased;
                    () = self.place.closed() => return Ok(()),
                    () = self.out.closed() => return Ok(()),
                    _ = beats.tick() => {
                        // Also says how far was looked: who filters need not begin there again.
                        let place = self.reader.place();
                        let beat = if place > told { format!(": still here\nid: {place}\n\n") } else { ": still here\n\n".to_owned() };
                        told = place;
                        if self.send(beat).await.is_err() {
                            return Ok(());
                        }
                    }
                    _ = looks.tick() => {
                        if !self.may_read().await? {
                            return Ok(());
                        }
                    }
                    // Reading may take this thread: others have their turn in between.
                    () = tokio::task::yield_now(), if page.more => break,
                    changed = head.changed(), if !page.more => {
                        if changed.is_err() {
                            return Ok(());
                        }
                        tokio::time::sleep(GATHER).await;
                        break;
                    }
                }
            }
        }
    }

    async fn may_read(&self) -> Result<bool, LogFault> {
        self.app.still_allowed(&self.authority, self.app.clock.now()).await
    }

    async fn send(&mut self, text: String) -> Result<(), Ended> {
        tokio::select! {
            sent = timeout(TAKES_NOTHING, self.out.send(text.into())) => match sent {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) | Err(_) => Err(Ended),
            },
            () = self.place.closed() => Err(Ended),
        }
    }
}

/// A block for each event. A line holds no line break.
fn blocks(events: &[Recorded]) -> Result<String, LogFault> {
    let mut text = Vec::new();
    for event in events {
        text.extend(format!("id: {}\ndata: ", event.position).bytes());
        let line = Line::of(&event.fields(), event.leaf()).write(&mut text);
        line.map_err(|error| LogFault::Bug(error.to_string()))?;
        text.extend(b"\n\n");
    }
    String::from_utf8(text).map_err(|error| LogFault::Bug(error.to_string()))
}
