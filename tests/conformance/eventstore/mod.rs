//! What only a log on EventStoreDB can show: answers that get lost, servers that change, and what others see in the stream.

mod apart;
mod beside;
mod doubt;
mod following;
mod idle;
mod limits;
mod outages;
mod races;
mod reservations;
mod secure;

use std::sync::Arc;
use std::time::Duration;

use chrysalis::log::eventstore::Options;
use chrysalis::log::{AppendError, Appended, Group, LogFault, Store as WholeStore};
use eventstore_double::Double;

use super::store::EventStore;
use super::world::clock;

/// A log that gives up soon, on a double of the case's own.
async fn on(double: &Double) -> (EventStore, Arc<dyn WholeStore>) {
    let store = EventStore::at(&double.url());
    let log = store.try_open(&impatient(&store), &clock()).await.unwrap();
    (store, log)
}

fn impatient(store: &EventStore) -> Options {
    Options { patience: Duration::from_millis(1500), commit_timeout: Duration::from_secs(5), ..store.options() }
}

/// Sends a group again and again, as whoever is told to come back does, until it is stored or refused.
async fn insist(log: &dyn WholeStore, group: &Group) -> Result<Appended, AppendError> {
    loop {
        match log.append(group.clone()).await {
            Err(AppendError::Fault(LogFault::Unavailable(_)) | AppendError::Busy { .. }) => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            answered => return answered,
        }
    }
}

/// How many events stand in the stream, as the server has it.
fn streamed(double: &Double, store: &EventStore) -> usize {
    double.events().iter().filter(|event| event.stream.as_ref() == store.stream()).count()
}
