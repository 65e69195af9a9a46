//! Ranges of which each end is fine by itself, and both together hold nothing: whoever asks for one has mixed something up, and
//! is told so instead of being given nothing.

use std::fmt::Display;

use chrysalis::serve::StartError;
use chrysalis::wire::json_time::JsonTime;
use chrysalis_domain::Timestamp;

/// One end: its flag, and what was given.
type End<T> = (&'static str, Option<T>);

/// Positions, both ends included.
pub fn positions(first: End<u64>, last: End<u64>) -> Result<(), StartError> {
    in_order(first, last, false)
}

/// Times, both ends included.
pub fn times(first: End<Timestamp>, last: End<Timestamp>) -> Result<(), StartError> {
    let written = |(flag, time): End<Timestamp>| (flag, time.map(JsonTime));
    in_order(written(first), written(last), false)
}

/// Times, of which the last is no part.
pub fn stretch(first: End<Timestamp>, last: End<Timestamp>) -> Result<(), StartError> {
    let written = |(flag, time): End<Timestamp>| (flag, time.map(JsonTime));
    in_order(written(first), written(last), true)
}

fn in_order<T: PartialOrd + Display>((first, from): End<T>, (last, to): End<T>, open: bool) -> Result<(), StartError> {
    let (Some(from), Some(to)) = (from, to) else { return Ok(()) };
    let why = match (from > to, open && from >= to) {
        (true, _) => "ends before it begins",
        (false, true) => "ends where it begins",
        (false, false) => return Ok(()),
    };
    Err(StartError::Usage(format!(
        "what {first} {from} and {last} {to} name {why}; give {last} something behind {first}"
    )))
}
