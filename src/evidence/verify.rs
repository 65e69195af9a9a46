//! Whether an export is what the log held: offline, with nothing but the file, a key and checkpoints that were kept.
//!
//! Each line is held against the leaf that it states, the lines against their positions, and all of them, as the Merkle
//! tree of RFC 6962, against every checkpoint that was signed. Nothing of it needs more memory for a longer log.

use std::io;
use std::iter::Peekable;
use std::path::{Path, PathBuf};

use super::finding::{Fault, Finding};
use super::frame::{End, Footer, Header};
use super::line::Hash;
use super::order::{Fit, Order};
use super::reading::{self, Event, Seen, What};
use crate::log::Position;
use crate::proof::note::{self, Checkpoint, NoteFault, VerifyingKey};
use crate::proof::tree::Range;
use chrysalis_domain::Timestamp;

mod held;

pub use held::{Held, Verdict};

/// What is to be verified, and by what.
#[derive(Default)]
pub struct Question {
    /// One after another they are one log.
    pub exports: Vec<PathBuf>,
    pub keys: Vec<VerifyingKey>,
    /// Checkpoints that were kept: what each is called, and its note.
    pub checkpoints: Vec<(String, String)>,
    /// Another export of the same log, to say which events differ.
    pub against: Option<PathBuf>,
}

/// What it came to.
#[derive(Debug, Default)]
pub struct Report {
    pub events: u64,
    /// The first position and the last one.
    pub from: Position,
    pub through: Position,
    /// In the order of the lines.
    pub findings: Vec<Finding>,
    /// How many more there are than are listed.
    pub unlisted: u64,
    /// Every checkpoint that was given or found, and how it was met.
    pub checkpoints: Vec<Held>,
    /// Only some of the events were asked for: nothing is known of the others.
    pub filtered: bool,
    /// The root over all of it, where it is complete.
    pub root: Option<Hash>,
}

impl Report {
    /// Up to where every field of every event is what was signed; 0 if nothing is.
    pub fn proven(&self) -> Position {
        let holds = self.checkpoints.iter().filter(|held| held.verdict == Verdict::Holds);
        holds.map(|held| held.size()).max().unwrap_or(0)
    }

    /// The same, but for those lines that were found altered.
    pub fn stated(&self) -> Position {
        let holds = |held: &&Held| matches!(held.verdict, Verdict::Holds | Verdict::AsStated);
        self.checkpoints.iter().filter(holds).map(|held| held.size()).max().unwrap_or(0)
    }
}

/// Findings that are listed at the most.
const MOST: usize = 1_000;

/// # Errors
/// Where a file can't be opened. Whatever is wrong with what is in it is a finding.
pub fn verify(question: &Question) -> io::Result<Report> {
    let mut whole = Whole {
        keys: &question.keys,
        trees: Trees::default(),
        held: held::open(&question.checkpoints, &question.keys),
        against: question.against.as_deref().map(Against::open).transpose()?,
        report: Report::default(),
        time: None,
    };
    for (file, path) in question.exports.iter().enumerate() {
        whole.export(file, path)?;
    }
    Ok(whole.end())
}

/// The tree over what the fields are, and over what the lines state.
#[derive(Default)]
struct Trees {
    fields: Range,
    /// From the first line on that is not what it states.
    stated: Option<Range>,
    /// Something is missing: what comes behind it has no place in a tree.
    broken: bool,
}

impl Trees {
    fn push(&mut self, event: &Event) {
        if self.stated.is_none() && event.leaf != event.stated {
            self.stated = Some(self.fields.clone());
        }
        if let Some(stated) = &mut self.stated {
            stated.push(event.stated);
        }
        self.fields.push(event.leaf);
    }

    fn roots(&self) -> ([u8; 32], Option<[u8; 32]>) {
        (self.fields.root(), self.stated.as_ref().map(Range::root))
    }
}

struct Whole<'q> {
    keys: &'q [VerifyingKey],
    trees: Trees,
    held: Vec<Held>,
    against: Option<Against>,
    report: Report,
    /// When the event before was recorded.
    time: Option<Timestamp>,
}

impl Whole<'_> {
    fn say(&mut self, file: usize, line: u64, fault: Fault) {
        if self.report.findings.len() < MOST {
            self.report.findings.push(Finding { file, line, fault });
        } else {
            self.report.unlisted += 1;
        }
    }

    fn export(&mut self, file: usize, path: &Path) -> io::Result<()> {
        let mut seen = reading::read(path)?.peekable();
        let next = if file == 0 { 1 } else { self.report.through.saturating_add(1) };
        let (header, digest) = self.header(file, &mut seen);
        let (from, through) = header.as_ref().map_or((next, Position::MAX), |h| (h.from, h.through));
        if file == 0 {
            self.report.from = from;
            self.trees.broken = from != 1;
        } else if from != next {
            self.say(file, 1, Fault::Apart { before: self.report.through, found: from });
            self.trees.broken = true;
        }
        let filtered = header.as_ref().is_some_and(|header| header.filter.is_some());
        self.report.filtered |= filtered;
        self.trees.broken |= filtered;
        if let Some(note) = header.as_ref().and_then(|header| header.checkpoint.clone()) {
            self.held.extend(held::in_header(file, note, self.keys));
        }
        self.look_at_checkpoints();

        let mut part = Part { file, from, through, events: 0, last: 0, line: 1, order: Order::new(from, through) };
        let mut footer = None;
        while let Some(Seen { line, what }) = seen.next() {
            match what {
                What::Broken(error) => {
                    self.say(file, part.line + 1, error.into());
                    break;
                }
                _ if footer.is_some() => self.say(file, line, Fault::BehindTheEnd),
                What::Header(..) => self.say(file, line, Fault::SecondHeader),
                What::Footer(Footer { end }) => footer = Some((line, end)),
                What::Flawed(None, flaw) => {
                    self.say(file, line, Fault::Flawed { position: None, flaw });
                    // The last line of all broke off, or was the footer.
                    if !filtered && seen.peek().is_some() {
                        let following = following(&mut seen);
                        if part.order.fit(line, None, following) != Fit::Extra {
                            self.trees.broken = true;
                        }
                    }
                }
                What::Flawed(Some(event), flaw) => {
                    self.say(file, line, Fault::Flawed { position: Some(event.position), flaw });
                    self.event(&mut part, line, &event, filtered, following(&mut seen), true);
                }
                What::Event(event) => {
                    self.event(&mut part, line, &event, filtered, following(&mut seen), false);
                }
            }
            part.line = line;
        }
        self.end_of_export(part, filtered, header.as_ref().zip(digest), footer);
        Ok(())
    }

    /// The first line, if it is a header; else it is left to be looked at as any other.
    fn header(
        &mut self,
        file: usize,
        seen: &mut Peekable<impl Iterator<Item = Seen>>,
    ) -> (Option<Header>, Option<[u8; 32]>) {
        let first = seen.next_if(|seen| matches!(seen.what, What::Header(..) | What::Flawed(None, _)));
        match first.map(|seen| seen.what) {
            Some(What::Header(header, digest)) => return (Some(*header), Some(digest)),
            Some(What::Flawed(_, flaw)) => self.say(file, 1, Fault::Flawed { position: None, flaw }),
            _ => self.say(file, 1, Fault::NoHeader),
        }
        (None, None)
    }

    fn event(
        &mut self,
        part: &mut Part,
        line: u64,
        event: &Event,
        filtered: bool,
        following: Option<Position>,
        flawed: bool,
    ) {
        let (file, position) = (part.file, event.position);
        part.events += 1;
        self.report.events += 1;
        if let Some(other) = self.against.as_mut().and_then(|against| against.unlike(event)) {
            self.say(file, line, Fault::Unlike { position, line: other });
        }
        let is_altered = event.leaf != event.stated;
        if filtered {
            if is_altered {
                self.say(file, line, Fault::Altered { position });
            }
            if position <= part.last {
                self.say(file, line, Fault::Falls { position, behind: part.last });
            } else if position < part.from || position > part.through {
                self.say(file, line, Fault::Beyond { position, through: part.through });
            }
            part.last = position;
            return;
        }
        let fit = part.order.fit(line, Some(position), following);
        match fit {
            Fit::Extra => return,
            Fit::Behind(_) => self.trees.broken = true,
            Fit::Here if position > part.through && position - 1 == part.through => {
                self.say(file, line, Fault::Beyond { position, through: part.through });
            }
            Fit::Here | Fit::Instead(_) => {}
        }
        part.last = position;
        if is_altered && fit == Fit::Here && !flawed {
            self.say(file, line, Fault::Altered { position });
        }
        if fit == Fit::Here && !is_altered {
            if self.time.is_some_and(|time| event.recorded_at < time) {
                self.say(file, line, Fault::Time { position });
            }
            self.time = Some(event.recorded_at);
        }
        if !self.trees.broken {
            self.trees.push(event);
            self.look_at_checkpoints();
        }
    }

    fn end_of_export(
        &mut self,
        part: Part,
        filtered: bool,
        header: Option<(&Header, [u8; 32])>,
        footer: Option<(u64, End)>,
    ) {
        let Part { file, events, last, line, order, .. } = part;
        self.report.through = if filtered { last } else { order.next() - 1 };
        if !filtered {
            let (found, unlisted) = order.findings(file, footer.as_ref().map_or(line, |(line, _)| line - 1));
            self.report.unlisted += unlisted;
            found.into_iter().for_each(|finding| self.say(finding.file, finding.line, finding.fault));
        }
        let Some((line, end)) = footer else { return self.say(file, line + 1, Fault::NoFooter) };
        if header.is_some_and(|(_, digest)| digest != end.header.0) {
            self.say(file, line, Fault::Header);
        }
        // What is missing or too many was said already, and where.
        let told = self.report.unlisted > 0 || self.report.findings.iter().any(|finding| finding.file == file);
        if !told && end.count != events {
            self.say(file, line, Fault::Count { said: end.count, found: events });
        }
        if !told && end.last != last {
            self.say(file, line, Fault::Last { said: end.last, found: last });
        }
        if header.is_some_and(|(header, _)| header.complete != end.root.is_some()) {
            self.say(file, line, Fault::NoRoot);
        }
        if let Some(said) = end.root.filter(|_| !self.trees.broken) {
            let (fields, stated) = self.trees.roots();
            if said.0 != fields && Some(said.0) != stated {
                self.say(file, line, Fault::Root { said, found: Hash(fields) });
            }
        }
    }

    /// Holds the tree, as it is now, against the checkpoints of its size.
    fn look_at_checkpoints(&mut self) {
        let size = self.trees.fields.size();
        if self.trees.broken || !self.held.iter().any(|held| held.is_due(size)) {
            return;
        }
        let (fields, stated) = self.trees.roots();
        self.held.iter_mut().filter(|held| held.is_due(size)).for_each(|held| held.meet(&fields, stated.as_ref()));
    }

    fn end(mut self) -> Report {
        let held = std::mem::take(&mut self.held);
        let size = if self.trees.broken { None } else { Some(self.trees.fields.size()) };
        for (line, fault) in held::faults(&held, size, !self.keys.is_empty()) {
            self.say(0, line, fault);
        }
        self.report.checkpoints = held;
        self.report.root = size.map(|_| Hash(self.trees.fields.root()));
        self.report.findings.sort_by_key(|finding| (finding.file, finding.line));
        self.report
    }
}

/// One of the files.
struct Part {
    file: usize,
    from: Position,
    through: Position,
    events: u64,
    last: Position,
    /// The last line that was looked at.
    line: u64,
    order: Order,
}

/// The position on the next line, if there is an event on it.
fn following(seen: &mut Peekable<impl Iterator<Item = Seen>>) -> Option<Position> {
    match &seen.peek()?.what {
        What::Event(event) | What::Flawed(Some(event), _) => Some(event.position),
        _ => None,
    }
}

/// Another export, read alongside.
struct Against {
    seen: Box<dyn Iterator<Item = Seen>>,
    at: Option<(u64, Event)>,
}

impl Against {
    fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { seen: Box::new(reading::read(path)?), at: None })
    }

    /// The line of the other event at that position, if it is not this one.
    fn unlike(&mut self, event: &Event) -> Option<u64> {
        while self.at.is_none_or(|(_, other)| other.position < event.position) {
            let Seen { line, what } = self.seen.next()?;
            if let What::Event(other) | What::Flawed(Some(other), _) = what {
                self.at = Some((line, other));
            }
        }
        self.at.filter(|(_, other)| other.position == event.position && other.leaf != event.leaf).map(|(line, _)| line)
    }
}
