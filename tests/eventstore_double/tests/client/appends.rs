//! Who is let in, and what is a repetition.

use eventstore::{BatchAppendOptions, CurrentRevision, Error, ExpectedRevision as Expected};
use eventstore_double::Double;

use super::{append, case, client, event, said, same};

#[test]
fn an_append_is_stored_at_the_revision_that_it_expects() {
    case(async {
        let double = Double::start();
        let client = client(&double);
        let first = append(&client, "a", Expected::NoStream, vec![event("1"), event("2")]).await.unwrap();
        assert_eq!(first.next_expected_version, 1);
        let second = append(&client, "a", Expected::Exact(1), vec![event("3")]).await.unwrap();
        assert_eq!(second.next_expected_version, 2);
        append(&client, "a", Expected::StreamExists, vec![event("4")]).await.unwrap();
        let last = append(&client, "a", Expected::Any, vec![event("5")]).await.unwrap();
        assert_eq!(last.next_expected_version, 4);
        assert_eq!(said(&client, "a").await.unwrap(), ["1", "2", "3", "4", "5"]);
        // They rise, and not by one.
        assert!(
            first.position.commit < second.position.commit - 1 && second.position.commit < last.position.commit - 1
        );
    });
}

#[test]
fn another_expectation_is_refused_with_what_stands() {
    case(async {
        let double = Double::start();
        let client = client(&double);
        let refused = |expected, events| append(&client, "a", expected, events);
        for expected in [Expected::StreamExists, Expected::Exact(0)] {
            let error = refused(expected, vec![event("0")]).await.unwrap_err();
            assert!(matches!(error, Error::WrongExpectedVersion { current: CurrentRevision::NoStream, .. }), "{error}");
        }
        append(&client, "a", Expected::NoStream, vec![event("1"), event("2")]).await.unwrap();
        for expected in [Expected::NoStream, Expected::Exact(0), Expected::Exact(2)] {
            let error = refused(expected, vec![event("3")]).await.unwrap_err();
            assert!(
                matches!(error, Error::WrongExpectedVersion { current: CurrentRevision::Current(1), .. }),
                "{error}"
            );
        }
        assert_eq!(said(&client, "a").await.unwrap(), ["1", "2"]);
        assert_eq!(double.appends(), 1);
    });
}

#[test]
fn the_same_append_again_is_answered_as_it_was() {
    case(async {
        let double = Double::start();
        let client = client(&double);
        append(&client, "a", Expected::NoStream, vec![same(1)]).await.unwrap();
        for expected in [Expected::Exact(0), Expected::Any, Expected::StreamExists] {
            let first = append(&client, "a", expected, vec![same(2), same(3)]).await.unwrap();
            let again = append(&client, "a", expected, vec![same(2), same(3)]).await.unwrap();
            assert_eq!((first.next_expected_version, first.position), (again.next_expected_version, again.position));
        }
        append(&client, "a", Expected::Exact(2), vec![same(4)]).await.unwrap();
        // Long after it, too.
        let again = append(&client, "a", Expected::NoStream, vec![same(1)]).await.unwrap();
        assert_eq!(again.next_expected_version, 0);
        assert_eq!(said(&client, "a").await.unwrap(), ["1", "2", "3", "4"]);
        // Half of it known is none.
        let half = append(&client, "a", Expected::Any, vec![same(4), same(5)]).await.unwrap_err();
        assert!(matches!(half, Error::WrongExpectedVersion { .. }), "{half}");
        // In another stream it is another event.
        append(&client, "b", Expected::Any, vec![same(1)]).await.unwrap();
        assert_eq!(said(&client, "b").await.unwrap(), ["1"]);
    });
}

#[test]
fn ids_are_forgotten_at_a_restart_and_revisions_are_not() {
    case(async {
        let double = Double::start();
        let before = client(&double);
        append(&before, "a", Expected::NoStream, vec![same(1)]).await.unwrap();
        append(&before, "b", Expected::Any, vec![same(2)]).await.unwrap();
        double.node(0).crash();
        double.node(0).restart();
        let after = client(&double);
        append(&after, "a", Expected::NoStream, vec![same(1)]).await.unwrap();
        append(&after, "b", Expected::Any, vec![same(2)]).await.unwrap();
        assert_eq!(said(&after, "a").await.unwrap(), ["1"]);
        assert_eq!(said(&after, "b").await.unwrap(), ["2", "2"]);
    });
}

#[test]
fn what_is_too_large_is_refused() {
    case(async {
        let double = Double::start();
        let client = client(&double);
        let large = "x".repeat(1024 * 1024 + 1);
        let error = append(&client, "a", Expected::Any, vec![event(&large)]).await.unwrap_err();
        assert!(matches!(&error, Error::Grpc { message, .. } if message.contains("Maximum Append Size")), "{error}");
        assert_eq!(double.appends(), 0);
    });
}

#[test]
fn a_session_stores_many_appends() {
    case(async {
        let double = Double::start();
        let client = client(&double);
        let session = client.batch_append(&BatchAppendOptions::default()).await.unwrap();
        let streams: Vec<String> = (0..200).map(|number| format!("s{number}")).collect();
        let appends = streams
            .iter()
            .map(|stream| session.append_to_stream(stream, Expected::NoStream, vec![event("1"), event("2")]));
        for written in futures_util::future::join_all(appends).await {
            let written = written.unwrap();
            assert_eq!(written.current_revision(), Some(1));
            assert!(written.current_position().is_some());
        }
        assert_eq!(double.appends(), 200);
        // The refusal names no revision, and the client ends the session with it.
        let error = session.append_to_stream("s0", Expected::NoStream, vec![event("3")]).await.unwrap_err();
        assert!(matches!(&error, Error::Grpc { message, .. } if message == "WrongExpectedVersion"), "{error}");
        assert!(session.append_to_stream("s0", Expected::Any, vec![event("3")]).await.is_err());
    });
}
