//! Reads and decodes the log on a thread of its own, a few pages ahead of whoever folds it: decoding costs a third of a
//! refold, and machines have two processors.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};

use rusqlite::Connection;

use super::{LogFault, Position, READ_CACHE_KIB, connect_to_read, fault, reader};
use crate::log::refold::{Decoded, PAGE, decode_what_reads};

/// Pages that may wait.
const AHEAD: usize = 2;

/// Hands `fold` every page between two positions, in order.
pub(super) fn each_page(
    path: &Path,
    after: Position,
    upto: Position,
    mut fold: impl FnMut(&[Decoded]) -> Result<(), LogFault>,
) -> Result<(), LogFault> {
    std::thread::scope(|scope| {
        let (send, pages) = sync_channel(AHEAD);
        // What a thread allocated it frees itself: two threads in one arena of the allocator only wait for each other.
        let (give_back, folded) = channel();
        scope.spawn(move || read(path, after, upto, &send, &folded));
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
    after: Position,
    upto: Position,
    send: &SyncSender<Result<Vec<Decoded>, LogFault>>,
    folded: &Receiver<Vec<Decoded>>,
) {
    let connection = match connect_to_read(path, READ_CACHE_KIB) {
        Ok(connection) => connection,
        // Who no longer listens has a fault of its own; so below.
        Err(fault) => return drop(send.send(Err(fault))),
    };
    let mut last = after;
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
    Ok(decode_what_reads(reader::all(connection, after, PAGE).map_err(fault)?))
}
