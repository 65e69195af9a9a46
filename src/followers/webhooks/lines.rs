//! Who is told what next: the messages to one endpoint, in a line for each stream.
//!
//! Of one stream's messages one at a time is under way, in order; one that fails waits, and its line with it, while the
//! other lines move. What is known here is stored now and then ([`super::kept`]), and what is stored says:
//! - *up to here*: every message up to this position was dealt with, or belongs to a line that is stored;
//! - *a line*: everything of its stream before this place was dealt with.
//!
//! So whoever goes on from there skips nothing, and says again what was said since.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use chrysalis_domain::Timestamp;

use crate::log::{Position, StreamId, Version};

/// Where a message stands in its stream: its event, and which of that event's messages it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) version: Version,
    pub(super) nth: u8,
}

impl Place {
    pub(super) fn next(self) -> Self {
        Self { nth: self.nth.saturating_add(1), ..self }
    }
}

/// A message as far as its order goes, with what it takes to send it.
pub(super) struct Message<M> {
    pub(super) stream: StreamId,
    pub(super) position: Position,
    pub(super) place: Place,
    pub(super) what: M,
}

/// A line as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) stream: StreamId,
    pub(super) place: Place,
    pub(super) attempts: u32,
    pub(super) due_at: Timestamp,
}

/// What is to be done now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Send what this line's first message is: it was tried so often before.
    Send { stream: StreamId, attempts: u32 },
    /// Find out what comes next in a stream, from this place on.
    Read { stream: StreamId, from: Place },
}

struct Line<M> {
    /// Everything of the stream before it is dealt with.
    place: Place,
    queue: VecDeque<Message<M>>,
    /// More of the stream stands in the log behind what is in the queue.
    behind: bool,
    /// How often the first message was tried.
    attempts: u32,
    phase: Phase,
    /// Not before this: while the line is not stored, nobody may go on from behind it.
    since: Position,
    stored: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Ready,
    UnderWay,
    Waiting(Timestamp),
}

/// All lines to one endpoint that have something in them.
pub(super) struct Lines<M> {
    lines: HashMap<StreamId, Line<M>>,
    /// Whose turn it is, and whose it is again: those whose first message was tried before.
    fresh: VecDeque<StreamId>,
    again: VecDeque<StreamId>,
    waiting: BTreeSet<(Timestamp, StreamId)>,
    /// The lines that are not stored, by the first position of theirs.
    open: BTreeSet<(Position, StreamId)>,
    /// Lines that are stored otherwise than they stand, or not any more.
    changed: HashSet<StreamId>,
    held: usize,
    under_way: usize,
    again_under_way: usize,
    stored: usize,
}

impl<M> Default for Lines<M> {
    fn default() -> Self {
        Self {
            lines: HashMap::new(),
            fresh: VecDeque::new(),
            again: VecDeque::new(),
            waiting: BTreeSet::new(),
            open: BTreeSet::new(),
            changed: HashSet::new(),
            held: 0,
            under_way: 0,
            again_under_way: 0,
            stored: 0,
        }
    }
}

/// Messages that one line holds in memory: who has more to tell than the others must not fill it.
const LINE: usize = 32;

impl<M> Lines<M> {
    /// Puts back a line as it was stored.
    pub(super) fn restore(&mut self, stored: Stored) {
        let Stored { stream, place, attempts, due_at } = stored;
        let (queue, phase) = (VecDeque::new(), Phase::Waiting(due_at));
        self.waiting.insert((due_at, stream.clone()));
        self.stored += 1;
        self.lines.insert(stream, Line { place, queue, behind: true, attempts, phase, since: 0, stored: true });
    }

    /// Takes a message in, which comes behind all of its stream that was taken in before.
    pub(super) fn take(&mut self, message: Message<M>) {
        let Message { stream, position, place, .. } = &message;
        let Some(line) = self.lines.get_mut(stream) else {
            let (since, place, stream) = (*position, *place, stream.clone());
            self.held += 1;
            self.open.insert((since, stream.clone()));
            self.fresh.push_back(stream.clone());
            let (queue, phase) = (VecDeque::from([message]), Phase::Ready);
            self.lines.insert(stream, Line { place, queue, behind: false, attempts: 0, phase, since, stored: false });
            return;
        };
        // After a crash it may come by again.
        if *place < line.place || line.queue.back().is_some_and(|last| *place <= last.place) {
            return;
        }
        if line.behind || line.queue.len() >= LINE || matches!(line.phase, Phase::Waiting(_)) {
            line.behind = true;
        } else {
            line.queue.push_back(message);
            self.held += 1;
        }
    }

    /// What is to be done next, if anything is at this time. What is to be sent counts as under way. Of those that are tried
    /// again no more than `most_again` are at a time: an endpoint that doesn't answer them answers others.
    pub(super) fn next(&mut self, now: Timestamp, most_again: usize) -> Option<Next> {
        let again =
            if self.again_under_way < most_again { self.again.pop_front().or_else(|| self.due(now)) } else { None };
        let stream = again.or_else(|| self.fresh.pop_front())?;
        let line = self.lines.get_mut(&stream)?;
        if line.queue.is_empty() {
            line.phase = Phase::Ready;
            return Some(Next::Read { from: line.place, stream });
        }
        line.phase = Phase::UnderWay;
        self.under_way += 1;
        self.again_under_way += usize::from(line.attempts > 0);
        Some(Next::Send { attempts: line.attempts, stream })
    }

    fn due(&mut self, now: Timestamp) -> Option<StreamId> {
        let (due_at, stream) = self.waiting.first()?.clone();
        (due_at <= now).then(|| {
            self.waiting.remove(&(due_at, stream.clone()));
            stream
        })
    }

    /// What was read of a stream where its line asked for it; with `rest`, there may be more of it from that place on.
    pub(super) fn read(&mut self, stream: &StreamId, messages: Vec<Message<M>>, rest: Option<Place>) {
        let Some(line) = self.lines.get_mut(stream) else { return };
        line.behind = rest.is_some();
        // The one that was tried may be none of this endpoint's any more.
        match (messages.first(), rest) {
            (Some(first), _) if first.place != line.place => line.attempts = 0,
            (None, Some(rest)) => (line.place, line.attempts) = (rest, 0),
            _ => {}
        }
        self.held += messages.len();
        line.queue.extend(messages);
        self.move_on(stream);
    }

    /// Nothing can be read of a stream for the time being.
    pub(super) fn put_off(&mut self, stream: &StreamId, until: Timestamp) {
        let Some(line) = self.lines.get_mut(stream) else { return };
        line.phase = Phase::Waiting(until);
        self.waiting.insert((until, stream.clone()));
    }

    /// What the line's first message says; none once it is gone.
    pub(super) fn first(&self, stream: &StreamId) -> Option<&Message<M>> {
        self.lines.get(stream)?.queue.front()
    }

    /// How often the line's first message was tried and failed.
    pub(super) fn attempts(&self, stream: &StreamId) -> u32 {
        self.lines.get(stream).map_or(0, |line| line.attempts)
    }

    /// The message that was under way is dealt with: it arrived, or is lost.
    pub(super) fn done(&mut self, stream: &StreamId) {
        let Some(line) = self.lines.get_mut(stream) else { return };
        self.under_way -= 1;
        self.again_under_way -= usize::from(line.attempts > 0);
        if let Some(done) = line.queue.pop_front() {
            self.held -= 1;
            line.place = done.place.next();
            line.attempts = 0;
        }
        self.move_on(stream);
    }

    /// The message that was under way is tried again at a later time, and its line waits for it.
    pub(super) fn failed(&mut self, stream: &StreamId, due_at: Timestamp) {
        let Some(line) = self.lines.get_mut(stream) else { return };
        self.under_way -= 1;
        self.again_under_way -= usize::from(line.attempts > 0);
        if let Some(first) = line.queue.front() {
            line.place = first.place;
        }
        line.attempts = line.attempts.saturating_add(1);
        // It is read again when its time has come.
        self.held -= line.queue.len();
        line.queue.clear();
        line.behind = true;
        line.phase = Phase::Waiting(due_at);
        self.waiting.insert((due_at, stream.clone()));
        if !line.stored {
            self.open.remove(&(line.since, stream.clone()));
            line.stored = true;
            self.stored += 1;
        }
        self.changed.insert(stream.clone());
    }

    /// The message that was under way was not tried at all: it is still the first, at a later time.
    pub(super) fn not_tried(&mut self, stream: &StreamId, until: Timestamp) {
        let Some(line) = self.lines.get_mut(stream) else { return };
        self.under_way -= 1;
        self.again_under_way -= usize::from(line.attempts > 0);
        self.put_off(stream, until);
    }

    /// Lets the line go on with what it has, or ends it.
    fn move_on(&mut self, stream: &StreamId) {
        let Some(line) = self.lines.get_mut(stream) else { return };
        if line.stored {
            self.changed.insert(stream.clone());
        } else if let Some(first) = line.queue.front() {
            self.open.remove(&(line.since, stream.clone()));
            line.since = first.position;
            self.open.insert((line.since, stream.clone()));
        }
        if line.queue.is_empty() && !line.behind {
            self.open.remove(&(line.since, stream.clone()));
            self.stored -= usize::from(line.stored);
            self.lines.remove(stream);
        } else {
            line.phase = Phase::Ready;
            let turn = if line.attempts > 0 { &mut self.again } else { &mut self.fresh };
            turn.push_back(stream.clone());
        }
    }

    /// The last position of which is known that nobody has to begin before it, where everything was taken in up to `taken`.
    pub(super) fn settled(&self, taken: Position) -> Position {
        self.open.first().map_or(taken, |(since, _)| since.saturating_sub(1).min(taken))
    }

    /// The lines whose stored form is another now, and those that are not to be stored any more.
    pub(super) fn changed(&mut self) -> (Vec<Stored>, Vec<StreamId>) {
        let (mut put, mut gone) = (Vec::new(), Vec::new());
        for stream in self.changed.drain() {
            match self.lines.get(&stream).filter(|line| line.stored) {
                Some(line) => {
                    let due_at = match line.phase {
                        Phase::Waiting(due_at) => due_at,
                        // It is its turn.
                        Phase::Ready | Phase::UnderWay => Timestamp::default(),
                    };
                    put.push(Stored { place: line.place, attempts: line.attempts, due_at, stream });
                }
                None => gone.push(stream),
            }
        }
        (put, gone)
    }

    /// What [`Lines::changed`] gave was not stored, or nobody knows whether it was.
    pub(super) fn change_again(&mut self, put: Vec<Stored>, gone: Vec<StreamId>) {
        self.changed.extend(put.into_iter().map(|stored| stored.stream).chain(gone));
    }

    /// Messages in memory.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    pub(super) fn under_way(&self) -> usize {
        self.under_way
    }

    /// Of the messages that were not tried yet, the one that has to be dealt with first; none while it is not in memory.
    pub(super) fn oldest(&self) -> Option<&M> {
        let (_, stream) = self.open.first()?;
        self.first(stream).map(|message| &message.what)
    }

    /// Lines that are stored: those with a message that failed.
    pub(super) fn stored(&self) -> usize {
        self.stored
    }

    pub(super) fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub(super) fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests;
