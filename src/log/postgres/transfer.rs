//! PostgreSQL as an end of a copy.

use async_trait::async_trait;
use chrysalis_projections::Value;
use chrysalis_projections::table::Kind;
use deadpool_postgres::{GenericClient, Object};

use super::cells::{Cells, array_sql};
use super::facts::number;
use super::{LogFault, Position, PostgresLog, fault, pool_fault};
use crate::log::transfer::{SideChange, SideRow, SideTable, Transfer, elsewhere};
use crate::log::{Recorded, StreamId};

#[async_trait]
impl Transfer for PostgresLog {
    async fn side_rows(
        &self,
        table: &'static SideTable,
        after: Option<&[Value]>,
        limit: usize,
    ) -> Result<Vec<SideRow>, LogFault> {
        let key = table.key_names().join(", ");
        let behind = if after.is_some() {
            let values: Vec<_> = table.columns[..table.key]
                .iter()
                .zip(1..)
                .map(|((_, kind), n)| format!("(${n}::{})[1]", array_sql(*kind)))
                .collect();
            format!("WHERE ({key}) > ({})", values.join(", "))
        } else {
            String::new()
        };
        let sql =
            format!("SELECT {} FROM {} {behind} ORDER BY {key} LIMIT {limit}", table.names().join(", "), table.name);
        let after: Vec<SideRow> = after.map(<[Value]>::to_vec).into_iter().collect();
        let cells = columns(&table.columns[..table.key], &after);
        let client = self.long().await?;
        let parameters: Vec<_> =
            if after.is_empty() { Vec::new() } else { cells.iter().map(Cells::parameter).collect() };
        let statement = client.prepare_cached(&sql).await.map_err(fault)?;
        let rows = client.query(&statement, &parameters).await.map_err(fault)?;
        let read = |row: &tokio_postgres::Row| {
            let values = table.columns.iter().enumerate().map(|(column, (_, kind))| {
                Ok(match kind {
                    Kind::Text => row.try_get::<_, Option<String>>(column)?.into(),
                    Kind::Integer => row.try_get::<_, Option<i64>>(column)?.into(),
                    Kind::Bytes => row.try_get::<_, Option<Vec<u8>>>(column)?.into(),
                })
            });
            values.collect::<Result<SideRow, tokio_postgres::Error>>()
        };
        rows.iter().map(read).collect::<Result<_, _>>().map_err(fault)
    }

    async fn put_side_rows(&self, change: SideChange) -> Result<(), LogFault> {
        let client = self.long().await?;
        put(&client, &change).await
    }

    async fn keep(&self, follower: &str, at: Position, changes: Vec<SideChange>) -> Result<bool, LogFault> {
        let mut client = self.long().await?;
        let transaction = client.transaction().await.map_err(fault)?;
        // Held to the end: whoever takes over moves it.
        let sql = "SELECT 1 FROM checkpoints WHERE follower = $1 AND position = $2 FOR UPDATE";
        if transaction.query_opt(sql, &[&follower, &at.cast_signed()]).await.map_err(fault)?.is_none() {
            return Ok(false);
        }
        for change in &changes {
            put(&transaction, change).await?;
        }
        transaction.commit().await.map_err(fault).map(|()| true)
    }

    async fn receive(&self, after: Position, events: Vec<Recorded>) -> Result<(), LogFault> {
        let Some(last) = events.last() else { return Ok(()) };
        let mut client = self.long().await?;
        let transaction = client.transaction().await.map_err(fault)?;
        let take = "UPDATE log_head SET position = $2, recorded_at = greatest(recorded_at, $3),
                        settings_version = greatest(settings_version, $4) WHERE position = $1";
        let (from, to, at) = (after.cast_signed(), last.position.cast_signed(), last.recorded_at.as_millis());
        let settings = events.iter().filter(|event| event.stream == *StreamId::settings()).map(|event| event.version);
        let settings = settings.max().unwrap_or_default().cast_signed();
        if transaction.execute(take, &[&from, &to, &at, &settings]).await.map_err(fault)? == 0 {
            return Err(elsewhere(after));
        }
        let optional = |field: fn(&Recorded) -> Option<&str>| Cells::perhaps(events.iter().map(field));
        let text = |field: fn(&Recorded) -> &str| Cells::texts(events.iter().map(field));
        let number = |field: fn(&Recorded) -> i64| Cells::integers(events.iter().map(field));
        let cells = [
            number(|event| event.position.cast_signed()),
            text(|event| &event.project),
            text(|event| event.stream.as_str()),
            number(|event| event.version.cast_signed()),
            text(|event| &event.event_id),
            text(|event| &event.event_type),
            number(|event| event.type_version.into()),
            number(|event| event.recorded_at.as_millis()),
            number(|event| event.occurred_at.as_millis()),
            text(|event| &event.actor_type),
            optional(|event| event.actor_id.as_deref()),
            optional(|event| event.actor_by.as_deref()),
            optional(|event| event.impersonator.as_deref()),
            optional(|event| event.request_id.as_deref()),
            text(|event| &event.command_id),
            optional(|event| event.cause.as_deref()),
            number(|event| event.settings_version.cast_signed()),
            Cells::bytes(events.iter().map(|event| event.sealed.as_slice())),
            Cells::bytes(events.iter().map(|event| event.body.as_slice())),
        ];
        let sql = "INSERT INTO events (position, project, stream, version, event_id, type, type_version, recorded_at,
                       occurred_at, actor_type, actor_id, actor_by, impersonator, request_id, command_id, cause,
                       settings_version, sealed, body)
                   SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[],
                       $7::bigint[], $8::bigint[], $9::bigint[], $10::text[], $11::text[], $12::text[], $13::text[],
                       $14::text[], $15::text[], $16::text[], $17::bigint[], $18::bytea[], $19::bytea[])";
        let parameters: Vec<_> = cells.iter().map(Cells::parameter).collect();
        transaction.execute(sql, &parameters).await.map_err(fault)?;
        transaction.commit().await.map_err(fault)
    }

    async fn end(&self) -> Result<Position, LogFault> {
        let rows = self.query("SELECT position FROM log_head", &[], &[]).await?;
        rows.first().map_or(Ok(0), |row| row.try_get(0).map(number)).map_err(fault)
    }
}

impl PostgresLog {
    /// A connection whose statements may take as long as the server lets them.
    pub(super) async fn long(&self) -> Result<Object, LogFault> {
        self.pulse.alive()?;
        self.pool.get().await.map_err(pool_fault)
    }
}

async fn put(client: &impl GenericClient, change: &SideChange) -> Result<(), LogFault> {
    let SideChange { table, put, gone } = change;
    if !put.is_empty() {
        let rest: Vec<_> =
            table.columns[table.key..].iter().map(|(name, _)| format!("{name} = excluded.{name}")).collect();
        let then = if rest.is_empty() { "NOTHING".to_owned() } else { format!("UPDATE SET {}", rest.join(", ")) };
        let sql = format!(
            "INSERT INTO {} ({}) SELECT * FROM unnest({}) ON CONFLICT ({}) DO {then}",
            table.name,
            table.names().join(", "),
            arrays(table.columns),
            table.key_names().join(", "),
        );
        run(client, &sql, &columns(table.columns, put)).await?;
    }
    if !gone.is_empty() {
        let key = &table.columns[..table.key];
        let same = key.iter().map(|(name, _)| format!("t.{name} = g.{name}")).collect::<Vec<_>>().join(" AND ");
        let sql = format!(
            "DELETE FROM {} AS t USING unnest({}) AS g({}) WHERE {same}",
            table.name,
            arrays(key),
            table.key_names().join(", ")
        );
        run(client, &sql, &columns(key, gone)).await?;
    }
    Ok(())
}

async fn run(client: &impl GenericClient, sql: &str, cells: &[Cells<'_>]) -> Result<(), LogFault> {
    let parameters: Vec<_> = cells.iter().map(Cells::parameter).collect();
    let statement = client.prepare_cached(sql).await.map_err(fault)?;
    client.execute(&statement, &parameters).await.map_err(fault).map(|_| ())
}

fn arrays(columns: &[(&'static str, Kind)]) -> String {
    let arrays = columns.iter().zip(1..).map(|((_, kind), n)| format!("${n}::{}", array_sql(*kind)));
    arrays.collect::<Vec<_>>().join(", ")
}

fn columns<'r>(columns: &[(&'static str, Kind)], rows: &'r [SideRow]) -> Vec<Cells<'r>> {
    let mut cells: Vec<_> = columns.iter().map(|(_, kind)| Cells::of(*kind)).collect();
    for row in rows {
        cells.iter_mut().zip(row).for_each(|(cells, value)| cells.push(value));
    }
    cells
}
