//! Moving a log from one store to another, as it is: what is read at one end and put down at the other. How a copy goes
//! about it is in [`super::copy`]. And what followers keep beside the log, which a copy takes along.

use async_trait::async_trait;
use chrysalis_projections::Value;
use chrysalis_projections::table::Kind;

use super::{Log, LogFault, Position, Recorded};

/// A table that stands beside the log and can't be folded from it.
#[derive(Debug)]
pub struct SideTable {
    pub name: &'static str,
    /// The columns of its key first.
    pub columns: &'static [(&'static str, Kind)],
    /// How many columns its key has.
    pub key: usize,
    /// What another node or a server may change at any time: it is copied, and not compared.
    pub restless: bool,
}

const TEXT: Kind = Kind::Text;
const INTEGER: Kind = Kind::Integer;
const BYTES: Kind = Kind::Bytes;

/// Every side table that moves. Snapshots are made again as they are needed; leases are of no use elsewhere.
pub static SIDE_TABLES: [SideTable; 10] = [
    SideTable {
        name: "keys",
        columns: &[
            ("purpose", TEXT),
            ("id", INTEGER),
            ("root", TEXT),
            ("wrapped", BYTES),
            ("created_at", INTEGER),
            ("retired_at", INTEGER),
        ],
        key: 2,
        restless: false,
    },
    SideTable {
        name: "person_keys",
        columns: &[("person_id", TEXT), ("epoch", INTEGER), ("wrapped", BYTES)],
        key: 1,
        restless: false,
    },
    SEALED,
    SideTable {
        name: "quotas",
        columns: &[("key", BYTES), ("stamps", BYTES), ("expires_at", INTEGER)],
        key: 1,
        restless: true,
    },
    SideTable {
        name: "idempotency",
        columns: &[
            ("key", BYTES),
            ("first_position", INTEGER),
            ("last_position", INTEGER),
            ("recorded_at", INTEGER),
            ("note", BYTES),
            ("expires_at", INTEGER),
        ],
        key: 1,
        restless: true,
    },
    SideTable {
        name: "origins",
        columns: &[
            ("user_id", TEXT),
            ("created_at", INTEGER),
            ("key_id", INTEGER),
            ("network", BYTES),
            ("network56", BYTES),
            ("network48", BYTES),
        ],
        key: 1,
        restless: true,
    },
    CHECKPOINTS,
    SIGNED_CHECKPOINTS,
    WEBHOOK_TALLIES,
    WEBHOOK_WAITING,
];

/// States to load from instead of replaying a long stream: made again as they are needed, so they don't move.
pub static SNAPSHOTS: SideTable = SideTable {
    name: "snapshots",
    columns: &[("stream", TEXT), ("version", INTEGER), ("state", BYTES)],
    key: 1,
    restless: true,
};

/// What is sealed, each record under the key of a person.
pub const SEALED: SideTable = SideTable {
    name: "sealed",
    columns: &[("sealed_id", TEXT), ("person_id", TEXT), ("kind", TEXT), ("salt", BYTES), ("ciphertext", BYTES)],
    key: 1,
    restless: false,
};

/// How far each follower has come.
pub const CHECKPOINTS: SideTable =
    SideTable { name: "checkpoints", columns: &[("follower", TEXT), ("position", INTEGER)], key: 1, restless: true };

/// What was signed of the log.
pub const SIGNED_CHECKPOINTS: SideTable = SideTable {
    name: "signed_checkpoints",
    columns: &[("size", INTEGER), ("root", BYTES), ("note", TEXT), ("signed_at", INTEGER)],
    key: 1,
    restless: false,
};

/// How deliveries to webhook endpoints went.
pub const WEBHOOK_TALLIES: SideTable = SideTable {
    name: "webhook_tallies",
    columns: &[
        ("webhook_id", TEXT),
        ("arrived", INTEGER),
        ("lost_before", INTEGER),
        ("last_at", INTEGER),
        ("last_arrived", INTEGER),
        ("replays", INTEGER),
    ],
    key: 1,
    restless: true,
};

/// What waits to be delivered to them.
pub const WEBHOOK_WAITING: SideTable = SideTable {
    name: "webhook_waiting",
    columns: &[
        ("webhook_id", TEXT),
        ("stream", TEXT),
        ("version", INTEGER),
        ("nth", INTEGER),
        ("attempts", INTEGER),
        ("due_at", INTEGER),
    ],
    key: 2,
    restless: true,
};

impl SideTable {
    pub(super) fn names(&self) -> Vec<&'static str> {
        self.columns.iter().map(|(name, _)| *name).collect()
    }

    pub(super) fn key_names(&self) -> Vec<&'static str> {
        self.columns[..self.key].iter().map(|(name, _)| *name).collect()
    }
}

/// A row of a side table: a value for each column.
pub type SideRow = Vec<Value>;

/// What changes in a side table: rows that are put down, in the place of those that have their keys, and the keys of those
/// that are taken away.
#[derive(Clone, Debug)]
pub struct SideChange {
    pub table: &'static SideTable,
    pub put: Vec<SideRow>,
    pub gone: Vec<SideRow>,
}

/// A store that a log can be moved from, and into.
#[async_trait]
pub trait Transfer: Log {
    /// Rows in the order of their key, behind one of them.
    async fn side_rows(
        &self,
        table: &'static SideTable,
        after: Option<&[Value]>,
        limit: usize,
    ) -> Result<Vec<SideRow>, LogFault>;

    async fn put_side_rows(&self, change: SideChange) -> Result<(), LogFault>;

    /// Writes what a follower keeps, all of it or nothing, and only while that follower's checkpoint stands at a place.
    /// `false` where it does not: somebody else took over, and whatever they wrote stays.
    async fn keep(&self, follower: &str, at: Position, changes: Vec<SideChange>) -> Result<bool, LogFault>;

    /// Puts events down just as they are, behind `after`.
    ///
    /// # Errors
    /// [`LogFault::Unavailable`] when the log does not end at `after`: somebody else writes to it.
    async fn receive(&self, after: Position, events: Vec<Recorded>) -> Result<(), LogFault>;

    /// Where the log ends now, whoever wrote last.
    async fn end(&self) -> Result<Position, LogFault>;

    /// Events behind a position as the log itself has them, in order: where it is kept elsewhere, also those that are not
    /// stored here.
    async fn standing(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, LogFault> {
        self.read_all(after, limit).await
    }
}

/// What [`Transfer::receive`] says to whoever comes second.
pub(super) fn elsewhere(after: Position) -> LogFault {
    LogFault::Unavailable(format!(
        "the destination does not end at position {after} any more: something else writes to it; stop it, then copy again"
    ))
}
