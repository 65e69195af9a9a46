//! The read store's events, held against the stream field by field: what differs is named, however little the two have in
//! common, and whoever wrote what stands there.

use std::collections::BTreeMap;

use super::apart::{shorter, unoffered};
use super::ledger::Ledger;
use super::{LogFault, Position, Replica, event, staged};
use crate::log::refold::{Difference, Report};

/// Events that are held against each other at a time.
const PAGE: usize = 1_024;

/// # Errors
/// Where one of the two does not answer: nothing is said of what was not seen.
pub(super) async fn compare(ledger: &Ledger, replica: &dyn Replica, report: &mut Report) -> Result<(), LogFault> {
    // In this order: what the read store has stood in the stream before.
    let has = replica.end().await?;
    let end = match ledger.end().await {
        Ok(end) => end,
        Err(LogFault::Damaged(told)) => {
            report.stands_apart(told);
            return Ok(());
        }
        Err(fault) => return Err(fault),
    };
    if end < has {
        report.stands_apart(shorter(ledger, end, has));
    }
    let mut after = 0;
    while after < has.min(end) {
        let limit = usize::try_from(has.min(end) - after).unwrap_or(PAGE).min(PAGE);
        page(ledger, replica, after, limit, report).await?;
        after += limit as Position;
    }
    behind(ledger, replica, has, report).await
}

async fn page(
    ledger: &Ledger,
    replica: &dyn Replica,
    after: Position,
    limit: usize,
    report: &mut Report,
) -> Result<(), LogFault> {
    let stored = replica.read_all(after, limit).await?;
    let stored: BTreeMap<Position, _> = stored.iter().map(|event| (event.position, event.leaf())).collect();
    let mut standing = BTreeMap::new();
    for (position, read) in ledger.standing(after, limit).await? {
        match read {
            Ok(event) => drop(standing.insert(position, Some(event.leaf()))),
            Err(told) => {
                report.stands_apart(said(told));
                standing.insert(position, None);
            }
        }
    }
    for position in after + 1..=after + limit as Position {
        let ours = stored.get(&position).copied();
        let theirs = match standing.get(&position) {
            Some(Some(theirs)) => Some(*theirs),
            // It was named, and is none of ours.
            Some(None) => continue,
            None => None,
        };
        if ours != theirs {
            let key = [position.to_string()];
            report.differs([Difference::of_column("events", &key, "leaf", &leaf(ours), &leaf(theirs))]);
        }
    }
    Ok(())
}

/// Whatever goes on behind that was offered by way of this read store, or it is not the stream's any more.
async fn behind(ledger: &Ledger, replica: &dyn Replica, has: Position, report: &mut Report) -> Result<(), LogFault> {
    let Some((_, next)) = ledger.standing(has, 1).await?.into_iter().next() else { return Ok(()) };
    let told = match next.and_then(|next| event::uuid(&next.event_id)) {
        Ok(next) if staged::find(replica, next).await?.is_some() => return Ok(()),
        Ok(_) => unoffered(ledger, has),
        Err(told) => said(told),
    };
    // Or another node stored it meanwhile.
    if replica.end().await? == has {
        report.stands_apart(told);
    }
    Ok(())
}

fn said(fault: LogFault) -> String {
    match fault {
        LogFault::Damaged(told) | LogFault::Unavailable(told) | LogFault::Bug(told) => told,
    }
}

fn leaf(leaf: Option<[u8; 32]>) -> String {
    leaf.map_or_else(|| "absent".to_owned(), |leaf| leaf.iter().map(|byte| format!("{byte:02x}")).collect())
}
