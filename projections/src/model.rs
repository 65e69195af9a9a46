//! Read models that follow the log: folded after the fact, one node at a time, into tables of their own.
//!
//! What they say may be a moment old, and costs whoever writes nothing. Rows and the position up to which they are folded
//! change together, so that every event is folded once. Another one is a file with a [`Model`], and a line of
//! [`ASYNC`](crate::ASYNC): its tables are made and its past is folded by itself.

use chrysalis_domain::{Event, Timestamp};

use crate::table::{Change, Question, Table};
use crate::tiles;

/// A read model that follows the log.
pub struct Model {
    /// Names its place in the log, so it is for ever.
    pub name: &'static str,
    /// Raised whenever the fold or the tables change: the model is then folded anew beside the one that stands, and takes
    /// its place.
    pub version: u32,
    /// More than one stream changes most of them: see [`Table::shared`].
    pub tables: &'static [&'static Table],
    /// What one event changes. Nothing but the entry may count: the same function folds live and anew.
    pub fold: fn(&Entry, &mut Vec<Change>),
}

impl Model {
    /// Its rows say in clear what is sealed elsewhere, so no fold of events makes them: see [`search`](crate::search).
    pub fn is_readable(&self) -> bool {
        self.tables.iter().any(|table| !table.by_part().is_empty())
    }

    /// Whether its rows are what its fold makes of events. The others are made by followers of their own: what is readable,
    /// and the tree over the log's bytes.
    pub fn is_folded(&self) -> bool {
        !self.is_readable() && self.name != tiles::MODEL.name
    }
}

/// One event as the log has it, with what is known of it.
#[derive(Clone, Debug)]
pub struct Entry {
    pub position: u64,
    pub id: String,
    /// The log's own time: never falls as position rises.
    pub recorded_at: Timestamp,
    /// The decision's clock.
    pub occurred_at: Timestamp,
    pub actor: Actor,
    pub request: Option<String>,
    /// The event that this one follows from, if one did.
    pub cause: Option<String>,
    pub settings_version: u64,
    pub event: Event,
}

/// Who decided.
#[derive(Clone, Debug)]
pub struct Actor {
    /// `user`, `admin`, `system` or `api_key`.
    pub kind: String,
    pub id: Option<String>,
    /// The session or key through which they acted.
    pub by: Option<String>,
    pub impersonator: Option<String>,
}

/// `?1` = a model's name. The last event that is in the rows that are read of it.
pub static FOLDED_TO: Question<u64> = Question {
    sql: "SELECT g.position FROM generations g WHERE g.model = ?1 AND g.stage = 'live'",
    read: |row| row.integer(0).map(i64::cast_unsigned),
};
