//! Nothing of whoever was erased stays in the file: rows are overwritten when they go (`secure_delete`), also where whole
//! pages come free, and what the write-ahead log still has of them is brought home.

use async_trait::async_trait;
use chrysalis_domain::Timestamp;
use rusqlite::{Connection, params, params_from_iter};

use super::schema::Bound;
use super::{LogFault, SqliteLog, checkpointer, scrub};
use crate::log::erasure::{Copies, EPOCHS, Erasure, Rewrapped};

#[async_trait]
impl Erasure for SqliteLog {
    async fn leave_no_traces(&self) -> Result<(), LogFault> {
        let path = self.path.clone();
        let emptied = tokio::task::spawn_blocking(move || checkpointer::empty(&path));
        emptied.await.map_err(|error| LogFault::Bug(format!("a checkpoint broke off: {error}")))?
    }

    async fn rewrap(&self, copied: Option<Copies>, keys: Vec<Rewrapped>) -> Result<(), LogFault> {
        let again = copied.map(|copied| {
            let key: Vec<_> = copied.table.key.iter().zip(1..).map(|(name, n)| format!("{name} = ?{n}")).collect();
            format!("{} WHERE {}", copied.again(), key.join(" AND "))
        });
        let write = move |connection: &Connection| {
            let sql = "UPDATE person_keys SET epoch = ?1, wrapped = ?2 WHERE person_id = ?3 AND wrapped = ?4";
            let mut anew = connection.prepare_cached(sql)?;
            for Rewrapped { before, key, .. } in &keys {
                anew.execute(params![key.epoch, key.wrapped, key.person.to_string(), before])?;
            }
            if let Some(again) = &again {
                let mut again = connection.prepare_cached(again)?;
                for Rewrapped { row, .. } in &keys {
                    again.execute(params_from_iter(row.iter().map(Bound)))?;
                }
            }
            Ok(true)
        };
        self.writer.aside(write).await.map(|_| ())
    }

    /// The one writer stores one after the other: who comes later finds it done.
    async fn retire(&self, upto: u32, at: Timestamp) -> Result<(), LogFault> {
        let write = move |connection: &Connection| {
            let sql = "UPDATE keys SET retired_at = ?3 WHERE purpose = ?1 AND id <= ?2 AND retired_at IS NULL";
            connection.execute(sql, params![EPOCHS, upto, at.as_millis()]).map(|_| true)
        };
        self.writer.aside(write).await.map(|_| ())
    }

    async fn destroy(&self, upto: u32) -> Result<(), LogFault> {
        let write = move |connection: &Connection| {
            scrub::leave_nothing(connection)?;
            let sql = "DELETE FROM keys WHERE purpose = ?1 AND id <= ?2 AND retired_at IS NOT NULL";
            connection.execute(sql, params![EPOCHS, upto]).map(|_| true)
        };
        self.writer.aside(write).await?;
        self.leave_no_traces().await
    }
}
