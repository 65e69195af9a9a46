//! Which network each guest came from: a side row beside the log, in keyed hashes. It is exempt from "if it is not in an
//! event, it did not happen", because it must be possible to forget it: it goes with the user, and after a while.
//!
//! [`tally`] counts them by where and when they came.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrysalis_domain::Timestamp;
use chrysalis_domain::id::UserId;
use chrysalis_domain::user::Standing;
use chrysalis_projections::table::{Cursor, id};
use chrysalis_projections::users::USERS;
use chrysalis_projections::{Change, Question, Value};
use ulid::Ulid;

use super::{Group, Log, LogFault, ask, ask_one};

mod tally;

pub use tally::{Grouping, Key, PIECE, Tallies, Tally, Width, tally};

/// A network, as a keyed hash. Cut to as much as tells the networks of the world apart.
pub type NetworkHash = [u8; 16];

/// A network as people may see and name it: its hash, as text.
pub fn named(network: &NetworkHash) -> String {
    URL_SAFE_NO_PAD.encode(network)
}

/// The network of that name; none where it is no such name.
pub fn network(name: &str) -> Option<NetworkHash> {
    URL_SAFE_NO_PAD.decode(name).ok()?.try_into().ok()
}

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

impl Networks {
    /// Whether it is one of these.
    pub fn include(&self, network: &NetworkHash) -> bool {
        let around = [self.network56.as_ref(), self.network48.as_ref()];
        self.network == *network || around.contains(&Some(network))
    }
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

/// `?1` and `?2` = between these ids, `?3` = a network, or nothing for all, `?4` = rows to look at. How many rows were looked at,
/// and how many of them are of guests who came from there.
static COUNT: Question<(i64, i64)> = Question {
    sql: "SELECT COUNT(*), COALESCE(SUM(counted.fits), 0) FROM (
              SELECT CASE WHEN u.standing IN ('guest', 'provisional')
                           AND (LENGTH(?3) = 0 OR o.network = ?3 OR o.network56 = ?3 OR o.network48 = ?3)
                          THEN 1 ELSE 0 END AS fits
              FROM origins o JOIN users u ON u.user_id = o.user_id
              WHERE o.user_id > ?1 AND o.user_id < ?2 ORDER BY o.user_id LIMIT ?4) counted",
    read: |row| Some((row.integer(0)?, row.integer(1)?)),
};

/// The lowest id that a user of that time or later can have: ids are in the order of time.
pub fn first_id(at: Timestamp) -> UserId {
    UserId::from_ulid(Ulid::from_parts(u64::try_from(at.as_millis()).unwrap_or(0), 0))
}

/// Origins of guests behind one and before another, oldest first, at most `limit`.
pub async fn between(log: &dyn Log, after: UserId, before: UserId, limit: i64) -> Result<Vec<OriginRow>, LogFault> {
    ask(log, &BETWEEN, &[id(after), id(before), limit.into()]).await
}

/// How many guests came between two ids, from a network if one is named; and whether they were counted to the end.
pub async fn count(
    log: &dyn Log,
    after: UserId,
    before: UserId,
    network: Option<NetworkHash>,
    most: i64,
) -> Result<(u64, bool), LogFault> {
    let network = network.map_or(Vec::new(), |network| network.to_vec());
    let asked = [id(after), id(before), network.into(), most.into()];
    let (looked_at, fit) = ask_one(log, &COUNT, &asked).await?.unwrap_or_default();
    Ok((u64::try_from(fit).unwrap_or(0), looked_at < most))
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
