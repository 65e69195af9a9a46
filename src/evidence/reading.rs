//! What each line of an export says, and whether it agrees with itself. The lines are read on one thread, and looked at
//! on as many as there are processors; they come out in their order.

use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use chrysalis_domain::Timestamp;

use super::frame::{self, Footer, Header};
use super::line::{Flaw, Line};
use super::source::{Piece, Pieces, Source};
use crate::log::Position;

/// A line, looked at.
#[derive(Debug)]
pub struct Seen {
    /// From 1 on.
    pub line: u64,
    pub what: What,
}

#[derive(Debug)]
pub enum What {
    /// With its hash.
    Header(Box<Header>, [u8; 32]),
    Event(Event),
    Footer(Footer),
    /// No line that an export writes. Where it is an event's all the same, with its position.
    Flawed(Option<Event>, Flaw),
    /// From here on nothing can be read.
    Broken(io::Error),
}

/// What is to be known of an event: all that is held in memory of it.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    pub position: Position,
    /// The hash of the fields that stand there.
    pub leaf: [u8; 32],
    /// The hash that the line states of itself.
    pub stated: [u8; 32],
    pub recorded_at: Timestamp,
}

/// Pieces that wait for each thread, on either side of it.
const WAITING: usize = 2;

/// Reads a file line by line.
pub fn read(path: &Path) -> io::Result<impl Iterator<Item = Seen> + use<>> {
    let pieces = Pieces::new(Source::open(path)?);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (mut hand_out, mut collect) = (Vec::new(), Vec::new());
    for _ in 0..threads {
        let (give, take) = sync_channel::<io::Result<Piece>>(WAITING);
        let (looked, seen) = sync_channel::<Vec<Seen>>(WAITING);
        std::thread::spawn(move || look(&take, &looked));
        hand_out.push(give);
        collect.push(seen);
    }
    // In turns: what comes in order goes out in order. When nobody takes it any more the threads end by themselves.
    std::thread::spawn(move || {
        for (piece, give) in pieces.zip(hand_out.iter().cycle()) {
            if give.send(piece).is_err() {
                return;
            }
        }
    });
    let mut turn = (0..threads).cycle();
    let next = move || collect[turn.next()?].recv().ok();
    Ok(std::iter::from_fn(next).flatten())
}

fn look(pieces: &Receiver<io::Result<Piece>>, seen: &SyncSender<Vec<Seen>>) {
    let mut again = Vec::new();
    for piece in pieces {
        let looked = match piece {
            Ok(piece) => look_at(&piece, &mut again),
            Err(error) => vec![Seen { line: 0, what: What::Broken(error) }],
        };
        if seen.send(looked).is_err() {
            return;
        }
    }
}

/// The lines of a piece. `again` is room to write them anew.
fn look_at(piece: &Piece, again: &mut Vec<u8>) -> Vec<Seen> {
    let lines = piece.bytes.split_inclusive(|byte| *byte == b'\n').zip(piece.first..);
    lines.map(|(bytes, line)| Seen { line, what: what(bytes, again) }).collect()
}

fn what(bytes: &[u8], again: &mut Vec<u8>) -> What {
    let unreadable = |said: String| What::Flawed(None, Flaw::Unreadable(said));
    let Some(bytes) = bytes.strip_suffix(b"\n") else { return unreadable("it breaks off".to_owned()) };
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return unreadable(error.to_string()),
    };
    if text.starts_with(frame::HEADER) {
        return match Header::read(text) {
            Ok(header) => What::Header(Box::new(header), frame::digest(text)),
            Err(flaw) => What::Flawed(None, flaw),
        };
    }
    if text.starts_with(frame::FOOTER) {
        return Footer::read(text).map_or_else(|flaw| What::Flawed(None, flaw), What::Footer);
    }
    let line = match Line::parse(text) {
        Ok(line) => line,
        Err(flaw) => return What::Flawed(None, flaw),
    };
    let event = Event::of(&line);
    match line.is_written(text, again) {
        Ok(()) => What::Event(event),
        Err(flaw) => What::Flawed(Some(event), flaw),
    }
}

impl Event {
    fn of(line: &Line<'_>) -> Self {
        let fields = line.fields();
        let (position, recorded_at) = (fields.position, fields.recorded_at);
        Self { position, leaf: fields.leaf(), stated: line.stated(), recorded_at }
    }
}
