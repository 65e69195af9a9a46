//! How events are read.

use chrysalis_domain::Timestamp;
use tokio_postgres::Row;

use super::facts::number;
use super::{LogFault, Recorded, StreamId, fault};

/// A select of every column of the log, as [`recorded`] reads it.
macro_rules! select_events {
    ($rest:literal) => {
        concat!(
            "SELECT position, project, stream, version, event_id, type, type_version, recorded_at, occurred_at,
                    actor_type, actor_id, actor_by, impersonator, request_id, command_id, cause, settings_version,
                    sealed, body
             FROM events ",
            $rest
        )
    };
}

pub(super) const STREAM: &str = select_events!("WHERE stream = $1 AND version > $2 ORDER BY version LIMIT $3");
pub(super) const STREAMS: &str = select_events!("WHERE stream = ANY($1) AND version <= $2 ORDER BY stream, version");
pub(super) const ALL: &str = select_events!("WHERE position > $1 ORDER BY position LIMIT $2");
pub(super) const OF_TYPES: &str =
    select_events!("WHERE position > $1 AND position <= $2 AND type = ANY($3) ORDER BY position LIMIT $4");

pub(super) fn recorded(rows: &[Row]) -> Result<Vec<Recorded>, LogFault> {
    rows.iter().map(|row| one(row).map_err(fault)).collect()
}

fn one(row: &Row) -> Result<Recorded, tokio_postgres::Error> {
    Ok(Recorded {
        position: number(row.try_get(0)?),
        project: row.try_get(1)?,
        stream: StreamId::from_stored(row.try_get(2)?),
        version: number(row.try_get(3)?),
        event_id: row.try_get(4)?,
        event_type: row.try_get(5)?,
        // One that does not fit was written by no program: what follows tells that it does not read.
        type_version: u16::try_from(row.try_get::<_, i64>(6)?).unwrap_or(u16::MAX),
        recorded_at: Timestamp::from_millis(row.try_get(7)?),
        occurred_at: Timestamp::from_millis(row.try_get(8)?),
        actor_type: row.try_get(9)?,
        actor_id: row.try_get(10)?,
        actor_by: row.try_get(11)?,
        impersonator: row.try_get(12)?,
        request_id: row.try_get(13)?,
        command_id: row.try_get(14)?,
        cause: row.try_get(15)?,
        settings_version: number(row.try_get(16)?),
        sealed: row.try_get(17)?,
        body: row.try_get(18)?,
    })
}

/// How many rows at the most, as a statement takes it.
pub(super) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
