//! Certificates that somebody was erased. The log says so in two ways: a statement that it signed tells who, when, by whom and
//! why, and how many sealed records were destroyed; and the proof behind it tells that the event which it names is in what the
//! log signed as a whole. Both stand in one text, and a key is all it takes to check them.
//!
//! The proof is about the first checkpoint that covers the event. So whoever asks again is given the same certificate, as long
//! as the log signs by the same keys.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::bundle::{InclusionProof, Proof, ProofFault};
use super::note::{self, Checkpoint, NoteFault, Signer, VerifyingKey};
use super::tree::Hash;
use super::{covering, inclusion_in};
use crate::log::{Log, LogFault, Position};

/// The kind of the statement.
const KIND: &str = "erasure";
/// Where the proof begins.
const PROOF: &str = "\n\nc2sp.org/tlog-proof@v1\n";

/// What is certified, a line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    pub user: String,
    /// Nobody, where it happened before persons were named.
    pub person: Option<String>,
    /// When, as the log recorded it.
    pub at: String,
    pub reason: String,
    /// The kind of whoever did it, and who it was where that is known.
    pub by: (String, Option<String>),
    /// Sealed records that the user's events name: each is destroyed.
    pub records: u64,
    pub event: String,
    pub position: Position,
    pub leaf: Hash,
}

/// A statement that the log signed, and a proof of the event that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    statement: String,
    proof: InclusionProof,
}

/// Why a certificate certifies nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    #[error("the statement is not taken: {0}")]
    Statement(NoteFault),
    #[error("the statement does not say what such a statement says")]
    Unread,
    #[error(transparent)]
    Proof(#[from] ProofFault),
    #[error("the statement names one event, and the proof is about another")]
    OtherEvent,
    #[error("the statement is of one log, and the proof of another")]
    OtherLog,
}

impl Certificate {
    /// None while nothing that covers the event was signed.
    pub async fn of(log: &dyn Log, signer: &Signer, erasure: &Erasure) -> Result<Option<Self>, LogFault> {
        let Some(first) = covering(log, erasure.position).await? else { return Ok(None) };
        let Some(proof) = inclusion_in(log, erasure.position, &first).await? else { return Ok(None) };
        if proof.leaf != erasure.leaf {
            let odd = format!("position {} is not what was signed; run `chrysalis verify`", erasure.position);
            return Err(LogFault::Damaged(odd));
        }
        Ok(Some(Self { statement: signer.statement(KIND, &erasure.to_string()), proof }))
    }

    /// What it certifies, if one of these keys signed all of it; and the checkpoint that the event is in.
    pub fn check(&self, keys: &[VerifyingKey]) -> Result<(Erasure, Checkpoint), CertificateFault> {
        let said = note::open_statement(&self.statement, KIND, keys).map_err(CertificateFault::Statement)?;
        let erasure: Erasure = said.parse()?;
        let checkpoint = self.proof.check(keys)?;
        // Whoever has the keys of several logs is not given a bit of each.
        if self.statement.lines().next() != Some(note::title(&checkpoint.origin, KIND).as_str()) {
            return Err(CertificateFault::OtherLog);
        }
        let same = (self.proof.position, self.proof.leaf) == (erasure.position, erasure.leaf);
        if same { Ok((erasure, checkpoint)) } else { Err(CertificateFault::OtherEvent) }
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.statement, self.proof)
    }
}

impl FromStr for Certificate {
    type Err = CertificateFault;

    fn from_str(text: &str) -> Result<Self, CertificateFault> {
        let at = text.find(PROOF).ok_or(CertificateFault::Unread)?;
        // The line feed that ends the statement is its own.
        let (statement, proof) = text.split_at(at + 1);
        match proof[1..].parse()? {
            Proof::Inclusion(proof) => Ok(Self { statement: statement.to_owned(), proof }),
            Proof::Consistency(_) => Err(CertificateFault::Unread),
        }
    }
}

impl fmt::Display for Erasure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let none = "-";
        writeln!(f, "user {}", self.user)?;
        writeln!(f, "person {}", self.person.as_deref().unwrap_or(none))?;
        writeln!(f, "erased {}", self.at)?;
        writeln!(f, "by {} {}", self.by.0, self.by.1.as_deref().unwrap_or(none))?;
        writeln!(f, "reason {}", self.reason)?;
        writeln!(f, "records {}", self.records)?;
        writeln!(f, "event {}", self.event)?;
        writeln!(f, "position {}", self.position)?;
        writeln!(f, "leaf {}", STANDARD.encode(self.leaf))
    }
}

impl FromStr for Erasure {
    type Err = CertificateFault;

    fn from_str(text: &str) -> Result<Self, CertificateFault> {
        let read = || {
            let mut lines = text.lines();
            let mut line = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned);
            let some = |text: String| Some(text).filter(|text| text != "-");
            let (user, person, at) = (line("user")?, some(line("person")?), line("erased")?);
            let by = line("by")?;
            let (kind, who) = by.split_once(' ')?;
            let by = (kind.to_owned(), some(who.to_owned()));
            let (reason, records, event) = (line("reason")?, line("records")?.parse().ok()?, line("event")?);
            let (position, leaf) = (line("position")?.parse().ok()?, line("leaf")?);
            let leaf = STANDARD.decode(leaf).ok()?.try_into().ok()?;
            let erasure = Self { user, person, at, reason, by, records, event, position, leaf };
            lines.next().is_none().then_some(erasure)
        };
        read().ok_or(CertificateFault::Unread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Keyring;

    fn erasure() -> Erasure {
        Erasure {
            user: "usr_01M84QNVS457CMSJXYA73AV541".to_owned(),
            person: None,
            at: "2027-01-15T08:00:00.007Z".to_owned(),
            reason: "administrator".to_owned(),
            by: ("api_key".to_owned(), Some("key_01M84QNVS457CMSJXYA73AV541".to_owned())),
            records: 4,
            event: "evt_01M84QNVS457CMSJXYA73AV541".to_owned(),
            position: 1,
            leaf: [7; 32],
        }
    }

    /// Of a log with one event: its leaf is the root.
    fn certificate(erasure: &Erasure) -> (Certificate, Vec<VerifyingKey>) {
        let signer = Signer::of(&Keyring::of_log_signing(&[1])).unwrap();
        let checkpoint = signer.checkpoint(1, &erasure.leaf);
        let proof = InclusionProof { position: 1, leaf: erasure.leaf, hashes: Vec::new(), checkpoint };
        let statement = signer.statement(KIND, &erasure.to_string());
        (Certificate { statement, proof }, signer.keys().cloned().collect())
    }

    #[test]
    fn it_reads_back_and_every_byte_of_it_counts() {
        let erasure = erasure();
        let (certificate, keys) = certificate(&erasure);
        let text = certificate.to_string();
        let read: Certificate = text.parse().unwrap();
        assert_eq!(read, certificate);
        assert_eq!(read.check(&keys).unwrap().0, erasure);
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(altered) = String::from_utf8(bytes) else { continue };
            let checked = altered.parse::<Certificate>().and_then(|certificate| certificate.check(&keys));
            assert!(checked.is_err(), "byte {at} of {text}");
        }
        for part in (0..text.len()).filter_map(|end| text.get(..end)) {
            let checked = part.parse::<Certificate>().and_then(|certificate| certificate.check(&keys));
            assert!(checked.is_err(), "{} bytes of {text}", part.len());
        }
    }

    #[test]
    fn a_statement_of_one_event_is_proven_by_no_other() {
        let erasure = erasure();
        let (certificate, keys) = certificate(&erasure);
        let (other, _) = self::certificate(&Erasure { leaf: [8; 32], ..erasure });
        let mixed = Certificate { statement: certificate.statement, proof: other.proof };
        assert_eq!(mixed.check(&keys), Err(CertificateFault::OtherEvent));
        let strangers: Vec<_> = Signer::of(&Keyring::of_log_signing(&[2])).unwrap().keys().cloned().collect();
        assert!(matches!(other_of(&mixed).check(&strangers), Err(CertificateFault::Statement(_))));
    }

    #[test]
    fn a_statement_of_one_log_is_proven_by_no_other() {
        let erasure = erasure();
        let (certificate, mut keys) = certificate(&erasure);
        let other = Signer::of(&Keyring::of_log_signing(&[2])).unwrap();
        keys.extend(other.keys().cloned());
        assert!(certificate.check(&keys).is_ok());
        let proof = InclusionProof { checkpoint: other.checkpoint(1, &erasure.leaf), ..certificate.proof };
        let mixed = Certificate { statement: certificate.statement, proof };
        assert_eq!(mixed.check(&keys), Err(CertificateFault::OtherLog));
    }

    fn other_of(certificate: &Certificate) -> Certificate {
        certificate.to_string().parse().unwrap()
    }
}
