//! Whether the stream and the read store are of one log, and what is said where they are not.

use super::ledger::Ledger;
use super::{LogFault, Position, Replica};

/// Why nothing can be stored.
#[derive(Debug)]
pub(super) enum Unfit {
    /// One of the two does not answer, or is broken by itself.
    Fault(LogFault),
    /// They are not of one log, and no waiting makes them so.
    Apart(String),
}

impl Unfit {
    /// Whatever keeps all batches from being stored, it is the store that is unavailable: to whoever asks it matters as little
    /// as an outage does, and the balancer has to send them elsewhere.
    pub(super) fn fault(self) -> LogFault {
        match self {
            Unfit::Fault(fault) => fault,
            Unfit::Apart(told) => LogFault::Unavailable(format!(
                "the stream and the read store don't belong together: {told}. Look whether CHRYSALIS_STORE, CHRYSALIS_READ_STORE \
                 and eventstore.stream name those of one log; how to go on where one of them is lost stands in \
                 docs/operations.md"
            )),
        }
    }
}

impl From<LogFault> for Unfit {
    fn from(fault: LogFault) -> Self {
        Unfit::Fault(fault)
    }
}

/// What the stream is found to be, where it can't be read as the log: deleted, or written to by somebody else.
pub(super) fn unread(fault: LogFault) -> Unfit {
    match fault {
        LogFault::Damaged(told) => Unfit::Apart(told),
        fault => Unfit::Fault(fault),
    }
}

/// Whether the last event that the read store has stands in the stream at its place.
pub(super) async fn agree(ledger: &Ledger, replica: &dyn Replica, end: Position) -> Result<(), Unfit> {
    let Some(before) = end.checked_sub(1) else { return Ok(()) };
    let ours = replica.read_all(before, 1).await?;
    match ledger.page(before, 1).await.map_err(unread)? {
        theirs if theirs == ours => Ok(()),
        theirs if theirs.is_empty() => Err(cut(ledger, end)),
        _ => Err(Unfit::Apart(format!(
            "at position {end} the stream {} has another event than the read store, so one of them is another log's",
            ledger.stream()
        ))),
    }
}

/// Of a stream that is shorter than the read store.
pub(super) fn cut(ledger: &Ledger, end: Position) -> Unfit {
    Unfit::Apart(format!(
        "the stream {} ends before position {end}, which the read store has: it is another stream, or EventStoreDB was emptied \
         or put back to an earlier state",
        ledger.stream()
    ))
}

/// The same, where it is known where it ends.
pub(super) fn shorter(ledger: &Ledger, end: Position, has: Position) -> String {
    format!(
        "the stream {} ends at position {end}, and the read store at {has}: it is another stream, or EventStoreDB was emptied or \
         put back to an earlier state",
        ledger.stream()
    )
}

/// Of events that stand behind the end of the read store, and that it knows nothing of.
pub(super) fn unoffered(ledger: &Ledger, end: Position) -> String {
    let stream = ledger.stream();
    match end {
        0 => format!(
            "the read store is empty, and the stream {stream} holds a log, which was not offered by way of this read store but of \
             another one"
        ),
        end => format!(
            "the event at position {} of the stream {stream} was not offered by way of this read store: another one, or an older \
             copy of this one, is used with the same stream",
            end + 1
        ),
    }
}

/// Of a stream that a log is to be copied into, and that holds something else.
pub(super) fn occupied(ledger: &Ledger, told: &str) -> LogFault {
    LogFault::Unavailable(format!(
        "the stream {} can't take this log: {told}; name an empty stream with eventstore.stream (CHRYSALIS_EVENTSTORE_STREAM)",
        ledger.stream()
    ))
}
