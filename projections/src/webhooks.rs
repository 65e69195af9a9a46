//! `webhooks`: one row for each endpoint that is told what happens. What became of deliveries stands beside it in
//! `webhook_tallies` and `webhook_waiting`, which are no fold: whoever delivers keeps them (docs/decisions/0013).

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::{SealedId, WebhookId};
use chrysalis_domain::webhook::WebhookEvent;

use crate::table::{Change, Column, Cursor, Question, Row, Table, Value, id, integer, text};

pub static WEBHOOKS: Table =
    Table { name: "webhooks", key: &["webhook_id"], columns: COLUMNS, indexes: &[], shared: false, clustered: false };

const COLUMNS: &[Column] = &[
    text("webhook_id"),
    // Names of sealed records.
    text("url"),
    text("secret"),
    // Names with spaces between; empty for everything.
    text("event_types"),
    integer("enabled"),
    // How often something was to be delivered anew, and from which position on the last time.
    integer("replays"),
    integer("replay_from"),
    integer("lost"),
    integer("in_a_row"),
    integer("created_at"),
    integer("updated_at"),
];

pub fn fold(webhook: WebhookId, event: &WebhookEvent, out: &mut Vec<Change>) {
    let mut set = |columns: &'static [&'static str], values: Vec<Value>| {
        let mut values = values;
        values.push(id(webhook));
        out.push(Change::Update { table: &WEBHOOKS, set: columns, by: "webhook_id", values });
    };
    match event {
        WebhookEvent::WebhookCreated(e) => {
            let values = vec![
                id(webhook),
                id(e.url.record),
                id(e.secret.record),
                e.event_types.join(" ").into(),
                e.enabled.into(),
                Value::Integer(0),
                Value::Integer(0),
                Value::Integer(0),
                Value::Integer(0),
                e.at.into(),
                e.at.into(),
            ];
            out.push(Change::Insert { table: &WEBHOOKS, values });
        }
        WebhookEvent::WebhookUpdated(e) => {
            if let Some(url) = e.url {
                set(&["url"], vec![id(url.record)]);
            }
            if let Some(event_types) = &e.event_types {
                set(&["event_types"], vec![event_types.join(" ").into()]);
            }
            set(&["updated_at"], vec![e.at.into()]);
        }
        WebhookEvent::WebhookEnabled(e) => {
            set(&["enabled", "in_a_row", "updated_at"], vec![true.into(), Value::Integer(0), e.at.into()]);
        }
        WebhookEvent::WebhookDisabled(e) => set(&["enabled", "updated_at"], vec![false.into(), e.at.into()]),
        WebhookEvent::WebhookReplayed(e) => {
            set(&["replays", "replay_from"], vec![i64::from(e.replay).into(), e.from.cast_signed().into()]);
        }
        WebhookEvent::DeliveryLost(e) => {
            set(&["lost", "in_a_row"], vec![e.lost.cast_signed().into(), i64::from(e.in_a_row).into()]);
        }
        WebhookEvent::WebhookDeleted(_) => {
            out.push(Change::Delete { table: &WEBHOOKS, by: "webhook_id", value: id(webhook) });
        }
    }
}

/// An endpoint, unread, and how its deliveries went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookRow {
    pub webhook: WebhookId,
    pub url: SealedId,
    pub secret: SealedId,
    pub event_types: Vec<String>,
    pub enabled: bool,
    pub replays: u32,
    /// The position that the last replay began at.
    pub replay_from: u64,
    /// Deliveries that were lost ever.
    pub lost: u64,
    /// Lost in a row when the last one was.
    pub in_a_row: u32,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub tally: Tally,
}

/// How deliveries to an endpoint went, as whoever delivers counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub arrived: u64,
    /// How many had been lost when the last one arrived.
    pub lost_before: u64,
    pub last_at: Option<Timestamp>,
    /// Whether the last attempt succeeded.
    pub last_arrived: bool,
    /// Replays that were begun.
    pub replays: u32,
}

impl WebhookRow {
    /// Deliveries that were lost since one arrived.
    pub fn lost_in_a_row(&self) -> u32 {
        if self.tally.lost_before == self.lost { 0 } else { self.in_a_row }
    }
}

macro_rules! webhook_question {
    ($rest:literal) => {
        concat!(
            "SELECT w.webhook_id, w.url, w.secret, w.event_types, w.enabled, w.replays, w.replay_from, w.lost, w.in_a_row,
                    w.created_at, w.updated_at, t.arrived, t.lost_before, t.last_at, t.last_arrived, t.replays
             FROM webhooks w LEFT JOIN webhook_tallies t ON t.webhook_id = w.webhook_id ",
            $rest
        )
    };
}

/// Every endpoint, newest first; `?1` = at most so many.
pub static ALL: Question<WebhookRow> = Question { sql: webhook_question!("ORDER BY w.webhook_id DESC LIMIT ?1"), read };

/// `?1` = webhook id.
pub static BY_ID: Question<WebhookRow> = Question { sql: webhook_question!("WHERE w.webhook_id = ?1"), read };

fn read(row: &dyn Row) -> Option<WebhookRow> {
    let mut c = Cursor::new(row);
    let whole = |number: Option<i64>| number.map_or(0, i64::cast_unsigned);
    let small = |number: Option<i64>| number.and_then(|number| number.try_into().ok()).unwrap_or(0);
    Some(WebhookRow {
        webhook: c.parse()?,
        url: c.parse()?,
        secret: c.parse()?,
        event_types: c.text()?.split_whitespace().map(str::to_owned).collect(),
        enabled: c.flag(),
        replays: small(c.integer()),
        replay_from: whole(c.integer()),
        lost: whole(c.integer()),
        in_a_row: small(c.integer()),
        created_at: c.time()?,
        updated_at: c.time()?,
        tally: Tally {
            arrived: whole(c.integer()),
            lost_before: whole(c.integer()),
            last_at: c.time(),
            last_arrived: c.flag(),
            replays: small(c.integer()),
        },
    })
}

/// A stream whose next message to an endpoint waits: everything of the stream that came before it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingRow {
    pub stream: String,
    pub version: u64,
    /// Which of the messages of that event.
    pub nth: u8,
    pub attempts: u32,
    pub due_at: Timestamp,
}

/// `?1` = webhook id, `?2` = behind which stream, `?3` = how many.
pub static WAITING: Question<WaitingRow> = Question {
    sql: "SELECT stream, version, nth, attempts, due_at FROM webhook_waiting
          WHERE webhook_id = ?1 AND stream > ?2 ORDER BY stream LIMIT ?3",
    read: |row| {
        let mut c = Cursor::new(row);
        Some(WaitingRow {
            stream: c.text()?,
            version: c.integer()?.cast_unsigned(),
            nth: c.integer()?.try_into().ok()?,
            attempts: c.integer()?.try_into().ok()?,
            due_at: c.time()?,
        })
    },
};

/// Endpoints whose tallies outlived them; `?1` = at most so many.
pub static LEFT_OVER: Question<WebhookId> = Question {
    sql: "SELECT t.webhook_id FROM webhook_tallies t WHERE NOT EXISTS (
              SELECT 1 FROM webhooks w WHERE w.webhook_id = t.webhook_id) LIMIT ?1",
    read: |row| Cursor::new(row).parse(),
};
