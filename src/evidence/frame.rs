//! What stands in front of an export's lines and behind them: what was asked for, and what it came to.

use chrysalis_domain::id::ProjectId;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::line::{Flaw, Hash};
use crate::log::Position;

const FORMAT: &str = "chrysalis-log";
const VERSION: u32 = 1;

/// The first line. It stands for the whole time in which an export is made: who goes on with one goes by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Header {
    format: String,
    version: u32,
    pub project: String,
    /// The first position that was asked for.
    pub from: Position,
    /// The last one: where the log ended when the export began, if nothing else was asked for.
    pub through: Position,
    pub filter: Option<Filter>,
    /// Every event from the first to `through` is here: the Merkle tree can be computed.
    pub complete: bool,
    /// The newest signed checkpoint that covers no more than this export.
    pub checkpoint: Option<String>,
}

/// Which events of the stretch were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
}

impl Filter {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub fn takes(&self, stream: &str, event_type: &str) -> bool {
        self.stream.as_deref().is_none_or(|asked| asked == stream)
            && self.event_type.as_deref().is_none_or(|asked| asked == event_type)
    }
}

impl Header {
    pub fn new(from: Position, through: Position, filter: Filter, checkpoint: Option<String>) -> Self {
        let filter = Some(filter).filter(|filter| !filter.is_empty());
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            project: ProjectId::DEFAULT.to_string(),
            from,
            through,
            complete: from == 1 && filter.is_none(),
            filter,
            checkpoint,
        }
    }

    /// The first line, without its end.
    pub fn line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads the first line, without its end.
    pub fn read(text: &str) -> Result<Self, Flaw> {
        let header: Self = exactly(text)?;
        match &header {
            Self { format, .. } if format != FORMAT => Err(Flaw::Unreadable("it is no export of a log".to_owned())),
            Self { version, .. } if *version != VERSION => {
                Err(Flaw::Unreadable(format!("format {version} is not known to this program")))
            }
            Self { from, filter, complete, .. } if *complete != (*from == 1 && filter.is_none()) => {
                Err(Flaw::Unreadable("it says of itself that it is complete, or not, and errs".to_owned()))
            }
            Self { from: 0, .. } => Err(Flaw::Unreadable("positions begin with 1".to_owned())),
            Self { from, through, .. } if *through < from - 1 || *through == Position::MAX => {
                Err(Flaw::Unreadable("it ends where it can't".to_owned()))
            }
            _ => Ok(header),
        }
    }
}

/// The last line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Footer {
    pub end: End,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// SHA-256 of the first line, without its end: what was asked for is not changed unnoticed either.
    pub header: Hash,
    /// Lines of events.
    pub count: u64,
    /// The position on the last of them; 0 where there is none.
    pub last: Position,
    /// The root of the Merkle tree over the whole log up to there. Of a complete export alone.
    pub root: Option<Hash>,
}

impl Footer {
    /// The last line, without its end.
    pub fn line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads the last line, without its end.
    pub fn read(text: &str) -> Result<Self, Flaw> {
        exactly(text)
    }
}

/// The hash by which a footer knows its header.
pub fn digest(header: &str) -> [u8; 32] {
    Sha256::digest(header).into()
}

/// What a line begins with, by which the kinds are told apart.
pub const HEADER: &str = "{\"format\":";
pub const FOOTER: &str = "{\"end\":";

/// What a text says, if it is exactly what would be written to say it.
fn exactly<T: for<'de> Deserialize<'de> + Serialize>(text: &str) -> Result<T, Flaw> {
    let unreadable = |error: serde_json::Error| Flaw::Unreadable(error.to_string());
    let what: T = serde_json::from_str(text).map_err(unreadable)?;
    let again = serde_json::to_string(&what).map_err(unreadable)?;
    if again == text {
        return Ok(what);
    }
    Err(Flaw::Form(again.bytes().zip(text.bytes()).take_while(|(one, other)| one == other).count()))
}
