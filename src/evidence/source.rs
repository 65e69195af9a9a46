//! The bytes of an export, compressed or not, and its lines some thousand at a time.
//!
//! A compressed export is a row of zstd frames, as RFC 8878 lets frames follow each other: each holds whole lines and can
//! be read by itself, so that an export that was broken off is gone on with behind the last frame that was finished.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use zstd::stream::read::Decoder;

/// What every zstd frame begins with.
const MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
/// Bytes that are read at a time.
const PIECE: u64 = 1 << 20;
/// No line of an event is as long: what is, was made to use up memory.
const LONGEST: usize = 64 << 20;

/// Whether what stands here is compressed. It may be broken off after its first byte.
pub fn is_compressed(file: &mut impl BufRead) -> io::Result<bool> {
    let beginning = file.fill_buf()?;
    let known = beginning.len().min(MAGIC.len());
    Ok(known > 0 && MAGIC.starts_with(&beginning[..known]))
}

/// An export, decompressed as it is read.
pub enum Source {
    Plain(BufReader<File>),
    Frames { frame: Option<Decoder<'static, BufReader<File>>>, between: Option<BufReader<File>> },
}

impl Source {
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = BufReader::new(File::open(path)?);
        let compressed = is_compressed(&mut file)?;
        Ok(if compressed { Self::Frames { frame: None, between: Some(file) } } else { Self::Plain(file) })
    }
}

impl Read for Source {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let (frame, between) = match self {
            Self::Plain(file) => return file.read(room),
            Self::Frames { frame, between } => (frame, between),
        };
        loop {
            if let Some(mut file) = between.take() {
                if file.fill_buf()?.is_empty() {
                    return Ok(0);
                }
                *frame = Some(Decoder::with_buffer(file)?.single_frame());
            }
            // It broke before: there is no more.
            let Some(decoder) = frame else { return Ok(0) };
            match decoder.read(room)? {
                0 if !room.is_empty() => *between = frame.take().map(Decoder::finish),
                read => return Ok(read),
            }
        }
    }
}

/// Whole lines, with their ends; the last line of all may lack its own.
#[derive(Debug, PartialEq, Eq)]
pub struct Piece {
    /// The number of the first line, from 1 on.
    pub first: u64,
    pub bytes: Vec<u8>,
}

/// Cuts what it reads between lines.
pub struct Pieces<R> {
    source: R,
    /// The beginning of a line whose end is not read yet.
    rest: Vec<u8>,
    next: u64,
    state: State,
}

enum State {
    Reading,
    /// It can't be read any further: to be said once what came before is given out.
    Broken(io::Error),
    Ended,
}

impl<R: Read> Pieces<R> {
    pub fn new(source: R) -> Self {
        Self { source, rest: Vec::new(), next: 1, state: State::Reading }
    }

    fn piece(&mut self, bytes: Vec<u8>) -> Piece {
        let first = self.next;
        self.next += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        Piece { first, bytes }
    }
}

impl<R: Read> Iterator for Pieces<R> {
    type Item = io::Result<Piece>;

    fn next(&mut self) -> Option<io::Result<Piece>> {
        let mut bytes = std::mem::take(&mut self.rest);
        while matches!(self.state, State::Reading) {
            let begin = bytes.len();
            match self.source.by_ref().take(PIECE).read_to_end(&mut bytes) {
                Ok(0) => {
                    self.state = State::Ended;
                    return (!bytes.is_empty()).then(|| Ok(self.piece(bytes)));
                }
                Ok(_) if bytes.len() > LONGEST => {
                    let said = format!("line {} is longer than any that was exported", self.next);
                    self.state = State::Broken(io::Error::other(said));
                }
                Ok(_) => {}
                Err(error) => self.state = State::Broken(error),
            }
            if let Some(end) = bytes[begin..].iter().rposition(|byte| *byte == b'\n') {
                self.rest = bytes.split_off(begin + end + 1);
                return Some(Ok(self.piece(bytes)));
            }
        }
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Broken(error) => Some(Err(error)),
            State::Reading | State::Ended => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads some bytes at a time, then breaks.
    struct Breaking<'b>(&'b [u8], usize);

    impl Read for Breaking<'_> {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            let Self(left, at_a_time) = self;
            let now = (*at_a_time).min(left.len()).min(room.len());
            let (given, rest) = left.split_at(now);
            room[..now].copy_from_slice(given);
            *left = rest;
            if now == 0 { Err(io::Error::other("broken")) } else { Ok(now) }
        }
    }

    #[test]
    fn lines_are_counted_and_never_cut() {
        let text: String = (0..200_000).map(|n| format!("{n}{}\n", "x".repeat(n % 31))).collect::<String>() + "end";
        let (mut all, mut lines) = (Vec::new(), 1);
        for piece in Pieces::new(text.as_bytes()) {
            let Piece { first, bytes } = piece.unwrap();
            assert_eq!(first, lines);
            lines += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
            assert!(bytes.ends_with(b"\n") || bytes.ends_with(b"end"));
            all.extend(bytes);
        }
        assert_eq!(String::from_utf8(all).unwrap(), text);
    }

    #[test]
    fn what_was_read_before_it_broke_is_given_out_first() {
        let read: Vec<_> = Pieces::new(Breaking(b"1\n2\n3", 2)).collect();
        assert_eq!(*read[0].as_ref().unwrap(), Piece { first: 1, bytes: b"1\n2\n".to_vec() });
        assert!(read[1].is_err());
        assert_eq!(read.len(), 2);
    }

    #[test]
    fn a_line_without_end_uses_up_no_memory() {
        let read: Vec<_> = Pieces::new(io::repeat(b'a')).collect();
        assert!(read.len() == 1 && read[0].is_err());
    }
}
