//! What others see who read EventStoreDB beside Chrysalis: every event, with its type and its bytes, in the log's order.

use chrysalis::log::Expected;
use eventstore::{Client, ClientSettings, SubscribeToAllOptions, SubscriptionEvent, SubscriptionFilter};
use eventstore_double::Double;

use super::on;
use crate::conformance::run;
use crate::conformance::world::{bare, everything};

#[test]
fn others_see_every_event_in_the_order_of_the_log() {
    run(async {
        let double = Double::start();
        let (store, log) = on(&double).await;
        for number in 0..50 {
            log.append(bare(&format!("s{}", number % 7), Expected::Any, 1 + number % 3)).await.unwrap();
        }
        let client = Client::new(double.url().parse::<ClientSettings>().unwrap()).unwrap();
        let filter = SubscriptionFilter::on_stream_name().add_prefix(store.stream());
        let mut following = client.subscribe_to_all(&SubscribeToAllOptions::default().filter(filter)).await;
        let mut seen = Vec::new();
        loop {
            match following.next_subscription_event().await.unwrap() {
                SubscriptionEvent::EventAppeared(event) => {
                    let event = event.get_original_event();
                    assert_eq!(event.revision, seen.len() as u64);
                    seen.push((event.event_type.clone(), event.data.to_vec()));
                }
                SubscriptionEvent::CaughtUp => break,
                _ => {}
            }
        }
        let stored = everything(log.as_ref()).await;
        assert_eq!(seen, stored.into_iter().map(|event| (event.event_type, event.body)).collect::<Vec<_>>());
    });
}
