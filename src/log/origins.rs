//! Which network each guest came from: a side row beside the log, in keyed hashes. It is exempt from "if it is not in an
//! event, it did not happen", because it must be possible to forget it: it goes with the user, and after a while.

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::UserId;
use chrysalis_domain::user::Standing;
use chrysalis_projections::table::{Cursor, id};
use chrysalis_projections::users::USERS;
use chrysalis_projections::{Change, Question, Value};
use ulid::Ulid;

use super::{Group, Log, LogFault, ask};

/// A network, as a keyed hash. Cut to as much as tells the networks of the world apart.
pub type NetworkHash = [u8; 16];

/// Where one guest came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub user: UserId,
    pub at: Timestamp,
    pub networks: Networks,
}

/// The network that somebody came from, and those around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Networks {
    /// The look-up key that made the hashes: those of another key can't be compared with them.
    pub key_id: u32,
    /// IPv4 /32, IPv6 /64.
    pub network: NetworkHash,
    /// IPv6 alone, as the next.
    pub network56: Option<NetworkHash>,
    pub network48: Option<NetworkHash>,
}

/// An origin, and what became of the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginRow {
    pub user: UserId,
    pub at: Timestamp,
    pub networks: Networks,
    pub standing: Standing,
}

/// `?1` and `?2` = between these ids, `?3` = at most so many, oldest first.
static BETWEEN: Question<OriginRow> = Question {
    sql: "SELECT o.user_id, o.created_at, o.key_id, o.network, o.network56, o.network48, u.standing
          FROM origins o JOIN users u ON u.user_id = o.user_id
          WHERE o.user_id > ?1 AND o.user_id < ?2 ORDER BY o.user_id LIMIT ?3",
    read: |row| {
        let mut c = Cursor::new(row);
        let (user, at) = (c.parse()?, c.time()?);
        let key_id = u32::try_from(c.integer()?).ok()?;
        let mut network = || c.bytes().and_then(|bytes| bytes.try_into().ok());
        let networks = Networks { key_id, network: network()?, network56: network(), network48: network() };
        Some(OriginRow { user, at, networks, standing: Standing::from_name(&c.text()?)? })
    },
};

/// `?1` = an id. Whether there is a row before it.
static BEFORE: Question<i64> = Question {
    sql: "SELECT created_at FROM origins WHERE user_id < ?1 ORDER BY user_id LIMIT 1",
    read: |row| row.integer(0),
};

/// The lowest id that a user of that time or later can have: ids are in the order of time.
pub fn first_id(at: Timestamp) -> UserId {
    UserId::from_ulid(Ulid::from_parts(u64::try_from(at.as_millis()).unwrap_or(0), 0))
}

/// Origins of guests behind one and before another, oldest first, at most `limit`.
pub async fn between(log: &dyn Log, after: UserId, before: UserId, limit: i64) -> Result<Vec<OriginRow>, LogFault> {
    ask(log, &BETWEEN, &[id(after), id(before), limit.into()]).await
}

/// Whether something is kept of guests from before that time.
pub async fn kept_before(log: &dyn Log, at: Timestamp) -> Result<bool, LogFault> {
    Ok(!ask(log, &BEFORE, &[id(first_id(at))]).await?.is_empty())
}

impl Group {
    /// Users who go with it: what is kept of their origin goes too.
    pub(super) fn departed(&self) -> impl Iterator<Item = &str> {
        self.changes().filter_map(|change| match change {
            Change::Delete { table, value: Value::Text(user), .. } if **table == USERS => Some(user.as_str()),
            _ => None,
        })
    }
}
