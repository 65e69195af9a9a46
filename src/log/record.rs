//! One event as the log keeps it, for ever, and the bytes that prove it.

use std::sync::LazyLock;

use chrysalis_domain::id::{CommandId, EventId, ProjectId, RequestId, SealedId, UserId};
use chrysalis_domain::{Subject, Timestamp};
use sha2::{Digest, Sha256};

/// Place in the whole log: 1 for the first event. In commit order and dense on the SQL stores.
pub type Position = u64;

/// Place in a stream: 1 for its first event.
pub type Version = u64;

/// Names a stream: the category, a dash, the id of the aggregate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(String);

impl StreamId {
    pub fn user(user: UserId) -> Self {
        Self::of(Subject::User(user))
    }

    /// For a stream read back from the log.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn of(subject: Subject) -> Self {
        Self(subject.stream())
    }

    /// The stream of the settings: there is one project.
    pub fn settings() -> &'static StreamId {
        static SETTINGS: LazyLock<StreamId> = LazyLock::new(|| StreamId::of(Subject::Settings(ProjectId::DEFAULT)));
        &SETTINGS
    }

    pub fn as_user(&self) -> Option<UserId> {
        match self.subject()? {
            Subject::User(user) => Some(user),
            _ => None,
        }
    }

    /// What the stream is about; none when this program knows no such thing.
    pub fn subject(&self) -> Option<Subject> {
        Subject::of_stream(&self.0)
    }
}

/// Who decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// `user`, `admin`, `system` or `api_key`.
    pub kind: &'static str,
    pub id: Option<String>,
    /// The session or key through which they acted.
    pub by: Option<String>,
    pub impersonator: Option<String>,
}

impl Actor {
    pub fn user(user: UserId) -> Self {
        Self { kind: "user", id: Some(user.to_string()), by: None, impersonator: None }
    }

    pub fn by(self, session: impl ToString) -> Self {
        Self { by: Some(session.to_string()), ..self }
    }

    pub fn system() -> Self {
        Self { kind: "system", id: None, by: None, impersonator: None }
    }

    /// A user, whoever that is.
    pub fn somebody() -> Self {
        Self { kind: "user", ..Self::system() }
    }
}

/// What a decision's events have in common.
#[derive(Clone, Debug)]
pub struct Context {
    pub project: ProjectId,
    pub actor: Actor,
    pub request: Option<RequestId>,
    pub command: CommandId,
    /// The event that this decision follows from, if one did.
    pub cause: Option<EventId>,
    /// The settings that it was decided by: 0 is the configuration at start-up, and stands also where none was asked.
    pub settings_version: Version,
}

impl Context {
    /// In the installation's own name, by no setting.
    pub fn of_system(command: CommandId) -> Self {
        Self {
            project: ProjectId::DEFAULT,
            actor: Actor::system(),
            request: None,
            command,
            cause: None,
            settings_version: 0,
        }
    }
}

/// The name of a sealed record in an event, and the commitment to what it held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedRef {
    pub id: SealedId,
    pub commitment: [u8; 32],
}

impl SealedRef {
    pub(crate) const LEN: usize = 16 + 32;

    /// Id (16 bytes) and commitment (32 bytes) of each, one behind the other.
    pub fn encode(all: &[SealedRef]) -> Vec<u8> {
        all.iter().flat_map(|sealed| sealed.id.ulid().to_bytes().into_iter().chain(sealed.commitment)).collect()
    }

    pub fn decode(bytes: &[u8]) -> Vec<SealedRef> {
        let one = |chunk: &[u8]| {
            let id = SealedId::from_ulid(ulid::Ulid::from_bytes(chunk[..16].try_into().unwrap_or_default()));
            SealedRef { id, commitment: chunk[16..].try_into().unwrap_or_default() }
        };
        bytes.chunks_exact(Self::LEN).map(one).collect()
    }
}

/// A stored event. Every field is what the log holds, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    pub position: Position,
    pub project: String,
    pub stream: StreamId,
    pub version: Version,
    pub event_id: String,
    pub event_type: String,
    pub type_version: u16,
    /// The log's own time: never falls as position rises.
    pub recorded_at: Timestamp,
    /// The decision's clock.
    pub occurred_at: Timestamp,
    pub actor_type: String,
    pub actor_id: Option<String>,
    pub actor_by: Option<String>,
    pub impersonator: Option<String>,
    pub request_id: Option<String>,
    pub command_id: String,
    pub cause: Option<String>,
    pub settings_version: u64,
    /// [`SealedRef`]s, encoded.
    pub sealed: Vec<u8>,
    pub body: Vec<u8>,
}

/// Version of the leaf's layout.
const LEAF_FORMAT: u8 = 1;

impl Recorded {
    /// See [`Fields::leaf`].
    pub fn leaf(&self) -> [u8; 32] {
        self.fields().leaf()
    }

    pub fn fields(&self) -> Fields<'_> {
        Fields {
            position: self.position,
            project: &self.project,
            stream: self.stream.as_str(),
            version: self.version,
            event_id: &self.event_id,
            event_type: &self.event_type,
            type_version: self.type_version,
            recorded_at: self.recorded_at,
            occurred_at: self.occurred_at,
            actor_type: &self.actor_type,
            actor_id: self.actor_id.as_deref(),
            actor_by: self.actor_by.as_deref(),
            impersonator: self.impersonator.as_deref(),
            request_id: self.request_id.as_deref(),
            command_id: &self.command_id,
            cause: self.cause.as_deref(),
            settings_version: self.settings_version,
            sealed: &self.sealed,
            body: &self.body,
        }
    }
}

/// The fields of an event, wherever they are kept: in the log, or in a line of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields<'e> {
    pub position: Position,
    pub project: &'e str,
    pub stream: &'e str,
    pub version: Version,
    pub event_id: &'e str,
    pub event_type: &'e str,
    pub type_version: u16,
    pub recorded_at: Timestamp,
    pub occurred_at: Timestamp,
    pub actor_type: &'e str,
    pub actor_id: Option<&'e str>,
    pub actor_by: Option<&'e str>,
    pub impersonator: Option<&'e str>,
    pub request_id: Option<&'e str>,
    pub command_id: &'e str,
    pub cause: Option<&'e str>,
    pub settings_version: u64,
    pub sealed: &'e [u8],
    pub body: &'e [u8],
}

impl Fields<'_> {
    /// The leaf of this event in the Merkle tree over the log: SHA-256 of 0x00 (RFC 6962, section 2.1, so that no leaf
    /// can be taken for an inner node), the format version, and every field in the order of the struct.
    ///
    /// A field is its length in 4 bytes and its bytes; numbers are 8 bytes; both big-endian, text is UTF-8. An absent
    /// field has length zero: no field that may be absent is ever present and empty. One that was made so is a byte that is
    /// no text, or nobody would find out.
    pub fn leaf(&self) -> [u8; 32] {
        let mut leaf = Leaf(Sha256::new_with_prefix([0x00, LEAF_FORMAT]));
        leaf.number(self.position);
        leaf.field(self.project.as_bytes());
        leaf.field(self.stream.as_bytes());
        leaf.number(self.version);
        leaf.field(self.event_id.as_bytes());
        leaf.field(self.event_type.as_bytes());
        leaf.number(u64::from(self.type_version));
        leaf.time(self.recorded_at);
        leaf.time(self.occurred_at);
        leaf.field(self.actor_type.as_bytes());
        leaf.optional(self.actor_id);
        leaf.optional(self.actor_by);
        leaf.optional(self.impersonator);
        leaf.optional(self.request_id);
        leaf.field(self.command_id.as_bytes());
        leaf.optional(self.cause);
        leaf.number(self.settings_version);
        leaf.field(self.sealed);
        leaf.field(self.body);
        leaf.0.finalize().into()
    }
}

struct Leaf(Sha256);

impl Leaf {
    fn field(&mut self, bytes: &[u8]) {
        // Bodies are bounded far below 4 GiB; a longer field could not have been stored.
        self.0.update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        self.0.update(bytes);
    }

    fn number(&mut self, number: u64) {
        self.field(&number.to_be_bytes());
    }

    fn time(&mut self, time: Timestamp) {
        self.field(&time.as_millis().to_be_bytes());
    }

    fn optional(&mut self, text: Option<&str>) {
        self.field(match text {
            Some("") => &[0xff],
            text => text.unwrap_or_default().as_bytes(),
        });
    }
}

/// What the event says of a sealed record: SHA-256(salt, kind, ciphertext), the kind length-prefixed so that kind and
/// ciphertext can't be shifted against each other. The salt stands in the record and goes with it.
pub fn commitment(salt: &[u8; 16], kind: &str, ciphertext: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix(salt);
    hash.update(u32::try_from(kind.len()).unwrap_or(u32::MAX).to_be_bytes());
    hash.update(kind.as_bytes());
    hash.update(ciphertext);
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn sample() -> Recorded {
        Recorded {
            position: 7,
            project: ProjectId::DEFAULT.to_string(),
            stream: StreamId::from_stored("user-usr_01JD8M4Z5T0000000000000001".into()),
            version: 2,
            event_id: "evt_01JD8M4Z5T0000000000000002".into(),
            event_type: "ActivityRecorded".into(),
            type_version: 1,
            recorded_at: Timestamp::from_millis(1_732_200_000_123),
            occurred_at: Timestamp::from_millis(1_732_200_000_120),
            actor_type: "user".into(),
            actor_id: Some("usr_01JD8M4Z5T0000000000000001".into()),
            actor_by: Some("ses_01JD8M4Z5T0000000000000003".into()),
            impersonator: None,
            request_id: Some("req_01JD8M4Z5T0000000000000004".into()),
            command_id: "cmd_01JD8M4Z5T0000000000000005".into(),
            cause: None,
            settings_version: 0,
            sealed: SealedRef::encode(&[SealedRef {
                id: SealedId::from_ulid(ulid::Ulid::from_parts(1, 2)),
                commitment: [3; 32],
            }]),
            body: br#"{"session":"ses_01JD8M4Z5T0000000000000003","carrier":"cookie","at":1732200000120}"#.to_vec(),
        }
    }

    /// Golden vectors: these bytes are for ever. A change here breaks every proof ever given.
    #[test]
    fn leaf_and_commitment_are_as_they_were_on_the_first_day() {
        assert_eq!(hex(&sample().leaf()), "7df2d7e1de282e6ff2b234e423316517e14c2d38f6f8f249998a5ab404efb1ad");
        assert_eq!(
            hex(&commitment(&[1; 16], "email", b"ciphertext")),
            "239465fddf6d0e8ab0e604ac410a13a36fed61e059c24f9220305802beeee034"
        );
    }

    #[test]
    fn every_field_counts() {
        let base = sample().leaf();
        let changes: [fn(&mut Recorded); 20] = [
            |r| r.position += 1,
            |r| r.project.push('x'),
            |r| r.stream = StreamId::from_stored("user-x".into()),
            |r| r.version += 1,
            |r| r.event_id.push('x'),
            |r| r.event_type.push('x'),
            |r| r.type_version += 1,
            |r| r.recorded_at = Timestamp::from_millis(1),
            |r| r.occurred_at = Timestamp::from_millis(1),
            |r| r.actor_type.push('x'),
            |r| r.actor_id = None,
            |r| r.actor_by = None,
            |r| r.impersonator = Some("x".into()),
            |r| r.impersonator = Some(String::new()),
            |r| r.request_id = None,
            |r| r.command_id.push('x'),
            |r| r.cause = Some("x".into()),
            |r| r.settings_version = 1,
            |r| r.sealed.push(1),
            |r| r.body.push(b' '),
        ];
        for (index, change) in changes.iter().enumerate() {
            let mut other = sample();
            change(&mut other);
            assert_ne!(other.leaf(), base, "field {index}");
        }
    }

    #[test]
    fn sealed_references_read_back() {
        let all: Vec<_> = (0..3)
            .map(|i| SealedRef { id: SealedId::from_ulid(ulid::Ulid::from_parts(i, 9)), commitment: [i as u8; 32] })
            .collect();
        assert_eq!(SealedRef::decode(&SealedRef::encode(&all)), all);
    }
}
