//! Reads and decodes the log on a thread of its own, a few pages ahead of whoever folds it: decoding costs a third of a
//! refold, and machines have two processors.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::UserId;
use chrysalis_domain::user::UserEvent;
use rusqlite::Connection;

use super::{LogFault, Position, READ_CACHE_KIB, connect_to_read, fault, reader};
use crate::log::{Recorded, read_user_event};

/// Events of one page.
pub(super) const PAGE: usize = 8_192;
/// Pages that may wait.
const AHEAD: usize = 2;

/// One event as the fold takes it.
pub(super) struct Decoded {
    pub(super) position: Position,
    pub(super) occurred_at: Timestamp,
    /// Nothing where the stream is not a user's.
    pub(super) event: Option<(UserId, UserEvent)>,
}

/// Hands `fold` every page up to a position, in order.
pub(super) fn each_page(
    path: &Path,
    upto: Position,
    mut fold: impl FnMut(&[Decoded]) -> Result<(), LogFault>,
) -> Result<(), LogFault> {
    std::thread::scope(|scope| {
        let (send, pages) = sync_channel(AHEAD);
        // What a thread allocated it frees itself: two threads in one arena of the allocator only wait for each other.
        let (give_back, folded) = channel();
        scope.spawn(move || read(path, upto, &send, &folded));
        for page in pages {
            let page = page?;
            fold(&page)?;
            // Nobody takes the last ones.
            let _ = give_back.send(page);
        }
        Ok(())
    })
}

fn read(
    path: &Path,
    upto: Position,
    send: &SyncSender<Result<Vec<Decoded>, LogFault>>,
    folded: &Receiver<Vec<Decoded>>,
) {
    let connection = match connect_to_read(path, READ_CACHE_KIB) {
        Ok(connection) => connection,
        // Who no longer listens has a fault of its own; so below.
        Err(fault) => return drop(send.send(Err(fault))),
    };
    let mut last = 0;
    while last < upto {
        let mut page = page(&connection, last);
        if let Ok(page) = &mut page {
            page.retain(|decoded| decoded.position <= upto);
            let Some(end) = page.last() else { return };
            last = end.position;
        }
        let failed = page.is_err();
        if send.send(page).is_err() || failed {
            return;
        }
        folded.try_iter().for_each(drop);
    }
}

/// The page after a position; empty at the end of the log.
pub(super) fn page(connection: &Connection, after: Position) -> Result<Vec<Decoded>, LogFault> {
    let events = reader::all(connection, after, PAGE).map_err(fault)?;
    let decode = |recorded: &Recorded| {
        let user = recorded.stream.as_user();
        let event = user.map(|user| read_user_event(recorded).map(|event| (user, event))).transpose()?;
        Ok(Decoded { position: recorded.position, occurred_at: recorded.occurred_at, event })
    };
    events.iter().map(decode).collect()
}
