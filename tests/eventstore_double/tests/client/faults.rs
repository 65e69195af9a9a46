//! What goes wrong, and what is left of it.

use std::time::Duration;

use eventstore::{Client, Error, EventData, ExpectedRevision as Expected, WriteResult};
use eventstore_double::{Double, Trouble};

use super::{append, case, client, event, said, same};

/// Asks with a new client each time, until it is stored.
async fn insist(double: &Double, stream: &str, expected: Expected, events: Vec<EventData>) -> WriteResult {
    loop {
        match append(&client(double), stream, expected, events.clone()).await {
            Ok(written) => return written,
            Err(Error::WrongExpectedVersion { expected, current }) => panic!("expected {expected}, is {current}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn begun(double: &Double) -> Client {
    let client = client(double);
    append(&client, "a", Expected::NoStream, vec![same(1)]).await.unwrap();
    client
}

#[test]
fn a_lost_answer_is_got_by_asking_again() {
    case(async {
        let double = Double::start();
        begun(&double).await;
        for trouble in [Trouble::AnswerLost, Trouble::TimedOutStored] {
            let client = client(&double);
            let standing = said(&client, "a").await.unwrap().len() as u64;
            double.trouble(&[trouble]);
            let event = same(u128::from(standing) + 1);
            assert!(append(&client, "a", Expected::Exact(standing - 1), vec![event.clone()]).await.is_err());
            assert_eq!(double.appends(), standing + 1, "{trouble:?}: it is stored");
            let again = insist(&double, "a", Expected::Exact(standing - 1), vec![event]).await;
            assert_eq!((again.next_expected_version, double.appends()), (standing, standing + 1));
        }
    });
}

#[test]
fn what_fails_before_it_is_stored_is_not_stored() {
    case(async {
        let double = Double::start();
        let client = begun(&double).await;
        for trouble in [Trouble::TimedOut, Trouble::NotReady, Trouble::TooBusy, Trouble::Broken] {
            double.trouble(&[trouble]);
            assert!(append(&client, "a", Expected::Exact(0), vec![event("2")]).await.is_err());
            assert_eq!(double.appends(), 1, "{trouble:?}");
        }
    });
}

#[test]
fn a_cut_is_silent_and_heals() {
    case(async {
        let double = Double::start();
        let client = begun(&double).await;
        double.node(0).cut();
        let late = append(&client, "a", Expected::Exact(0), vec![same(2)]).await.unwrap_err();
        assert!(matches!(late, Error::DeadlineExceeded), "{late}");
        double.node(0).mend();
        assert_eq!(insist(&double, "a", Expected::Exact(0), vec![same(2)]).await.next_expected_version, 1);
        assert_eq!(double.appends(), 2);
    });
}

#[test]
fn what_was_acknowledged_outlives_a_crash() {
    case(async {
        let double = Double::start();
        let before = begun(&double).await;
        double.node(0).crash();
        assert!(append(&before, "a", Expected::Exact(0), vec![event("2")]).await.is_err());
        double.node(0).restart();
        assert_eq!(said(&client(&double), "a").await.unwrap(), ["1"]);
        insist(&double, "a", Expected::Exact(0), vec![event("2")]).await;
    });
}

#[test]
fn what_is_held_up_is_stored_later_or_never() {
    case(async {
        let double = Double::start();
        let client = begun(&double).await;
        let held = double.hold("user-");
        let waits = |number: u128| {
            let client = client.clone();
            tokio::spawn(async move { append(&client, "user-1", Expected::Any, vec![same(number)]).await })
        };
        let first = waits(7);
        held.waiting(1).await;
        // Others don't wait.
        append(&client, "b", Expected::Any, vec![event("2")]).await.unwrap();
        double.node(0).drop_connections();
        held.waiting(0).await;
        assert!(first.await.unwrap().is_err());
        let other = client_that_lives(&double).await;
        let second = tokio::spawn(async move { append(&other, "user-1", Expected::Any, vec![same(8)]).await });
        held.waiting(1).await;
        drop(held);
        second.await.unwrap().unwrap();
        assert_eq!(said(&client_that_lives(&double).await, "user-1").await.unwrap(), ["8"]);
    });
}

async fn client_that_lives(double: &Double) -> Client {
    let client = client(double);
    said(&client, "a").await.unwrap();
    client
}
