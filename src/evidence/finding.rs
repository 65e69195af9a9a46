//! What can be wrong with an export, in words.

use std::io;

use super::line::{Flaw, Hash};
use crate::log::Position;
use crate::proof::note::NoteFault;

/// Something that is wrong, and where.
#[derive(Debug, PartialEq)]
pub struct Finding {
    /// Which of the files, from 0 on.
    pub file: usize,
    /// From 1 on; 0 where it is about none.
    pub line: u64,
    pub fault: Fault,
}

#[derive(Debug, PartialEq, thiserror::Error)]
pub enum Fault {
    #[error("where the header belongs stands something else: it was removed")]
    NoHeader,
    #[error("a header, which belongs to the first line: it was moved or inserted")]
    SecondHeader,
    #[error("{}altered: {flaw}", of(*.position))]
    Flawed { position: Option<Position>, flaw: Flaw },
    #[error("position {position} was altered: its fields do not give the leaf that it states")]
    Altered { position: Position },
    #[error("position {instead} was altered or replaced: position {position} stands there instead")]
    Instead { position: Position, instead: Position },
    #[error("position {position} was moved: it stands behind position {behind}")]
    Moved { position: Position, behind: Position },
    #[error("position {position} was inserted: there is another line of it")]
    Inserted { position: Position },
    #[error("in front of this line {} removed", positions(*.from, *.to, "was", "were"))]
    Missing { from: Position, to: Position },
    #[error("the end is cut off: {} missing", positions(*.from, *.to, "is", "are"))]
    CutOff { from: Position, to: Position },
    #[error("position {position} was inserted: the export ends with position {through}, by its header")]
    Beyond { position: Position, through: Position },
    #[error("position {position} was moved or inserted: it stands behind position {behind}")]
    Falls { position: Position, behind: Position },
    #[error("position {position} was recorded before the event in front of it, by the times that they state")]
    Time { position: Position },
    #[error("it stands behind the footer: it was inserted")]
    BehindTheEnd,
    #[error("the footer is missing: the end is cut off")]
    NoFooter,
    #[error("the footer belongs to another header: one of them was altered")]
    Header,
    #[error("the footer counts {said} events, and there are {found}")]
    Count { said: u64, found: u64 },
    #[error("the footer ends with position {said}, and the last one is {found}")]
    Last { said: Position, found: Position },
    #[error("the footer states a Merkle root though the export is not complete, or none though it is: it was altered")]
    NoRoot,
    #[error("the events give the Merkle root {found}, and the footer states {said}: something was altered")]
    Root { said: Hash, found: Hash },
    #[error(
        "this export begins with position {found}; those before it end with {before}: what is in between is not here"
    )]
    Apart { before: Position, found: Position },
    #[error("nothing can be read from here on: {0}")]
    Broken(String),
    #[error("position {position} is not as in the other export, where it stands on line {line}")]
    Unlike { position: Position, line: u64 },
    #[error("the checkpoint {of} is not taken: {fault}")]
    Note { of: String, fault: NoteFault },
    #[error(
        "the checkpoint {of} was signed over other events: among positions {from} to {size} something was altered, removed or \
         inserted, or it is of a fork of the log"
    )]
    Unsigned { of: String, from: Position, size: u64 },
    #[error(
        "the log forked: the checkpoint {of} (of {size} events) and that of {larger} events are both signed, and can't both be \
         true of one log; these events are what the larger one is over"
    )]
    Fork { of: String, size: u64, larger: u64 },
    #[error("the checkpoint {of} is over {size} events, and {held} are here: what is behind them is cut off")]
    Short { of: String, size: u64, held: u64 },
    #[error("the checkpoint {of} can't be held against the events: they are not all there up to position {size}")]
    Unheld { of: String, size: u64 },
    #[error("a key was given, and no checkpoint that it signed: nothing is proven")]
    NothingSigned,
}

fn of(position: Option<Position>) -> String {
    position.map_or_else(String::new, |position| format!("position {position} was "))
}

fn positions(from: Position, to: Position, one: &str, many: &str) -> String {
    if from == to { format!("position {from} {one}") } else { format!("positions {from} to {to} {many}") }
}

/// For whoever can't read on.
impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Broken(error.to_string())
    }
}
