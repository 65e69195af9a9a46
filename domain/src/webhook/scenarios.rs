//! What becomes of a webhook endpoint.

use ulid::Ulid;

use super::*;
use crate::event::Names;
use crate::id::SealedId;

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn secret(n: u128) -> Secret {
    Secret { owner: PersonId::from_ulid(Ulid::from_parts(1, n)), record: SealedId::from_ulid(Ulid::from_parts(2, n)) }
}

fn created() -> WebhookCreated {
    WebhookCreated {
        webhook: WebhookId::from_ulid(Ulid::from_parts(1, 1)),
        url: secret(1),
        secret: secret(2),
        event_types: Vec::new(),
        enabled: true,
        at: START,
    }
}

fn happen(webhook: &mut Webhook, command: WebhookCommand) -> Result<Vec<WebhookEvent>, WebhookRefusal> {
    let events = webhook.decide(command, START)?;
    events.iter().for_each(|event| webhook.apply(event));
    Ok(events)
}

fn there() -> Webhook {
    let mut webhook = Webhook::default();
    happen(&mut webhook, WebhookCommand::Create(Box::new(created()))).unwrap();
    webhook
}

fn update(event_types: Option<&[&str]>, enabled: Option<bool>) -> WebhookCommand {
    let event_types = event_types.map(|types| types.iter().map(|name| (*name).to_owned()).collect());
    WebhookCommand::Update { url: None, event_types, enabled }
}

fn lose(after_success: bool) -> WebhookCommand {
    let message = MessageId::from_ulid(Ulid::from_parts(3, 1));
    let loss = Loss { message, event_type: "user.created".to_owned(), attempts: 5, status: Some(500), after_success };
    WebhookCommand::Lose(loss)
}

fn types(events: &[WebhookEvent]) -> Vec<&'static str> {
    events.iter().map(WebhookEvent::event_type).collect()
}

#[test]
fn what_changes_nothing_is_no_event() {
    let mut webhook = there();
    assert_eq!(happen(&mut webhook, update(Some(&[]), Some(true))), Ok(Vec::new()));
    let events = happen(&mut webhook, update(Some(&["user.created"]), Some(false))).unwrap();
    assert_eq!(types(&events), ["WebhookUpdated", "WebhookDisabled"]);
    assert_eq!(happen(&mut webhook, update(Some(&["user.created"]), Some(false))), Ok(Vec::new()));
    assert_eq!(types(&happen(&mut webhook, update(Some(&[]), None)).unwrap()), ["WebhookUpdated"]);
}

#[test]
fn a_new_address_is_always_one_and_the_old_one_goes() {
    let mut webhook = there();
    for (old, new) in [(1, 3), (3, 4)] {
        let command = WebhookCommand::Update { url: Some(secret(new)), event_types: None, enabled: None };
        let events = happen(&mut webhook, command).unwrap();
        let erases = vec![secret(old).owner];
        assert_eq!(events, [WebhookUpdated { url: Some(secret(new)), event_types: None, erases, at: START }.into()]);
    }
    let kept = happen(&mut webhook, update(Some(&["user.created"]), None)).unwrap();
    assert_eq!(kept[0].erases(), []);
}

#[test]
fn the_address_and_the_secret_go_with_the_endpoint() {
    let mut webhook = there();
    let command = WebhookCommand::Update { url: Some(secret(3)), event_types: None, enabled: None };
    happen(&mut webhook, command).unwrap();
    let events = happen(&mut webhook, WebhookCommand::Delete).unwrap();
    assert_eq!(events[0].erases(), [secret(3).owner, secret(2).owner]);
}

#[test]
fn the_third_lost_delivery_in_a_row_disables() {
    let mut webhook = there();
    assert_eq!(types(&happen(&mut webhook, lose(false)).unwrap()), ["DeliveryLost"]);
    assert_eq!(types(&happen(&mut webhook, lose(false)).unwrap()), ["DeliveryLost"]);
    let last = happen(&mut webhook, lose(false)).unwrap();
    assert_eq!(types(&last), ["DeliveryLost", "WebhookDisabled"]);
    assert_eq!(last[1], WebhookDisabled { reason: DisabledReason::LostDeliveries, at: START }.into());
    // What was on its way then may be lost as well.
    assert_eq!(types(&happen(&mut webhook, lose(false)).unwrap()), ["DeliveryLost"]);
    assert_eq!((webhook.enabled, webhook.lost), (false, 4));
}

#[test]
fn one_that_arrives_begins_the_count_anew() {
    let mut webhook = there();
    for after_success in [false, false, true, false, true, false] {
        assert_eq!(types(&happen(&mut webhook, lose(after_success)).unwrap()), ["DeliveryLost"]);
    }
    assert_eq!((webhook.enabled, webhook.in_a_row, webhook.lost), (true, 2, 6));
    assert_eq!(happen(&mut webhook, lose(false)).unwrap().len(), 2);
}

#[test]
fn so_does_whoever_enables_it() {
    let mut webhook = there();
    for _ in 0..3 {
        happen(&mut webhook, lose(false)).unwrap();
    }
    assert_eq!(types(&happen(&mut webhook, update(None, Some(true))).unwrap()), ["WebhookEnabled"]);
    for _ in 0..2 {
        assert_eq!(happen(&mut webhook, lose(false)).unwrap().len(), 1);
    }
    assert!(webhook.enabled);
}

#[test]
fn each_replay_is_another_one() {
    let mut webhook = there();
    for replay in 1..=3 {
        let events = happen(&mut webhook, WebhookCommand::Replay { from: 7 }).unwrap();
        assert_eq!(events, [WebhookReplayed { from: 7, replay, at: START }.into()]);
    }
}

#[test]
fn what_is_not_there_takes_nothing() {
    let mut gone = there();
    assert_eq!(types(&happen(&mut gone, WebhookCommand::Delete).unwrap()), ["WebhookDeleted"]);
    assert_eq!(happen(&mut gone, WebhookCommand::Create(Box::new(created()))), Err(WebhookRefusal::Exists));
    for webhook in [&mut Webhook::default(), &mut gone] {
        for command in
            [update(None, Some(true)), WebhookCommand::Replay { from: 1 }, lose(false), WebhookCommand::Delete]
        {
            assert_eq!(happen(webhook, command), Err(WebhookRefusal::Unknown));
        }
    }
}
