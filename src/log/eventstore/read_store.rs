//! What the read store answers: models that follow, rebuilds, copies, erasure. Where the stream has a part in it, that is here.

use std::time::Duration;

use async_trait::async_trait;
use chrysalis_domain::Timestamp;
use chrysalis_projections::{Model, Value};

use super::apart::{Unfit, occupied, unread};
use super::compared::compare;
use super::ledger::Offered;
use super::line::late;
use super::sequencer::recover;
use super::{EventStoreLog, LogFault, Position, Recorded, SealedRef, event, staged};
use crate::log::analysts::{Analysts, LetRead};
use crate::log::erasure::{Copies, Erasure, Rewrapped};
use crate::log::follow::{Folded, Follow, Generation};
use crate::log::refold::{ClaimReader, Progress, Refold, Report};
use crate::log::transfer::{SideChange, SideRow, SideTable, Transfer, elsewhere};

/// Bytes of an append, where it need not be quick.
const LARGEST: usize = 512 * 1_024;
/// Between two looks at what is still offered.
const LOOK: Duration = Duration::from_millis(20);

#[async_trait]
impl Follow for EventStoreLog {
    fn models(&self) -> &'static [&'static Model] {
        self.replica.models()
    }

    fn page(&self) -> usize {
        self.replica.page()
    }

    fn queued(&self) -> usize {
        self.writer.queued()
    }

    async fn generations(&self) -> Result<Vec<Generation>, LogFault> {
        self.replica.generations().await
    }

    async fn fold(&self, folded: Folded) -> Result<bool, LogFault> {
        self.replica.fold(folded).await
    }

    async fn begin(&self, model: &'static Model) -> Result<bool, LogFault> {
        self.replica.begin(model).await
    }

    async fn flip(&self, next: Generation) -> Result<bool, LogFault> {
        self.replica.flip(next).await
    }

    async fn scrub(&self) -> Result<(), LogFault> {
        self.replica.scrub().await
    }
}

#[async_trait]
impl Refold for EventStoreLog {
    /// And the read store has what stands in the stream: what a node left undone is done now, and where both don't belong
    /// together, the log is not served from. Where EventStoreDB is away the writer does it, once that is back.
    async fn fit(&self) -> Result<(), LogFault> {
        {
            let _none = self.writer.between().await;
            let recovered = recover(&self.ledger, self.replica.as_ref(), *self.follower.shown().borrow());
            match tokio::time::timeout(self.commit_timeout, recovered).await.unwrap_or_else(|_| Err(late().into())) {
                Ok(()) | Err(Unfit::Fault(LogFault::Unavailable(_))) => {}
                Err(unfit) => return Err(unfit.fault()),
            }
        }
        self.replica.fit().await
    }

    async fn rebuild(&self, claims: &dyn ClaimReader, progress: Progress<'_>) -> Result<Report, LogFault> {
        self.replica.rebuild(claims, progress).await
    }

    /// And the read store's events are held against the stream, field by field.
    async fn verify(&self, claims: &dyn ClaimReader, progress: Progress<'_>) -> Result<Report, LogFault> {
        let mut report = self.replica.verify(claims, progress).await?;
        compare(&self.ledger, self.replica.as_ref(), &mut report).await?;
        Ok(report)
    }
}

#[async_trait]
impl Transfer for EventStoreLog {
    async fn side_rows(
        &self,
        table: &'static SideTable,
        after: Option<&[Value]>,
        limit: usize,
    ) -> Result<Vec<SideRow>, LogFault> {
        self.replica.side_rows(table, after, limit).await
    }

    async fn put_side_rows(&self, change: SideChange) -> Result<(), LogFault> {
        self.replica.put_side_rows(change).await
    }

    async fn keep(&self, follower: &str, at: Position, changes: Vec<SideChange>) -> Result<bool, LogFault> {
        self.replica.keep(follower, at, changes).await
    }

    /// The stream first. What a copy that was broken off left there is taken, if it is the same.
    async fn receive(&self, after: Position, events: Vec<Recorded>) -> Result<(), LogFault> {
        if self.replica.end().await? != after {
            return Err(elsewhere(after));
        }
        let there = match self.ledger.page(after, events.len()).await.map_err(unread) {
            Ok(there) => there,
            Err(Unfit::Apart(told)) => return Err(occupied(&self.ledger, &told)),
            Err(unfit) => return Err(unfit.fault()),
        };
        let mut rest = events.strip_prefix(there.as_slice()).ok_or_else(|| {
            let alike = there.iter().zip(&events).take_while(|(theirs, ours)| theirs == ours).count() as Position;
            let at = after + alike + 1;
            occupied(
                &self.ledger,
                &format!("it holds another, whose event at position {at} is not the one that is copied"),
            )
        })?;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(portion(rest));
            let behind = now[0].position - 1;
            let appended = tokio::time::timeout(self.commit_timeout, self.ledger.append(behind, now)).await;
            if appended.unwrap_or_else(|_| Err(late()))? == Offered::Taken {
                return Err(elsewhere(behind));
            }
            rest = later;
        }
        self.replica.receive(after, events).await
    }

    async fn end(&self) -> Result<Position, LogFault> {
        self.replica.end().await
    }

    async fn standing(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, LogFault> {
        self.ledger.page(after, limit).await
    }
}

/// How many events go into one append: one at least.
fn portion(events: &[Recorded]) -> usize {
    let sizes = events.iter().scan(0, |size, event| {
        *size += weight(event);
        Some(*size)
    });
    sizes.take_while(|size| *size <= LARGEST).count().max(1)
}

fn weight(event: &Recorded) -> usize {
    let actor = [&event.actor_id, &event.actor_by, &event.impersonator].into_iter().flatten().map(String::len).sum();
    event::weight(&event.event_type, &event.stream, actor, event.sealed.len() / SealedRef::LEN, event.body.len())
}

#[async_trait]
impl Erasure for EventStoreLog {
    async fn leave_no_traces(&self) -> Result<(), LogFault> {
        self.replica.leave_no_traces().await
    }

    async fn rewrap(&self, copied: Option<Copies>, keys: Vec<Rewrapped>) -> Result<(), LogFault> {
        self.replica.rewrap(copied, keys).await
    }

    /// What was judged before the epochs ended, and is still offered, may bring keys of theirs: it is waited for.
    async fn retire(&self, upto: u32, at: Timestamp) -> Result<(), LogFault> {
        let begun = {
            let _none = self.writer.between().await;
            self.replica.retire(upto, at).await?;
            self.replica.end().await?
        };
        let replica = self.replica.as_ref();
        let settled = async {
            loop {
                let end = replica.end().await?;
                if end > begun || staged::behind(replica, end).await? == 0 {
                    return Ok(());
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        // What no node finishes within the time that a batch has is of one that stopped before it was offered.
        tokio::time::timeout(self.commit_timeout, settled).await.unwrap_or(Ok(()))
    }

    async fn destroy(&self, upto: u32) -> Result<(), LogFault> {
        self.replica.destroy(upto).await
    }
}

#[async_trait]
impl Analysts for EventStoreLog {
    async fn let_read(&self, role: &str, views: &[&'static str]) -> Result<LetRead, LogFault> {
        self.replica.let_read(role, views).await
    }
}
