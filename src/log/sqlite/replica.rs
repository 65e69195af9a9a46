//! The embedded store as the read store of a log that is kept elsewhere: what is rehearsed is stored and taken back, within
//! one of the writer's transactions.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rusqlite::Connection;

use super::batch::{self, Epochs, Head, Held};
use super::rows::RowWriter;
use super::{LogFault, SqliteLog, scrub};
use crate::log::replica::{Act, FOLLOWED, Replica};
use crate::log::{Appended, Group, Refused};

const FOLLOW: &str = "INSERT INTO checkpoints (follower, position) VALUES (?1, ?2)
    ON CONFLICT (follower) DO UPDATE SET position = excluded.position";

type Verdicts = Vec<Result<Appended, Refused>>;

#[async_trait]
impl Replica for SqliteLog {
    async fn rehearse(&self, groups: Arc<Vec<Group>>) -> Result<Verdicts, LogFault> {
        let verdicts = Arc::new(Mutex::new(Verdicts::new()));
        let (seen, weight) = (verdicts.clone(), weight(&groups));
        let rehearse = move |connection: &Connection, head: &mut Head| {
            connection.execute_batch("SAVEPOINT rehearsal")?;
            let mut then = *head;
            // What fails takes back the whole transaction.
            let stored = store(connection, &mut then, &groups, Epochs::Standing)?;
            connection.execute_batch("ROLLBACK TO rehearsal; RELEASE rehearsal")?;
            *seen.lock().unwrap_or_else(PoisonError::into_inner) = stored;
            Ok(true)
        };
        self.writer.at_head(weight, rehearse).await?;
        Ok(std::mem::take(&mut verdicts.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    async fn perform(&self, act: Act) -> Result<bool, LogFault> {
        let weight = weight(&act.groups);
        let perform = move |connection: &Connection, head: &mut Head| {
            if head.position != act.after {
                return Ok(false);
            }
            // What was staged is sealed, and may be of somebody who goes with this very batch.
            scrub::leave_nothing(connection)?;
            let mut then = Head { recorded_at: act.recorded_at, ..*head };
            let verdicts = store(connection, &mut then, &act.groups, Epochs::Any)?;
            if verdicts.iter().any(Result::is_err) {
                // The log behind which it was rehearsed is not the one behind which it stands.
                return Err(rusqlite::Error::InvalidQuery);
            }
            connection.prepare_cached("DELETE FROM staged WHERE behind <= ?1")?.execute([act.after])?;
            if let Some(place) = act.followed {
                connection.prepare_cached(FOLLOW)?.execute((FOLLOWED, place.cast_signed()))?;
            }
            *head = Head { recorded_at: then.recorded_at.max(head.recorded_at), ..then };
            Ok(true)
        };
        self.writer.at_head(weight, perform).await
    }
}

fn weight(groups: &[Group]) -> usize {
    groups.iter().map(Group::weight).sum()
}

fn store(connection: &Connection, head: &mut Head, groups: &[Group], epochs: Epochs) -> rusqlite::Result<Verdicts> {
    let (mut rows, mut held) = (RowWriter::live(), Held::new(epochs));
    let verdicts: Verdicts = groups
        .iter()
        .map(|group| batch::store(connection, &mut rows, &mut held, head, group))
        .collect::<rusqlite::Result<_>>()?;
    held.finish(connection, &mut rows)?;
    Ok(verdicts)
}
