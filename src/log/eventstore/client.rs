//! A client of EventStoreDB, with all that it sets going, on a runtime of its own that ends with it.
//!
//! By itself the client (`eventstore` 4.0) lets nothing go: the task that keeps its connections holds a sender of the queue that it reads,
//! and the tasks of a session of appends wait for each other. Whoever drops one, and after a failure there is nothing else to
//! do, would keep its sockets for as long as the process lives; where nobody leads for an hour, that is more than a process may have.

use std::sync::atomic::{AtomicBool, Ordering};

use eventstore::{Client, ClientSettings, Error};
use tokio::runtime::{Builder, Runtime};
use tokio_util::context::RuntimeExt;

pub(super) struct Connected {
    client: Client,
    /// There until it ends.
    runtime: Option<Runtime>,
}

static MADE: AtomicBool = AtomicBool::new(false);

impl Connected {
    /// # Errors
    /// When a TLS provider was installed before: the first client of a process chooses it for all of it, and panics where
    /// somebody else did. When the process may have no more threads.
    pub(super) fn new(settings: &ClientSettings) -> Result<Self, Error> {
        if !MADE.swap(true, Ordering::SeqCst) && rustls::crypto::CryptoProvider::get_default().is_some() {
            MADE.store(false, Ordering::SeqCst);
            let told = "a TLS provider was installed before the first client of EventStoreDB was made";
            return Err(Error::InitializationError(told.to_owned()));
        }
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("eventstore").enable_all().build();
        let runtime = runtime.map_err(|error| Error::InitializationError(error.to_string()))?;
        let client = Client::with_runtime_handle(runtime.handle().clone(), settings.clone())?;
        Ok(Self { client, runtime: Some(runtime) })
    }

    /// A call, by whoever waits for it; what it sets going is the client's.
    pub(super) async fn call<'c, T, F: Future<Output = T>>(&'c self, call: impl FnOnce(&'c Client) -> F) -> T {
        let call = async { call(&self.client).await };
        match &self.runtime {
            Some(runtime) => runtime.wrap(call).await,
            None => call.await,
        }
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
