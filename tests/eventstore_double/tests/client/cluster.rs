//! Several nodes: who leads, who is sent where, and who is let in.

use std::time::Duration;

use eventstore::{AppendToStreamOptions, Error, ExpectedRevision as Expected};
use eventstore_double::{Double, Options};

use super::{append, case, client, client_at, event, said};

#[test]
fn a_writer_finds_the_leader_and_the_next_one() {
    case(async {
        let double = Double::cluster(3);
        let client = client(&double);
        append(&client, "a", Expected::NoStream, vec![event("1")]).await.unwrap();
        double.elect(2);
        let sent_away = append(&client, "a", Expected::Exact(0), vec![event("2")]).await.unwrap_err();
        let leader = double.node(2).address();
        assert!(
            matches!(&sent_away, Error::NotLeaderException(there) if there.port == u32::from(leader.port())),
            "{sent_away}"
        );
        let settled = append(&client, "a", Expected::Exact(0), vec![event("2")]).await.unwrap();
        assert_eq!(settled.next_expected_version, 1);
        assert_eq!(said(&client, "a").await.unwrap(), ["1", "2"]);
    });
}

#[test]
fn a_follower_passes_on_what_does_not_insist() {
    case(async {
        let double = Double::cluster(3);
        let at = |insists: bool| {
            let preference = if insists { "leader" } else { "follower" };
            client_at(&format!("esdb://{}?tls=false&nodePreference={preference}", double.node(1).address()))
        };
        append(&at(false), "a", Expected::NoStream, vec![event("1")]).await.unwrap();
        assert!(matches!(
            append(&at(true), "a", Expected::Any, vec![event("2")]).await,
            Err(Error::NotLeaderException(_))
        ));
        assert_eq!(double.appends(), 1);
    });
}

#[test]
fn nobody_writes_while_nobody_leads() {
    case(async {
        let double = Double::cluster(3);
        let before = client(&double);
        append(&before, "a", Expected::NoStream, vec![event("1")]).await.unwrap();
        double.depose();
        assert!(append(&before, "a", Expected::Any, vec![event("2")]).await.is_err());
        double.elect(0);
        let after = client(&double);
        append(&after, "a", Expected::Exact(0), vec![event("2")]).await.unwrap();
    });
}

#[test]
fn a_follower_may_be_behind() {
    case(async {
        let double = Double::cluster(2);
        let leader = client(&double);
        append(&leader, "a", Expected::NoStream, vec![event("1")]).await.unwrap();
        double.node(1).fall_behind();
        append(&leader, "a", Expected::Exact(0), vec![event("2")]).await.unwrap();
        let follower = client_at(&format!("esdb://{}?tls=false&nodePreference=follower", double.node(1).address()));
        assert_eq!(said(&follower, "a").await.unwrap(), ["1"]);
        double.node(1).keep_up();
        assert_eq!(said(&follower, "a").await.unwrap(), ["1", "2"]);
    });
}

#[test]
fn whoever_has_no_password_is_not_let_in() {
    case(async {
        let login = Some(("admin".to_owned(), "changeit".to_owned()));
        let double = Double::with(&Options { login, ..Options::default() }).unwrap();
        append(&client(&double), "a", Expected::NoStream, vec![event("1")]).await.unwrap();
        let address = double.node(0).address();
        for nobody in ["", "admin:wrong@"] {
            let client = client_at(&format!("esdb://{nobody}{address}?tls=false"));
            assert!(matches!(append(&client, "a", Expected::Any, vec![event("2")]).await, Err(Error::AccessDenied)));
            assert!(matches!(said(&client, "a").await, Err(Error::AccessDenied)));
        }
        assert_eq!(double.appends(), 1);
    });
}

#[test]
fn a_slow_answer_is_waited_for_as_long_as_the_caller_will() {
    case(async {
        let double = Double::start();
        let client = client(&double);
        append(&client, "a", Expected::NoStream, vec![event("1")]).await.unwrap();
        double.slow(Duration::from_millis(300));
        append(&client, "a", Expected::Exact(0), vec![event("2")]).await.unwrap();
        let options =
            AppendToStreamOptions::default().expected_revision(Expected::Exact(1)).deadline(Duration::from_millis(50));
        assert!(client.append_to_stream("a", &options, event("3")).await.is_err());
    });
}
