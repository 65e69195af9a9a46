//! Names that are spoken for while a batch that claims them is under way, each in a stream of its own.
//!
//! Before a batch is appended to the log, every address, identity and slug that it claims is reserved: by an append that
//! expects no stream (`NoStream`), of which one succeeds, whoever else tries. It stands there with the claim that it is for. Once
//! the batch stands in the log, that holds the claim, and the stream is deleted ([`super::releases`]): it can be
//! reserved anew.
//!
//! Whoever meets somebody else's reservation comes second. Where that is for a batch in hand, they see that it comes to stand
//! first, and are judged behind it: so they are refused by what happened, and never for what did not. Where it is for no batch in
//! hand (a node stopped, or its release is under way) it is taken over, at the exact revision that was seen.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrysalis_domain::id::ClaimId;
use chrysalis_projections::Value;
use eventstore::{EventData, ExpectedRevision, StreamPosition};
use futures_util::StreamExt;
use futures_util::stream::iter;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::line::{Line, Offer, is_denied};
use super::naming::Naming;
use super::staged::{self, InHand};
use super::{Group, LogFault, Position, Replica};
use crate::log::transfer::SideRow;

/// Between two attempts.
const AGAIN: Duration = Duration::from_millis(20);
/// Streams that are asked together.
const TOGETHER: usize = 64;
/// After so many refusals nobody tries any more.
const REFUSALS: usize = 8;
/// The type of the one event that such a stream has, or the last.
const TYPE: &str = "NameReserved";

/// The last name that was to be reserved was not. A process has one log.
static UNRESERVED: AtomicBool = AtomicBool::new(false);

/// Something that a batch claims.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Name {
    /// The stream in which it is reserved.
    pub(super) stream: String,
    pub(super) claim: ClaimId,
}

impl Name {
    pub(super) fn row(&self) -> SideRow {
        vec![Value::Text(self.stream.clone()), Value::Text(self.claim.to_string())]
    }
}

/// A name that is reserved, at the revision at which it stands.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) name: Name,
    pub(super) revision: u64,
}

#[derive(Serialize, Deserialize)]
struct Body {
    claim: ClaimId,
}

/// Every name that groups claim, once: also by look-up keys that were rotated away, as other nodes may still use one of them.
pub(super) async fn names(replica: &dyn Replica, log: &str, groups: &[Group]) -> Result<Vec<Name>, LogFault> {
    let mut claims = groups.iter().flat_map(|group| &group.claims).peekable();
    if claims.peek().is_none() {
        return Ok(Vec::new());
    }
    let naming = Naming::present(replica).await?;
    let mut names = BTreeMap::new();
    for claim in claims {
        for hash in claim.key.hashes() {
            names.entry(naming.stream(log, claim.key.kind, hash)).or_insert(claim.claim);
        }
    }
    Ok(names.into_iter().map(|(stream, claim)| Name { stream, claim }).collect())
}

/// Reserves names for a batch that is staged behind a position, and tries until it knows: whoever calls has a limit. What is
/// reserved is `held`. Answers the batch in hand that was faster, if one was; those that were `passed` can't come to stand any more.
pub(super) async fn reserve(
    line: &Line,
    replica: &dyn Replica,
    (names, after): (&[Name], Position),
    passed: &HashSet<String>,
    held: &mut Vec<Held>,
) -> Result<Option<InHand>, LogFault> {
    let ours: HashSet<ClaimId> = names.iter().map(|name| name.claim).collect();
    let mut open: Vec<(Name, ExpectedRevision)> =
        names.iter().map(|name| (name.clone(), ExpectedRevision::NoStream)).collect();
    let mut refusals = 0;
    loop {
        let offers = open.iter().map(|(name, expected)| offer(name, *expected, after)).collect::<Result<_, _>>()?;
        match line.append(offers).await {
            Ok(revisions) => {
                if UNRESERVED.swap(false, Ordering::Relaxed) {
                    tracing::info!("names can be reserved in EventStoreDB again");
                }
                held.extend(open.into_iter().zip(revisions).map(|((name, _), revision)| Held { name, revision }));
                return Ok(None);
            }
            Err(failed) if is_denied(&failed) => {
                unreserved("these credentials may not append to the stream that it has");
                return Ok(None);
            }
            Err(failed) => tracing::debug!(%failed, "not all names could be reserved at once"),
        }
        // Whatever was answered, and where nothing was: the streams know.
        let asking: Vec<_> = open.iter().map(|(name, _)| holder(line, &name.stream)).collect();
        let holders: Vec<_> = iter(asking).buffered(TOGETHER).collect().await;
        let others = |by: &Option<ClaimId>| by.is_none_or(|by| !ours.contains(&by));
        let mut to_come = match holders.iter().flatten().flatten().any(|(_, by)| others(by)) {
            true => staged::to_come(replica, after).await?,
            false => Vec::new(),
        };
        to_come.retain(|batch| !passed.contains(&batch.batch));
        if holders.iter().all(Result::is_ok) {
            refusals += 1;
        }
        let mut theirs = None;
        for ((name, expected), holder) in std::mem::take(&mut open).into_iter().zip(holders) {
            match holder {
                Ok(Some((revision, by))) if !others(&by) => held.push(Held { name, revision }),
                Ok(Some((revision, by))) => {
                    match to_come.iter().position(|batch| batch.claims().any(|one| by == Some(one))) {
                        Some(batch) => theirs = theirs.or(Some(batch)),
                        None => open.push((name, ExpectedRevision::Exact(revision))),
                    }
                }
                Ok(None) => open.push((name, ExpectedRevision::NoStream)),
                // Nothing can be reserved there any more: the log alone says who has it.
                Err(LogFault::Damaged(_)) => {}
                Err(unread) => {
                    tracing::debug!(%unread, "who reserved a name is not known; it is asked again");
                    open.push((name, expected));
                }
            }
        }
        if let Some(theirs) = theirs {
            return Ok(Some(to_come.swap_remove(theirs)));
        }
        if open.is_empty() {
            return Ok(None);
        }
        if refusals == REFUSALS {
            unreserved("EventStoreDB refuses it again and again, and shows nothing in its way");
            return Ok(None);
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// A batch goes on without: which of two comes to stand is for the log to say. Told once, until it is over.
fn unreserved(why: &str) {
    if UNRESERVED.swap(true, Ordering::Relaxed) {
        tracing::debug!(why, "another name can not be reserved");
    } else {
        tracing::warn!(
            why,
            "names can not be reserved in EventStoreDB, and are claimed without: look at what it allows for streams that begin with \
             reserved_"
        );
    }
}

/// For which claim a name is reserved, and at which revision that stands. For none where somebody else wrote it.
///
/// # Errors
/// [`LogFault::Damaged`] where the stream was deleted for good: somebody else did.
pub(super) async fn holder(line: &Line, stream: &str) -> Result<Option<(u64, Option<ClaimId>)>, LogFault> {
    let read = line.read(stream, StreamPosition::End, 1).await?;
    Ok(read.first().map(|last| (last.revision, last.as_json::<Body>().ok().map(|body| body.claim))))
}

fn offer(name: &Name, expected: ExpectedRevision, after: Position) -> Result<Offer, LogFault> {
    let event = EventData::json(TYPE, &Body { claim: name.claim }).map_err(|error| LogFault::Bug(error.to_string()))?;
    let events = vec![event.id(id(name, after))];
    Ok(Offer { stream: name.stream.clone(), expected, events })
}

/// The same for each attempt to reserve a name for a batch, so that a repetition is known as one.
fn id(name: &Name, after: Position) -> Uuid {
    let hash = Sha256::new()
        .chain_update(&name.stream)
        .chain_update(name.claim.to_string())
        .chain_update(after.to_be_bytes())
        .finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}
