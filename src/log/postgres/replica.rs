//! PostgreSQL as the read store of a log that is kept elsewhere: what is rehearsed is written as a batch is, and taken back.

use std::sync::Arc;

use async_trait::async_trait;
use chrysalis_domain::Timestamp;

use super::batch::Ending;
use super::connect::Lent;
use super::pulse::silent;
use super::rows::RowWriter;
use super::writer::{Failure, Settled, transaction};
use super::{LogFault, PostgresLog, pool_fault};
use crate::log::replica::{Act, Replica};
use crate::log::transfer::Transfer;
use crate::log::{Appended, Group, Refused};

/// How often a rehearsal is tried that meets with another node's batch.
const ATTEMPTS: usize = 4;

#[async_trait]
impl Replica for PostgresLog {
    async fn rehearse(&self, groups: Arc<Vec<Group>>) -> Result<Vec<Result<Appended, Refused>>, LogFault> {
        let mut attempt = 1;
        loop {
            match self.act(&groups, self.clock.now(), Ending::TakenBack).await {
                Ok((verdicts, _)) => return Ok(verdicts),
                Err(Failure::Conflict(_)) if attempt < ATTEMPTS => attempt += 1,
                Err(Failure::Conflict(fault) | Failure::Fault(fault)) => return Err(fault),
            }
        }
    }

    async fn perform(&self, act: Act) -> Result<bool, LogFault> {
        match self.act(&act.groups, act.recorded_at, Ending::Performed(act.after)).await {
            Ok((verdicts, Some(head))) if verdicts.iter().all(Result::is_ok) => {
                self.pulse.reached(head.position);
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
    /// One transaction, within its time and only while PostgreSQL answers.
    async fn act(&self, groups: &[Group], mut now: Timestamp, ending: Ending) -> Result<Settled, Failure> {
        self.pulse.alive().map_err(Failure::Fault)?;
        let client = self.offered.get().await.map_err(|error| {
            self.pulse.doubt();
            Failure::Fault(pool_fault(error))
        })?;
        // Only a transaction that came to its end gives it back.
        let client = Lent::new(client);
        let (groups, mut rows): (Vec<&Group>, _) = (groups.iter().collect(), RowWriter::live());
        let acted = tokio::time::timeout(
            self.commit_patience,
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
                let ended = tokio::time::timeout(self.commit_patience, client.batch_execute("ROLLBACK")).await;
                if matches!(ended, Ok(Ok(()))) {
                    client.give_back();
                }
            }
            Err(Failure::Fault(_)) => self.pulse.doubt(),
        }
        acted
    }
}
