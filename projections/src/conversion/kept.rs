//! What has to be known of a user to count what happens next: a row, once there is more to know than that they came as a guest.
//! Most guests come once and leave no row. Rows stay when users go: a late record of activity must not count twice.

use chrysalis_domain::id::UserId;

use crate::table::{Cursor, Row, Table, Value, id, integer, text};

pub(super) static GUESTS: Table = Table {
    name: "conversion_guests",
    key: &["user_id"],
    columns: &[
        text("user_id"),
        // Never was a guest before.
        integer("signed_up"),
        // Is a member now.
        integer("member"),
        // 1: the address is proven; 2: and was counted so.
        integer("proof"),
        // Sessions beside the first, before the upgrade.
        integer("sessions"),
        // On which days and weeks after the first they were active, a bit each.
        integer("days"),
        integer("weeks"),
        // By which they first became a member.
        text("method").optional(),
        text("channel").optional(),
        text("campaign").optional(),
        text("referrer").optional(),
    ],
    indexes: &[],
    shared: false,
    clustered: true,
};

pub(super) const SET: &[&str] =
    &["signed_up", "member", "proof", "sessions", "days", "weeks", "method", "channel", "campaign", "referrer"];

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) signed_up: bool,
    pub(super) member: bool,
    pub(super) proof: Proof,
    pub(super) sessions: i64,
    pub(super) days: i64,
    pub(super) weeks: i64,
    pub(super) method: Option<String>,
    pub(super) channel: Option<String>,
    pub(super) campaign: Option<String>,
    pub(super) referrer: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Proof {
    #[default]
    None,
    Proven,
    Counted,
}

impl Kept {
    /// Whether they are a guest who never was anything else.
    pub(super) fn is_guest_yet(&self) -> bool {
        !self.signed_up && self.method.is_none()
    }

    pub(super) fn read(values: &[Value]) -> Self {
        let row = Values(values);
        let mut c = Cursor::new(&row);
        c.text();
        Self {
            signed_up: c.flag(),
            member: c.flag(),
            proof: match c.integer() {
                Some(2) => Proof::Counted,
                Some(1) => Proof::Proven,
                _ => Proof::None,
            },
            sessions: c.integer().unwrap_or(0),
            days: c.integer().unwrap_or(0),
            weeks: c.integer().unwrap_or(0),
            method: c.text(),
            channel: c.text(),
            campaign: c.text(),
            referrer: c.text(),
        }
    }

    pub(super) fn row(self, user: UserId) -> Vec<Value> {
        let proof: i64 = match self.proof {
            Proof::None => 0,
            Proof::Proven => 1,
            Proof::Counted => 2,
        };
        vec![
            id(user),
            self.signed_up.into(),
            self.member.into(),
            proof.into(),
            self.sessions.into(),
            self.days.into(),
            self.weeks.into(),
            self.method.into(),
            self.channel.into(),
            self.campaign.into(),
            self.referrer.into(),
        ]
    }
}

/// Values as a row.
struct Values<'v>(&'v [Value]);

impl Row for Values<'_> {
    fn integer(&self, column: usize) -> Option<i64> {
        match self.0.get(column) {
            Some(Value::Integer(number)) => Some(*number),
            _ => None,
        }
    }

    fn text(&self, column: usize) -> Option<&str> {
        self.0.get(column).and_then(Value::as_text)
    }

    fn bytes(&self, _: usize) -> Option<&[u8]> {
        None
    }
}
