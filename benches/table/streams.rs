//! What decision 23 weighs: the same decisions written to EventStoreDB's double in two ways. As Chrysalis does, to one stream, to
//! which whatever waits is appended at a time. And to a stream for each user and one for each address, one append behind
//! the other where a decision is about both, until a subscription to `$all` has shown them, as whoever reads their own
//! write has to wait. Nothing else is done: no judging, no rows.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrysalis::log::eventstore::prompt;
use eventstore::{
    BatchAppendClient, BatchAppendOptions, Client, EventData, ExpectedRevision, StreamPosition, SubscribeToAllOptions,
    SubscriptionFilter,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::eventstore::{COMMITS, Process};
use crate::process::processor_time;
use crate::report::short;
use crate::{Bench, CONNECTIONS, Result, median};

/// Bytes of an event as Chrysalis writes it, and of what stands beside it.
const BODY: usize = 400;
const METADATA: usize = 600;

#[derive(Clone, Copy)]
enum Decision {
    /// Two events of one user.
    Guest,
    /// One of a user, and one of an address that nobody else may hold.
    Upgrade,
}

#[derive(Clone, Copy)]
enum Way {
    OneStream,
    StreamEach,
}

/// What one way did in a second, and what a decision took of this process.
struct Took {
    rate: f64,
    each: f64,
}

pub fn measure(bench: &mut Bench) -> Result<()> {
    for commit in COMMITS {
        let mut double = Process::start()?;
        double.order(&format!("slow {commit}"))?;
        for (what, decision) in [("a guest", Decision::Guest), ("an upgrade", Decision::Upgrade)] {
            let (mut one, mut each) = (Vec::new(), Vec::new());
            for _ in 0..bench.rounds {
                one.push(took(&double.url, decision, Way::OneStream, bench.time)?);
                each.push(took(&double.url, decision, Way::StreamEach, bench.time)?);
            }
            for (way, rounds) in [("one stream", &one), ("a stream for each", &each)] {
                let rate = median(rounds.iter().map(|took| took.rate));
                let time = median(rounds.iter().map(|took| took.each));
                bench.report.note(
                    &format!("EventStoreDB's double, {commit} ms a commit: {what}, {way}, written and nothing else"),
                    format!("{}/s, {} µs of processor time in the writer", short(rate), short(time)),
                );
            }
        }
    }
    Ok(())
}

fn took(url: &str, decision: Decision, way: Way, time: Duration) -> Result<Took> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let before = processor_time(std::process::id())?;
    let begun = Instant::now();
    let made = runtime.block_on(async {
        let client = Client::new(url.parse()?)?;
        match way {
            Way::OneStream => one_stream(&client, decision, begun + time).await,
            Way::StreamEach => stream_each(&client, decision, begun + time).await,
        }
    })?;
    let each = (processor_time(std::process::id())? - before).as_secs_f64() * 1e6 / made as f64;
    Ok(Took { rate: made as f64 / begun.elapsed().as_secs_f64(), each })
}

/// A session of appends, with a connection that holds nothing back, as Chrysalis has it.
async fn session(client: &Client) -> Result<BatchAppendClient> {
    let session = client.batch_append(&BatchAppendOptions::default().requires_leader(true)).await?;
    let none = ExpectedRevision::NoStream;
    session.append_to_stream(format!("first-{}", Uuid::new_v4()), none, vec![event("First")]).await?;
    let ports: Vec<u16> = client.settings().hosts().iter().filter_map(|host| u16::try_from(host.port).ok()).collect();
    prompt::connections_to(&ports)?;
    Ok(session)
}

fn event(event_type: &str) -> EventData {
    let event = EventData::binary(event_type, vec![b'1'; BODY].into());
    event.id(Uuid::new_v4()).metadata(vec![b'1'; METADATA].into())
}

/// Callers put what they decided into a queue; whatever waits there is one append.
async fn one_stream(client: &Client, decision: Decision, until: Instant) -> Result<u64> {
    let (offer, mut offered) = mpsc::channel::<oneshot::Sender<()>>(CONNECTIONS);
    let mut callers = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let offer = offer.clone();
        callers.spawn(async move {
            let mut made = 0;
            while Instant::now() < until {
                let (reply, answer) = oneshot::channel();
                offer.send(reply).await?;
                answer.await?;
                made += 1;
            }
            Ok::<u64, Box<dyn std::error::Error + Send + Sync>>(made)
        });
    }
    drop(offer);
    let (session, stream) = (session(client).await?, format!("log-{}", Uuid::new_v4()));
    let (mut batch, mut expected) = (Vec::new(), ExpectedRevision::NoStream);
    while offered.recv_many(&mut batch, CONNECTIONS).await > 0 {
        let types = match decision {
            Decision::Guest => ["GuestCreated", "SessionStarted"],
            Decision::Upgrade => ["GuestUpgraded", "EmailClaimed"],
        };
        let events = batch.iter().flat_map(|_| types.map(event)).collect();
        let written = session.append_to_stream(&stream, expected, events).await?;
        expected = ExpectedRevision::Exact(written.current_revision().ok_or("no revision")?);
        for reply in batch.drain(..) {
            let _ = reply.send(());
        }
    }
    total(callers).await
}

/// Each caller writes by itself; what it wrote has come by the subscription before it goes on.
async fn stream_each(client: &Client, decision: Decision, until: Instant) -> Result<u64> {
    let filter = SubscriptionFilter::on_stream_name().add_prefix("user-").add_prefix("address-");
    let following = SubscribeToAllOptions::default().filter(filter).position(StreamPosition::End);
    let mut following = client.subscribe_to_all(&following).await;
    let (seen, sees) = watch::channel(0);
    // Subscribed before anything is written that it is to show.
    following.next_subscription_event().await?;
    let follower = tokio::spawn(async move {
        while let Ok(event) = following.next().await {
            let _ = seen.send(event.get_original_event().position.commit);
        }
    });
    let session = Arc::new(session(client).await?);
    let mut callers = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (session, mut sees) = (session.clone(), sees.clone());
        callers.spawn(async move {
            let mut made = 0;
            while Instant::now() < until {
                let (user, address) = (format!("user-{}", Uuid::new_v4()), format!("address-{}", Uuid::new_v4()));
                let none = ExpectedRevision::NoStream;
                let written = match decision {
                    Decision::Guest => {
                        let events = vec![event("GuestCreated"), event("SessionStarted")];
                        session.append_to_stream(&user, none, events).await?
                    }
                    Decision::Upgrade => {
                        session.append_to_stream(&address, none, vec![event("EmailReserved")]).await?;
                        let written = session.append_to_stream(&user, none, vec![event("GuestUpgraded")]).await?;
                        // Nobody waits for the saga's last step; it is work all the same.
                        let session = session.clone();
                        tokio::spawn(async move {
                            let last = vec![event("EmailClaimed")];
                            session.append_to_stream(&address, ExpectedRevision::Exact(0), last).await
                        });
                        written
                    }
                };
                let position = written.current_position().ok_or("no position")?.commit;
                sees.wait_for(|seen| *seen >= position).await?;
                made += 1;
            }
            Ok::<u64, Box<dyn std::error::Error + Send + Sync>>(made)
        });
    }
    let made = total(callers).await;
    follower.abort();
    made
}

async fn total(mut callers: JoinSet<Result<u64>>) -> Result<u64> {
    let mut made = 0;
    while let Some(caller) = callers.join_next().await {
        made += caller??;
    }
    Ok(made)
}
