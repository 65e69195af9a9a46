//! Where an export goes: a file or a pipe, compressed or not. And how one that was broken off is gone on with.
//!
//! What is written depends on the lines alone, never on when they came: an export that was broken off and gone on with is
//! the same file, byte for byte.

use std::fs::{File, TryLockError};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use zstd::stream::read::Decoder;
use zstd::stream::write::Encoder;

use super::frame::{self, Footer, Header};
use super::line::{Flaw, Hash, Line};
use super::source::is_compressed;
use crate::log::Position;
use crate::proof::tree::Range;

/// Lines in one frame of a compressed export: what is compressed anew, at most, by whoever goes on with it.
const LINES_OF_A_FRAME: u64 = 16_384;
/// zstd's own choice: as fast as events are read, and a quarter of the size.
const LEVEL: i32 = 3;
/// Bytes that are written at a time.
const BUFFER: usize = 1 << 20;

/// A row of lines on its way to somewhere.
pub struct Lines<W: Write> {
    form: Form<W>,
    lines: u64,
}

enum Form<W: Write> {
    Plain(BufWriter<W>),
    Frames { frame: Option<Encoder<'static, W>>, between: Option<W> },
}

impl<W: Write> Lines<W> {
    pub fn new(to: W, compressed: bool) -> Self {
        Self::behind(to, compressed, 0)
    }

    /// Behind lines that are there.
    fn behind(to: W, compressed: bool, lines: u64) -> Self {
        let form = if compressed {
            Form::Frames { frame: None, between: Some(to) }
        } else {
            Form::Plain(BufWriter::with_capacity(BUFFER, to))
        };
        Self { form, lines }
    }

    /// Writes one line with its end, or many.
    pub fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let (frame, between) = match &mut self.form {
            Form::Plain(to) => return to.write_all(lines),
            Form::Frames { frame, between } => (frame, between),
        };
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            if let Some(to) = between.take() {
                let mut begun = Encoder::new(to, LEVEL)?;
                begun.include_checksum(true)?;
                *frame = Some(begun);
            }
            let Some(open) = frame else { return Err(io::Error::other("what was written before failed")) };
            open.write_all(line)?;
            self.lines += 1;
            if self.lines.is_multiple_of(LINES_OF_A_FRAME) {
                *between = frame.take().map(Encoder::finish).transpose()?;
            }
        }
        Ok(())
    }

    pub fn finish(self) -> io::Result<W> {
        match self.form {
            Form::Plain(to) => to.into_inner().map_err(io::IntoInnerError::into_error),
            Form::Frames { frame: Some(frame), .. } => frame.finish(),
            Form::Frames { between, .. } => between.ok_or_else(|| io::Error::other("what was written before failed")),
        }
    }
}

/// What an export came to so far: its footer is made of it.
#[derive(Clone)]
pub struct Tally {
    header: [u8; 32],
    pub count: u64,
    pub last: Position,
    /// Of the last event.
    pub leaf: Option<[u8; 32]>,
    /// Of a complete export alone.
    tree: Option<Range>,
}

impl Tally {
    pub fn of(header: &Header) -> Self {
        let tree = header.complete.then(Range::new);
        Self { header: frame::digest(&header.line()), count: 0, last: 0, leaf: None, tree }
    }

    pub fn take(&mut self, position: Position, leaf: [u8; 32]) {
        self.count += 1;
        self.last = position;
        self.leaf = Some(leaf);
        if let Some(tree) = &mut self.tree {
            tree.push(leaf);
        }
    }

    pub fn footer(&self) -> Footer {
        let root = self.tree.as_ref().map(|tree| Hash(tree.root()));
        Footer { end: frame::End { header: Hash(self.header), count: self.count, last: self.last, root } }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    #[error("{file}: {error}")]
    Io { file: String, error: io::Error },
    #[error("another export is being written to {0}")]
    Busy(String),
    #[error("{0} is there and is no export: name another file with --output")]
    Foreign(String),
    #[error("{file} was begun {how}; go on with it in the same way, or name another file with --output")]
    Form { file: String, how: &'static str },
    #[error("{file}, line {line}: {flaw}; it was not broken off there but altered, and is not gone on with")]
    Altered { file: String, line: u64, flaw: Flaw },
}

/// A file that an export goes to, and what is in it already.
pub struct Begun {
    file: File,
    compressed: bool,
    /// Where what is whole ends.
    end: u64,
    lines: u64,
    /// None where nothing is there yet.
    pub there: Option<(Header, Tally)>,
    pub finished: bool,
}

impl Begun {
    /// Goes on behind whatever whole lines are there.
    pub fn go_on(mut self) -> io::Result<Lines<File>> {
        self.file.set_len(self.end)?;
        self.file.seek(SeekFrom::Start(self.end))?;
        Ok(Lines::behind(self.file, self.compressed, self.lines))
    }
}

/// Opens a file for an export, nobody else's meanwhile, and looks at what is there. Nothing is written yet.
pub fn open(path: &Path, compressed: bool) -> Result<Begun, ResumeError> {
    let name = || path.display().to_string();
    let failed = |error| ResumeError::Io { file: name(), error };
    let file = File::options().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(ResumeError::Busy(name())),
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    let mut there = BufReader::new(file.try_clone().map_err(failed)?);
    there.rewind().map_err(failed)?;
    let is_empty = there.fill_buf().map_err(failed)?.is_empty();
    if !is_empty && is_compressed(&mut there).map_err(failed)? != compressed {
        let how = if compressed { "without --compress" } else { "with --compress" };
        return Err(ResumeError::Form { file: name(), how });
    }
    let mut found = Found::nothing(path);
    let mut end = 0;
    while let Some(stretch) = next_whole(&mut there, compressed).map_err(failed)? {
        found.take(&stretch)?;
        end = there.stream_position().map_err(failed)?;
    }
    if end == 0 && !is_empty && !is_beginning(&file, compressed).map_err(failed)? {
        return Err(ResumeError::Foreign(name()));
    }
    let Found { there, lines, finished, .. } = found;
    Ok(Begun { file, compressed, end, lines, there, finished })
}

/// The next line with its end, or the lines of the next frame. None where there is none, or not all of it.
fn next_whole(file: &mut BufReader<File>, compressed: bool) -> io::Result<Option<Vec<u8>>> {
    let mut whole = Vec::new();
    if !compressed {
        file.read_until(b'\n', &mut whole)?;
        return Ok(whole.ends_with(b"\n").then_some(whole));
    }
    if file.fill_buf()?.is_empty() {
        return Ok(None);
    }
    match Decoder::with_buffer(file)?.single_frame().read_to_end(&mut whole) {
        Ok(_) => Ok(Some(whole)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a file without a whole line holds the beginning of an export.
fn is_beginning(file: &File, compressed: bool) -> io::Result<bool> {
    let mut file = file;
    file.rewind()?;
    let mut beginning = Vec::new();
    if compressed {
        // Its first frame is not whole: what can be read of it is read.
        let _ = Decoder::new(file)?.take(BUFFER as u64).read_to_end(&mut beginning);
    } else {
        file.take(BUFFER as u64).read_to_end(&mut beginning)?;
    }
    let known = frame::HEADER.len().min(beginning.len());
    Ok(beginning[..known] == frame::HEADER.as_bytes()[..known])
}

/// What is found in a file that was written before.
struct Found<'p> {
    path: &'p Path,
    there: Option<(Header, Tally)>,
    lines: u64,
    finished: bool,
    /// Room to write lines anew.
    again: Vec<u8>,
}

impl<'p> Found<'p> {
    fn nothing(path: &'p Path) -> Self {
        Self { path, there: None, lines: 0, finished: false, again: Vec::new() }
    }

    fn take(&mut self, lines: &[u8]) -> Result<(), ResumeError> {
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            self.lines += 1;
            let read = std::str::from_utf8(line.strip_suffix(b"\n").unwrap_or(line))
                .map_err(|error| Flaw::Unreadable(error.to_string()))
                .and_then(|text| self.line(text));
            match read {
                Ok(()) => {}
                Err(_) if self.there.is_none() => return Err(ResumeError::Foreign(self.path.display().to_string())),
                Err(flaw) => {
                    return Err(ResumeError::Altered { file: self.path.display().to_string(), line: self.lines, flaw });
                }
            }
        }
        Ok(())
    }

    fn line(&mut self, text: &str) -> Result<(), Flaw> {
        let Some((header, tally)) = &mut self.there else {
            let header = Header::read(text)?;
            let tally = Tally::of(&header);
            self.there = Some((header, tally));
            return Ok(());
        };
        let said = |said: &str| Err(Flaw::Unreadable(said.to_owned()));
        if self.finished {
            return said("it stands behind the end");
        }
        if text.starts_with(frame::FOOTER) {
            self.finished = true;
            return if Footer::read(text)? == tally.footer() { Ok(()) } else { said("it is not this export's end") };
        }
        let line = Line::read(text, &mut self.again)?;
        let (event, leaf) = (line.fields(), line.fields().leaf());
        let follows = if header.filter.is_none() {
            event.position == tally.last.max(header.from - 1) + 1
        } else {
            event.position > tally.last
        };
        if leaf != line.stated() || !follows || event.position > header.through {
            return said("its event is not the one that was written there");
        }
        tally.take(event.position, leaf);
        Ok(())
    }
}
