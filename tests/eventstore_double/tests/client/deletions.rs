//! Streams that go, and those that come back.

use eventstore::{DeleteStreamOptions, Error, ExpectedRevision as Expected, TombstoneStreamOptions};
use eventstore_double::Double;

use super::{append, case, client, event, said};

#[test]
fn a_deleted_stream_comes_back_at_the_next_revision() {
    case(async {
        let double = Double::start();
        let client = client(&double);
        append(&client, "a", Expected::NoStream, vec![event("1"), event("2")]).await.unwrap();
        let wrong = DeleteStreamOptions::default().expected_revision(Expected::Exact(0));
        assert!(client.delete_stream("a", &wrong).await.is_err());
        client.delete_stream("a", &DeleteStreamOptions::default()).await.unwrap();
        assert!(matches!(said(&client, "a").await, Err(Error::ResourceNotFound)));
        // What stood there stays in the log until it is scavenged.
        assert_eq!(double.events().len(), 2);
        let back = append(&client, "a", Expected::NoStream, vec![event("3")]).await.unwrap();
        assert_eq!(back.next_expected_version, 2);
        assert_eq!(said(&client, "a").await.unwrap(), ["3"]);
    });
}

#[test]
fn a_tombstone_is_for_ever() {
    case(async {
        let double = Double::start();
        let client = client(&double);
        append(&client, "a", Expected::NoStream, vec![event("1")]).await.unwrap();
        client.tombstone_stream("a", &TombstoneStreamOptions::default()).await.unwrap();
        assert!(matches!(said(&client, "a").await, Err(Error::ResourceDeleted)));
        for expected in [Expected::Any, Expected::NoStream, Expected::Exact(0)] {
            let error = append(&client, "a", expected, vec![event("2")]).await.unwrap_err();
            assert!(matches!(error, Error::ResourceDeleted), "{error}");
        }
    });
}
