//! Who follows is told everything once, in order, and where they are.

use eventstore::{
    Client, ExpectedRevision as Expected, Position, StreamPosition, SubscribeToAllOptions, SubscribeToStreamOptions,
    Subscription, SubscriptionEvent, SubscriptionFilter,
};
use eventstore_double::Double;

use super::{append, case, client, event};

#[derive(Debug, PartialEq)]
enum Told {
    Said(String),
    At(Position),
    CaughtUp,
}

async fn told(following: &mut Subscription) -> Told {
    loop {
        match following.next_subscription_event().await.unwrap() {
            SubscriptionEvent::EventAppeared(event) => {
                return Told::Said(String::from_utf8(event.get_original_event().data.to_vec()).unwrap());
            }
            SubscriptionEvent::Checkpoint(place) => return Told::At(place),
            SubscriptionEvent::CaughtUp => return Told::CaughtUp,
            _ => {}
        }
    }
}

/// What is said until it is caught up.
async fn caught_up(following: &mut Subscription) -> Vec<String> {
    let mut said = Vec::new();
    loop {
        match told(following).await {
            Told::Said(text) => said.push(text),
            Told::At(_) => {}
            Told::CaughtUp => return said,
        }
    }
}

async fn says(client: &Client, stream: &str, text: &str) {
    append(client, stream, Expected::Any, vec![event(text)]).await.unwrap();
}

#[test]
fn a_follower_is_told_what_stands_and_what_comes() {
    case(async {
        let double = Double::start();
        let client = client(&double);
        for number in 0..100 {
            says(&client, "user-1", &number.to_string()).await;
        }
        let filter = SubscriptionFilter::on_stream_name().exclude_system_events();
        let mut following = client.subscribe_to_all(&SubscribeToAllOptions::default().filter(filter)).await;
        let stood: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        assert_eq!(caught_up(&mut following).await, stood);
        for number in 100..150 {
            says(&client, "user-2", &number.to_string()).await;
            assert_eq!(told(&mut following).await, Told::Said(number.to_string()));
        }
    });
}

#[test]
fn filters_let_through_what_they_say() {
    case(async {
        let double = Double::start();
        let client = client(&double);
        for stream in ["user-1", "claim-1", "users", "user-2"] {
            says(&client, stream, stream).await;
        }
        let streams = SubscriptionFilter::on_stream_name;
        let cases = [
            (streams().add_prefix("user-"), vec!["user-1", "user-2"]),
            (streams().add_prefix("claim-").add_prefix("users"), vec!["claim-1", "users"]),
            (streams().regex("^[a-z]+-1$"), vec!["user-1", "claim-1"]),
            (SubscriptionFilter::on_event_type().add_prefix("Not"), vec!["user-1", "claim-1", "users", "user-2"]),
            (SubscriptionFilter::on_event_type().regex("^Other"), vec![]),
        ];
        for (filter, expected) in cases {
            let mut following = client.subscribe_to_all(&SubscribeToAllOptions::default().filter(filter)).await;
            assert_eq!(caught_up(&mut following).await, expected);
        }
    });
}

#[test]
fn a_filtering_follower_is_told_how_far_it_is() {
    case(async {
        let double = Double::start();
        let client = client(&double);
        for number in 0..100 {
            says(&client, "other", &number.to_string()).await;
        }
        says(&client, "user-1", "here").await;
        let filter = || SubscriptionFilter::on_stream_name().add_prefix("user-").max(10);
        let mut following = client.subscribe_to_all(&SubscribeToAllOptions::default().filter(filter())).await;
        let mut places = Vec::new();
        loop {
            match told(&mut following).await {
                Told::At(place) => places.push((place.commit, place.prepare)),
                Told::Said(said) => assert_eq!(said, "here"),
                Told::CaughtUp => break,
            }
        }
        assert!(places.len() >= 10 && places.is_sorted_by(|one, next| one < next), "{places:?}");
        // Live, too: nothing that matches comes, and yet it learns how far it is.
        for number in 0..10 {
            says(&client, "other", &number.to_string()).await;
        }
        let Told::At(place) = told(&mut following).await else { panic!("no checkpoint") };
        // From there on it goes on.
        says(&client, "user-1", "there").await;
        let options = SubscribeToAllOptions::default().filter(filter()).position(StreamPosition::Position(place));
        assert_eq!(caught_up(&mut client.subscribe_to_all(&options).await).await, ["there"]);
    });
}

#[test]
fn a_follower_goes_on_after_the_place_it_names() {
    case(async {
        let double = Double::start();
        let client = client(&double);
        for number in 0..50 {
            says(&client, "a", &number.to_string()).await;
        }
        let at = double.events()[39].at;
        let place = StreamPosition::Position(Position { commit: at, prepare: at });
        let mut following = client.subscribe_to_all(&SubscribeToAllOptions::default().position(place)).await;
        let rest: Vec<String> = (40..50).map(|number| number.to_string()).collect();
        assert_eq!(caught_up(&mut following).await, rest);
        let options = SubscribeToAllOptions::default().position(StreamPosition::End);
        let mut following = client.subscribe_to_all(&options).await;
        assert_eq!(caught_up(&mut following).await, Vec::<String>::new());
        says(&client, "a", "new").await;
        assert_eq!(told(&mut following).await, Told::Said("new".to_owned()));
    });
}

#[test]
fn a_stream_is_followed_before_it_is_there() {
    case(async {
        let double = Double::start();
        let client = client(&double);
        let options = SubscribeToStreamOptions::default().start_from(StreamPosition::Start);
        let mut following = client.subscribe_to_stream("a", &options).await;
        assert_eq!(told(&mut following).await, Told::CaughtUp);
        says(&client, "b", "elsewhere").await;
        says(&client, "a", "here").await;
        assert_eq!(told(&mut following).await, Told::Said("here".to_owned()));
    });
}
