//! Read models that follow the log: folded after the fact, one node at a time, into tables of their own.
//!
//! What they say may be a moment old, and costs whoever writes nothing. Rows and the position up to which they are folded
//! change together, so that every event is folded once. Another one is a file with a [`Model`], and a line of
//! [`ASYNC`](crate::ASYNC): its tables are made and its past is folded by itself.
//!
//! Most folds see one event and nothing else. One whose answer hangs on what happened before to the same user keeps a row of
//! them ([`Keeping`]): it is read in the transaction that writes what follows, so it is always the one that the event met.

use std::collections::HashMap;

use chrysalis_domain::{Event, Subject, Timestamp};

use crate::table::{Change, Column, Question, Table, Value};
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
    /// What others read of them. They stand on the rows that are read, whichever generation that is.
    pub views: &'static [View],
    pub fold: Fold,
}

/// What follows from an event. The same function folds live and anew.
#[derive(Clone, Copy)]
pub enum Fold {
    /// Nothing but the entry counts.
    Plain(fn(&Entry, &mut Vec<Change>)),
    /// What is kept of whom it happened to counts as well.
    Keeping(Keeping),
}

/// A fold that keeps something of each user between events.
#[derive(Clone, Copy)]
pub struct Keeping {
    /// One of the model's tables. Its key is the user's id, and stands first.
    pub table: &'static Table,
    /// Every column but the key.
    pub set: &'static [&'static str],
    /// Whose row the event reads or changes; none where it does neither.
    pub whose: fn(&Entry) -> Option<String>,
    /// Changes the row, if it is there or has to be from now on, and adds to numbers of other tables: in whatever order.
    pub fold: fn(&Entry, &mut Option<Vec<Value>>, &mut Vec<Change>),
}

/// A table under a name that stays, for whoever reads the store's own SQL. Columns are only ever added to it, at its end.
#[derive(Debug)]
pub struct View {
    pub name: &'static str,
    pub columns: &'static [Column],
    /// What it selects, in the SQL that every store speaks.
    pub select: &'static str,
}

/// Events of a page whose outcome hangs on rows that are kept.
pub struct Pending {
    keeping: Keeping,
    entries: Vec<(String, Entry)>,
}

impl Pending {
    pub const fn of(keeping: Keeping) -> Self {
        Self { keeping, entries: Vec::new() }
    }

    /// Folds an event that hangs on no row, and puts aside one that does.
    pub fn fold(&mut self, entry: &Entry, out: &mut Vec<Change>) {
        match (self.keeping.whose)(entry) {
            Some(whose) => self.entries.push((whose, entry.clone())),
            None => (self.keeping.fold)(entry, &mut None, out),
        }
    }

    pub fn table(&self) -> &'static Table {
        self.keeping.table
    }

    /// The rows that are needed.
    pub fn keys(&self) -> Vec<&str> {
        let mut keys: Vec<_> = self.entries.iter().map(|(whose, _)| whose.as_str()).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// What follows, with those of the rows that are there.
    pub fn settle(&self, rows: Vec<Vec<Value>>) -> Vec<(Subject, Change)> {
        let key = |row: &Vec<Value>| row.first().and_then(Value::as_text).unwrap_or_default().to_owned();
        let there: HashMap<String, Vec<Value>> = rows.into_iter().map(|row| (key(&row), row)).collect();
        let mut now: HashMap<&str, Option<Vec<Value>>> = HashMap::new();
        let (mut met, mut out, mut fresh) = (Vec::new(), Vec::new(), Vec::new());
        for (whose, entry) in &self.entries {
            let row = now.entry(whose.as_str()).or_insert_with(|| {
                met.push((whose.as_str(), entry.event.subject()));
                there.get(whose).cloned()
            });
            (self.keeping.fold)(entry, row, &mut fresh);
            out.extend(fresh.drain(..).map(|change| (entry.event.subject(), change)));
        }
        let Keeping { table, set, .. } = self.keeping;
        for (whose, subject) in met {
            let (before, now) = (there.get(whose), now.remove(whose).flatten());
            match (before, now) {
                (None, Some(values)) => out.push((subject, Change::Insert { table, values })),
                (Some(before), Some(mut values)) if *before != values => {
                    values.rotate_left(1);
                    out.push((subject, Change::Update { table, set, by: table.key[0], values }));
                }
                _ => {}
            }
        }
        out
    }
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
