//! What a store does for a log that is kept elsewhere and gives the order ([`super::eventstore`]): it judges what is to be
//! offered to that log, keeps it while that is under way, and stores what came to stand there, events included. Whoever
//! reads has the events, the read models and all that stands beside them in one place, as in any store.

use std::sync::Arc;

use async_trait::async_trait;
use chrysalis_domain::Timestamp;
use chrysalis_projections::table::Kind;

use super::transfer::SideTable;
use super::{Appended, Group, LogFault, Position, Refused, Store};

/// The checkpoint that stands at 1 in a store whose log is elsewhere: alone it must not be written to.
pub const ELSEWHERE: &str = "log, kept elsewhere";

/// The checkpoint of whoever follows that log: the place, in that log's own terms, up to which all that stands there is stored.
pub const FOLLOWED: &str = "log, followed";

/// Batches that are offered to the log: each as bytes, until it is known what became of it.
pub static STAGED: SideTable = SideTable {
    name: "staged",
    columns: &[("batch", Kind::Text), ("behind", Kind::Integer), ("payload", Kind::Bytes)],
    key: 1,
    restless: true,
};

/// Names that are reserved in that log for what is staged, each in a stream of its own, until they are released.
pub static RESERVED: SideTable =
    SideTable { name: "reserved", columns: &[("stream", Kind::Text), ("claim", Kind::Text)], key: 2, restless: true };

/// The keys under which those streams are named; the newest is the last.
pub static RESERVATION_KEYS: SideTable = SideTable {
    name: "reservation_keys",
    columns: &[("id", Kind::Integer), ("secret", Kind::Bytes)],
    key: 1,
    restless: true,
};

/// Groups that belong behind one position of the log, all of them together.
#[derive(Clone, Debug)]
pub struct Act {
    pub after: Position,
    pub recorded_at: Timestamp,
    pub groups: Arc<Vec<Group>>,
    /// What [`FOLLOWED`] comes to stand at, where that is known.
    pub followed: Option<u64>,
}

#[async_trait]
pub trait Replica: Store {
    /// What would become of groups that were appended now, one behind the other. Nothing is written.
    async fn rehearse(&self, groups: Arc<Vec<Group>>) -> Result<Vec<Result<Appended, Refused>>, LogFault>;

    /// Stores groups as they were rehearsed, and forgets what was staged up to there, in one transaction. `false` where the
    /// store does not end at the position that they belong behind: nothing is written then.
    ///
    /// What the log holds is stored whatever became of an epoch meanwhile: who ends one waits for what is staged.
    async fn perform(&self, act: Act) -> Result<bool, LogFault>;
}
