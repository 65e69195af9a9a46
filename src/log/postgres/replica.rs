//! PostgreSQL as the read store of a log that is kept elsewhere: what is rehearsed is written as a batch is, and taken back.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrysalis_domain::Timestamp;
use deadpool_postgres::Pool;

use super::batch::Ending;
use super::connect::Lent;
use super::pulse::silent;
use super::rows::RowWriter;
use super::writer::{Failure, Settled, TIDY_EVERY, tidy, transaction};
use super::{LogFault, PostgresLog, pool_fault};
use crate::clock::Clock;
use crate::log::replica::{Act, Replica};
use crate::log::transfer::Transfer;
use crate::log::{Appended, Group, Refused};

/// How often a batch is tried that meets with others.
const ATTEMPTS: usize = 4;

/// What whoever offers batches to a log elsewhere works with.
pub(super) struct Offered {
    pool: Pool,
    patience: Duration,
    clock: Arc<dyn Clock>,
    /// The time of the latest judgement: this node's clock may be set back.
    latest: Mutex<Timestamp>,
    performed: AtomicU64,
}

impl Offered {
    pub(super) fn new(pool: Pool, patience: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { pool, patience, clock, latest: Mutex::default(), performed: AtomicU64::default() }
    }

    /// This node's time: never before it was.
    fn now(&self) -> Timestamp {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        *latest = self.clock.now().max(*latest);
        *latest
    }
}

#[async_trait]
impl Replica for PostgresLog {
    async fn rehearse(&self, groups: Arc<Vec<Group>>) -> Result<Vec<Result<Appended, Refused>>, LogFault> {
        match self.act(&groups, self.offered.now(), Ending::TakenBack).await {
            Ok((verdicts, _)) => Ok(verdicts),
            Err(Failure::Conflict(fault) | Failure::Fault(fault)) => Err(fault),
        }
    }

    async fn perform(&self, act: Act) -> Result<bool, LogFault> {
        match self.act(&act.groups, act.recorded_at, Ending::Performed(act.after, act.followed)).await {
            Ok((verdicts, Some(head))) if verdicts.iter().all(Result::is_ok) => {
                self.pulse.reached(head.position);
                if self.offered.performed.fetch_add(1, Ordering::Relaxed).is_multiple_of(TIDY_EVERY) {
                    self.tidy().await;
                }
                Ok(true)
            }
            // Judged by another log than the one behind which it stands: another node was faster.
            _ if self.end().await? != act.after => Ok(false),
            Ok(_) => Err(LogFault::Bug("a batch that stands in the log was refused".to_owned())),
            Err(Failure::Conflict(fault) | Failure::Fault(fault)) => Err(fault),
        }
    }
}

impl PostgresLog {
    /// Side rows that no longer count: the next round removes what this one does not.
    async fn tidy(&self) {
        let Ok(client) = self.offered.pool.get().await else { return };
        let client = Lent::new(client);
        let tidied = tokio::time::timeout(self.offered.patience, tidy(&client, self.offered.clock.now())).await;
        if matches!(tidied, Ok(Ok(()))) {
            client.give_back();
        }
    }

    /// One transaction; another one where somebody was in the way, as a rebuild or another node's batch may be.
    async fn act(&self, groups: &[Group], now: Timestamp, ending: Ending) -> Result<Settled, Failure> {
        let mut attempt = 1;
        loop {
            match self.attempt(groups, now, ending).await {
                Err(Failure::Conflict(fault)) if attempt < ATTEMPTS => {
                    tracing::debug!(%fault, "a batch for a log elsewhere met with something; it is tried again");
                    attempt += 1;
                }
                acted => return acted,
            }
        }
    }

    /// One transaction, within its time and only while PostgreSQL answers.
    async fn attempt(&self, groups: &[Group], mut now: Timestamp, ending: Ending) -> Result<Settled, Failure> {
        self.pulse.alive().map_err(Failure::Fault)?;
        let client = self.offered.pool.get().await.map_err(|error| {
            self.pulse.doubt();
            Failure::Fault(pool_fault(error))
        })?;
        // Only a transaction that came to its end gives it back.
        let client = Lent::new(client);
        let (groups, mut rows): (Vec<&Group>, _) = (groups.iter().collect(), RowWriter::live());
        let acted = tokio::time::timeout(
            self.offered.patience,
            transaction(&client, &mut rows, &groups, true, &mut now, ending),
        );
        let acted = tokio::select! {
            acted = acted => acted.unwrap_or_else(|_| {
                Err(Failure::Fault(LogFault::Unavailable("PostgreSQL did not answer in time".to_owned())))
            }),
            () = self.pulse.stopped() => Err(Failure::Fault(silent())),
        };
        match &acted {
            Ok((_, Some(_))) => client.give_back(),
            // Nothing was to be written, or somebody was in the way: the transaction is still open.
            Ok((_, None)) | Err(Failure::Conflict(_)) => {
                let ended = tokio::time::timeout(self.offered.patience, client.batch_execute("ROLLBACK")).await;
                if matches!(ended, Ok(Ok(()))) {
                    client.give_back();
                }
            }
            Err(Failure::Fault(_)) => self.pulse.doubt(),
        }
        acted
    }
}
