//! What readers are shown, from where, and in which order.

use eventstore::{
    Client, Error, ExpectedRevision as Expected, ReadAllOptions, ReadEvent, ReadStreamOptions, StreamPosition,
};
use eventstore_double::Double;

use super::{append, case, client, event, said};

async fn many(client: &Client, stream: &str, events: usize) {
    let events = (0..events).map(|number| event(&number.to_string())).collect();
    append(client, stream, Expected::NoStream, events).await.unwrap();
}

/// Revisions, as they are read.
async fn revisions(client: &Client, options: ReadStreamOptions) -> Vec<u64> {
    let mut reading = client.read_stream("a", &options).await.unwrap();
    let mut revisions = Vec::new();
    while let Some(event) = reading.next().await.unwrap() {
        revisions.push(event.get_original_event().revision);
    }
    revisions
}

/// What applications wrote, as it is read.
async fn all(client: &Client, options: ReadAllOptions) -> Vec<(String, u64)> {
    let mut reading = client.read_all(&options).await.unwrap();
    let mut all = Vec::new();
    while let Some(event) = reading.next().await.unwrap() {
        let event = event.get_original_event();
        all.push((event.stream_id.clone(), event.position.commit));
    }
    all
}

#[test]
fn a_stream_is_read_forwards_and_back_over_many_pages() {
    case(async {
        let double = Double::start();
        let client = client(&double);
        many(&client, "a", 100).await;
        let from = |revision| ReadStreamOptions::default().position(StreamPosition::Position(revision));
        assert_eq!(revisions(&client, ReadStreamOptions::default()).await, (0..100).collect::<Vec<_>>());
        assert_eq!(revisions(&client, from(97)).await, [97, 98, 99]);
        assert_eq!(revisions(&client, from(100)).await, Vec::<u64>::new());
        assert_eq!(revisions(&client, from(10).max_count(2)).await, [10, 11]);
        let back = ReadStreamOptions::default().position(StreamPosition::End);
        assert_eq!(revisions(&client, back.clone()).await, (0..100).rev().collect::<Vec<_>>());
        assert_eq!(revisions(&client, back.max_count(1)).await, [99]);
        assert_eq!(revisions(&client, from(1).backwards()).await, [1, 0]);
    });
}

#[test]
fn the_last_revision_is_told_with_an_answer() {
    case(async {
        let double = Double::start();
        let client = client(&double);
        many(&client, "a", 3).await;
        let mut reading = client.read_stream("a", &ReadStreamOptions::default().max_count(1)).await.unwrap();
        let mut last = None;
        while let Some(read) = reading.next_read_event().await.unwrap() {
            if let ReadEvent::LastStreamPosition(revision) = read {
                last = Some(revision);
            }
        }
        assert_eq!(last, Some(2));
    });
}

#[test]
fn a_stream_that_nobody_wrote_to_is_not_found() {
    case(async {
        let double = Double::start();
        let client = client(&double);
        assert!(matches!(said(&client, "a").await, Err(Error::ResourceNotFound)));
        many(&client, "a", 1).await;
        assert_eq!(said(&client, "a").await.unwrap(), ["0"]);
    });
}

#[test]
fn everything_is_read_in_the_order_of_positions() {
    case(async {
        let double = Double::start();
        let client = client(&double);
        for stream in ["a", "b", "c"] {
            many(&client, stream, 30).await;
        }
        let everything = all(&client, ReadAllOptions::default()).await;
        assert!(everything.iter().any(|(stream, _)| stream.starts_with('$')), "system events are among them");
        assert!(everything.is_sorted_by(|one, next| one.1 < next.1));
        let ours: Vec<_> = everything.iter().filter(|(stream, _)| !stream.starts_with('$')).cloned().collect();
        assert_eq!(ours.len(), 90);
        // From a place on, it included; back, it excluded.
        let position = |at| {
            let place = eventstore::Position { commit: at, prepare: at };
            ReadAllOptions::default().position(StreamPosition::Position(place))
        };
        assert_eq!(all(&client, position(ours[45].1)).await, ours[45..]);
        assert_eq!(all(&client, position(ours[45].1).max_count(5)).await, ours[45..50]);
        let back: Vec<_> = everything.iter().rev().cloned().collect();
        assert_eq!(all(&client, ReadAllOptions::default().position(StreamPosition::End)).await, back);
        let before = everything.iter().position(|event| *event == ours[45]).unwrap();
        let back: Vec<_> = everything[..before].iter().rev().cloned().collect();
        assert_eq!(all(&client, position(ours[45].1).backwards()).await, back);
    });
}

#[test]
fn a_place_that_nobody_was_told_is_none() {
    case(async {
        let double = Double::start();
        let client = client(&double);
        many(&client, "a", 2).await;
        let at = double.events()[0].at + 1;
        let place = StreamPosition::Position(eventstore::Position { commit: at, prepare: at });
        let reading = client.read_all(&ReadAllOptions::default().position(place)).await;
        assert!(matches!(reading, Err(Error::Grpc { .. })));
    });
}
