//! Answers that do not end by themselves: so many at a time, and none when the server stops.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

#[derive(Clone)]
pub struct Streams {
    places: Arc<Semaphore>,
    closing: Arc<watch::Sender<bool>>,
}

/// One of them. It is given back when this is dropped.
pub struct Place {
    _permit: OwnedSemaphorePermit,
    closing: watch::Receiver<bool>,
}

impl Streams {
    pub fn new(most: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(most)), closing: Arc::new(watch::Sender::new(false)) }
    }

    /// None where there are as many as there may be, or the server stops.
    pub fn take(&self) -> Option<Place> {
        let permit = self.places.clone().try_acquire_owned().ok()?;
        let closing = self.closing.subscribe();
        let open = !*closing.borrow();
        open.then_some(Place { _permit: permit, closing })
    }

    /// Ends all there are.
    pub fn close(&self) {
        self.closing.send_replace(true);
    }
}

impl Place {
    /// Done when the server stops.
    pub async fn closed(&mut self) {
        // Whoever could say so is gone: as good as said.
        let _ = self.closing.wait_for(|closing| *closing).await;
    }
}
