//! Bodies that are not read to their end: refused for their size, or before anybody looked. Behind what is left of one a
//! connection can't be asked anything more, and the client is told that it is not to.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use hyper::body::{Frame, SizeHint};

use crate::wire::body::BODY_LIMIT;

/// What is left of a request's body.
pub struct Rest(Option<Arc<AtomicBool>>);

impl Rest {
    /// Watches over a body that is long, or does not say how long it is. A short one has come with its head: the connection
    /// reads it to its end and goes on.
    pub fn of(request: &mut Request) -> Self {
        if request.body().size_hint().upper().is_some_and(|most| most <= BODY_LIMIT as u64) {
            return Self(None);
        }
        let ended = Arc::<AtomicBool>::default();
        let body = std::mem::take(request.body_mut());
        *request.body_mut() = Body::new(Watched { body, ended: ended.clone() });
        Self(Some(ended))
    }

    pub fn is_left(&self) -> bool {
        self.0.as_ref().is_some_and(|ended| !ended.load(Ordering::Relaxed))
    }
}

struct Watched {
    body: Body,
    ended: Arc<AtomicBool>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if matches!(polled, Poll::Ready(None)) || self.body.is_end_stream() {
            self.ended.store(true, Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
