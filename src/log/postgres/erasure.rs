//! What PostgreSQL can be told to do about rows that went. Their bytes stay in its pages until those are written again, and
//! in its write-ahead log until that is recycled: both hold nothing but ciphertext, and no key that opens it once the epoch
//! is destroyed (docs/privacy.md).

use async_trait::async_trait;
use chrysalis_domain::Timestamp;
use chrysalis_projections::INLINE;
use tokio_postgres::Transaction;
use tokio_postgres::error::SqlState;

use super::cells::Cells;
use super::connect::Purpose;
use super::{LogFault, PostgresLog, fault};
use crate::log::erasure::{Copies, EPOCHS, Erasure, Rewrapped};

/// Tables beside the read models that lose rows with a person.
const BESIDE: [&str; 6] = ["person_keys", "sealed", "origins", "staged", "reserved", "reservation_keys"];
/// How long everybody who stores may be held up at a time: longer than it takes a vacuum of PostgreSQL's own to make way.
const LET_GO_AFTER: &str = "SET LOCAL lock_timeout = 1500";
/// How often it is asked for.
const LOCKS: usize = 20;
const KEYS_ANEW: &str = "UPDATE person_keys k SET epoch = i.epoch, wrapped = i.wrapped FROM (
         SELECT p.person_id, j.epoch, j.wrapped FROM person_keys p
         JOIN unnest($1::text[], $2::bigint[], $3::bytea[], $4::bytea[]) AS j(person_id, epoch, wrapped, before)
             ON p.person_id = j.person_id AND p.wrapped = j.before
         ORDER BY p.person_id FOR NO KEY UPDATE OF p SKIP LOCKED
     ) AS i WHERE k.person_id = i.person_id";

#[async_trait]
impl Erasure for PostgresLog {
    async fn leave_no_traces(&self) -> Result<(), LogFault> {
        let client = self.connector.open_driven(Purpose::Long).await?;
        for table in INLINE.iter().map(|table| table.name).chain(BESIDE) {
            // One that somebody is about to replace is as good as new.
            client.batch_execute(&format!("VACUUM (SKIP_LOCKED) {table}")).await.map_err(fault)?;
        }
        Ok(())
    }

    /// Rows first, as every batch takes them, and nobody is waited for: two who are at the same rows can't stand still.
    async fn rewrap(&self, copied: Option<Copies>, keys: Vec<Rewrapped>) -> Result<(), LogFault> {
        let mut client = self.long().await?;
        let transaction = client.transaction().await.map_err(fault)?;
        let keys = match copied {
            Some(copied) => locked(&transaction, copied, keys).await.map_err(fault)?,
            None => keys,
        };
        anew(&transaction, copied, &keys).await.map_err(fault)?;
        transaction.commit().await.map_err(fault)
    }

    /// Waits for those who are storing a key just now, and lets nobody begin meanwhile: who comes later finds it done.
    async fn retire(&self, upto: u32, at: Timestamp) -> Result<(), LogFault> {
        let mut client = self.connector.open_driven(Purpose::Long).await?;
        for _ in 0..LOCKS {
            let transaction = client.transaction().await.map_err(fault)?;
            match retire(&transaction, upto, at).await {
                Ok(()) => return transaction.commit().await.map_err(fault),
                Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {}
                Err(error) => return Err(fault(error)),
            }
        }
        Err(LogFault::Unavailable("the table of persons' keys is too busy for an epoch to end; try again".to_owned()))
    }

    /// The few keys there are go into a new file, and the old one is removed.
    async fn destroy(&self, upto: u32) -> Result<(), LogFault> {
        let client = self.connector.open_driven(Purpose::Long).await?;
        let sql = "DELETE FROM keys WHERE purpose = $1 AND id <= $2 AND retired_at IS NOT NULL";
        client.execute(sql, &[&EPOCHS, &i64::from(upto)]).await.map_err(fault)?;
        client.batch_execute("VACUUM (FULL) keys").await.map_err(fault)?;
        self.leave_no_traces().await
    }
}

/// Those whose rows were to be had.
async fn locked(
    transaction: &Transaction<'_>,
    copied: Copies,
    keys: Vec<Rewrapped>,
) -> Result<Vec<Rewrapped>, tokio_postgres::Error> {
    let key = copied.table.key;
    let named = |prefix: &str| key.iter().map(|name| format!("{prefix}{name}")).collect::<Vec<_>>().join(", ");
    let sql = format!(
        "SELECT {} FROM {} t WHERE ({}) IN (SELECT * FROM unnest({})) ORDER BY {} FOR NO KEY UPDATE SKIP LOCKED",
        named("t."),
        copied.table.name,
        named("t."),
        arrays(key.len()),
        named("t."),
    );
    let cells = rows(key.len(), &keys);
    let parameters: Vec<_> = cells.iter().map(Cells::parameter).collect();
    let mut had = Vec::new();
    for row in transaction.query(&sql, &parameters).await? {
        had.push((0..key.len()).map(|column| row.try_get(column)).collect::<Result<Vec<String>, _>>()?);
    }
    let is_had = |key: &Rewrapped| {
        had.iter().any(|row| key.row.iter().map(|value| value.as_text()).eq(row.iter().map(|text| Some(text.as_str()))))
    };
    Ok(keys.into_iter().filter(is_had).collect())
}

async fn anew(
    transaction: &Transaction<'_>,
    copied: Option<Copies>,
    keys: &[Rewrapped],
) -> Result<(), tokio_postgres::Error> {
    let cells = [
        Cells::made(keys.iter().map(|key| key.key.person)),
        Cells::integers(keys.iter().map(|key| key.key.epoch)),
        Cells::bytes(keys.iter().map(|key| key.key.wrapped.as_slice())),
        Cells::bytes(keys.iter().map(|key| key.before.as_slice())),
    ];
    let parameters: Vec<_> = cells.iter().map(Cells::parameter).collect();
    transaction.execute(KEYS_ANEW, &parameters).await?;
    let Some(copied) = copied else { return Ok(()) };
    let key = copied.table.key;
    let sql = format!("{} WHERE ({}) IN (SELECT * FROM unnest({}))", copied.again(), key.join(", "), arrays(key.len()));
    let cells = rows(key.len(), keys);
    let parameters: Vec<_> = cells.iter().map(Cells::parameter).collect();
    transaction.execute(&sql, &parameters).await?;
    Ok(())
}

/// Keys of rows, which are texts.
fn rows(columns: usize, keys: &[Rewrapped]) -> Vec<Cells<'_>> {
    let column = |at: usize| {
        Cells::texts(keys.iter().map(move |key| key.row.get(at).and_then(|value| value.as_text()).unwrap_or_default()))
    };
    (0..columns).map(column).collect()
}

fn arrays(columns: usize) -> String {
    (1..=columns).map(|n| format!("${n}::text[]")).collect::<Vec<_>>().join(", ")
}

async fn retire(transaction: &Transaction<'_>, upto: u32, at: Timestamp) -> Result<(), tokio_postgres::Error> {
    transaction.batch_execute(LET_GO_AFTER).await?;
    transaction.batch_execute("LOCK TABLE person_keys IN SHARE ROW EXCLUSIVE MODE").await?;
    let sql = "UPDATE keys SET retired_at = $3 WHERE purpose = $1 AND id <= $2 AND retired_at IS NULL";
    transaction.execute(sql, &[&EPOCHS, &i64::from(upto), &at.as_millis()]).await?;
    Ok(())
}
