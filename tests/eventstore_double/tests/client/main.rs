//! The double by itself, as the crate `eventstore` sees it: what a server promises to a client, and how it fails.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that can't go on has failed")]

mod appends;
mod cluster;
mod deletions;
mod faults;
mod process;
mod reads;
mod subscriptions;

use std::future::Future;
use std::time::Duration;

use eventstore::{
    AppendToStreamOptions, Client, ClientSettings, Error, EventData, ExpectedRevision, ReadStreamOptions, WriteResult,
};
use eventstore_double::Double;

/// Longer than any case takes.
const HANGS: Duration = Duration::from_secs(60);

/// Longer than any answer takes that comes.
const PATIENCE: Duration = Duration::from_secs(2);

/// Runs a case, in bounded time.
fn case(case: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let ended = runtime.block_on(async { tokio::time::timeout(HANGS, case).await });
    runtime.shutdown_background();
    ended.expect("the case hangs");
}

fn client(double: &Double) -> Client {
    client_at(&double.url())
}

fn client_at(url: &str) -> Client {
    Client::new(url.parse::<ClientSettings>().unwrap()).unwrap()
}

/// An event that says something.
fn event(said: &str) -> EventData {
    EventData::binary("Noted", said.as_bytes().to_vec().into())
}

/// An event with that id, which says it.
fn same(id: u128) -> EventData {
    event(&id.to_string()).id(uuid::Uuid::from_u128(id))
}

async fn append(
    client: &Client,
    stream: &str,
    expected: ExpectedRevision,
    events: Vec<EventData>,
) -> Result<WriteResult, Error> {
    let options = AppendToStreamOptions::default().expected_revision(expected);
    // A deadline of the client's is kept by the server alone, which may not hear of it.
    let answer = tokio::time::timeout(PATIENCE, client.append_to_stream(stream, &options, events)).await;
    answer.unwrap_or(Err(Error::DeadlineExceeded))
}

/// What a stream says, from its start on.
async fn said(client: &Client, stream: &str) -> Result<Vec<String>, Error> {
    let mut reading = client.read_stream(stream, &ReadStreamOptions::default()).await?;
    let mut said = Vec::new();
    while let Some(event) = reading.next().await? {
        said.push(String::from_utf8(event.get_original_event().data.to_vec()).unwrap());
    }
    Ok(said)
}
