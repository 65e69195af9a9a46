//! What commands print goes through here: these stand in the place of the macros of the same names, for the whole program.
//!
//! Whoever reads may have seen enough, as `head` has. What is left to say is then said to nobody, and the command does what it
//! was told to, and ends as it would have. What could not be written for another reason, a full disk say, is told at the end.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::{Mutex, PoisonError};

macro_rules! println {
    ($($said:tt)*) => { $crate::print::line(format_args!($($said)*)) };
}

macro_rules! eprintln {
    ($($said:tt)*) => { $crate::print::aside(format_args!($($said)*), "\n") };
}

macro_rules! eprint {
    ($($said:tt)*) => { $crate::print::aside(format_args!($($said)*), "") };
}

/// The first line that could not be written.
static UNWRITTEN: Mutex<Option<io::Error>> = Mutex::new(None);

/// A line to standard output.
pub fn line(said: Arguments<'_>) {
    let mut out = io::stdout().lock();
    if let Err(error) = out.write_fmt(said).and_then(|()| out.write_all(b"\n"))
        && error.kind() != ErrorKind::BrokenPipe
    {
        UNWRITTEN.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }
}

/// Something to standard error. Where that can't be written to, there is nobody to tell.
pub fn aside(said: Arguments<'_>, end: &str) {
    let mut out = io::stderr().lock();
    let _ = out.write_fmt(said).and_then(|()| out.write_all(end.as_bytes()));
}

/// Why something that was to be printed is lost, if anything is.
pub fn unwritten() -> Option<io::Error> {
    UNWRITTEN.lock().unwrap_or_else(PoisonError::into_inner).take()
}
