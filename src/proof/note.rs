//! Signed notes (C2SP signed-note): a text, and who signed it. A checkpoint is one (C2SP tlog-checkpoint); so is any other
//! statement that the log vouches for.
//!
//! The log's name is its origin. It follows from the log's very first key, so it is nobody else's, and stays whatever address
//! the server is reached at. After a rotation checkpoints carry the signatures of the two newest keys, so that whoever knows
//! the former one is not cut off; and [`Signer::key_list`] is signed by every key there ever was.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{Ed25519KeyPair, KeyPair};
use sha2::{Digest, Sha256};
use signed_note::{Note, NoteError, StandardSigner, StandardVerifier, Verifier, VerifierList};
use zeroize::Zeroizing;

use super::tree::Hash;
use crate::keys::{Keyring, Purpose};

/// The algorithm of a key, as notes name it.
const ED25519: u8 = 1;
/// Keys whose signatures a checkpoint carries: the newest, and the one before it.
const SIGN_TOGETHER: usize = 2;

/// What a checkpoint says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Whose it is.
    pub origin: String,
    /// How many events it is about: those at positions 1 to this one.
    pub size: u64,
    pub root: Hash,
    /// The keys, of those that were given, whose signatures it carries.
    pub signed_by: Vec<VerifyingKey>,
}

/// Why a note is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteFault {
    #[error("it is no signed note")]
    Malformed,
    #[error("it is of another log: {found}, not {wanted}")]
    OtherLog { found: String, wanted: String },
    #[error(
        "it is of this log, but signed by none of the keys given: by {keys}; `chrysalis audit keys` lists them all"
    )]
    OtherKey { keys: String },
    #[error("the signature of key {key} does not fit: the text was altered, or is none of the log's")]
    Forged { key: String },
    #[error("the log signed it, and it is no checkpoint")]
    NoCheckpoint,
    #[error("the log signed it, and it is no statement of this kind")]
    NoStatement,
}

/// A key that notes are checked by, as it is published: name, number and key in one word.
#[derive(Clone)]
pub struct VerifyingKey {
    text: String,
    verifier: StandardVerifier,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no key to check a log by: write one as `chrysalis audit keys` does, name+number+key")]
pub struct KeyFault;

impl VerifyingKey {
    /// The name of the log.
    pub fn name(&self) -> &str {
        self.verifier.name()
    }

    /// Its number, as signatures name it.
    pub fn number(&self) -> String {
        format!("{:08x}", self.verifier.key_id())
    }
}

impl FromStr for VerifyingKey {
    type Err = KeyFault;

    fn from_str(text: &str) -> Result<Self, KeyFault> {
        let text = text.trim().to_owned();
        let verifier = StandardVerifier::new(&text).map_err(|_| KeyFault)?;
        Ok(Self { text, verifier })
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for VerifyingKey {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for VerifyingKey {}

/// Signs in the log's name.
pub struct Signer {
    origin: String,
    /// Oldest first, all that there ever were.
    keys: Vec<(StandardSigner, VerifyingKey)>,
}

impl Signer {
    /// None without a key.
    pub fn of(keyring: &Keyring) -> Option<Self> {
        let seeds: Vec<_> = keyring.all(Purpose::LogSigning).iter().map(|key| key.secret.clone()).collect();
        let pairs = seeds.iter().map(|seed| Ed25519KeyPair::from_seed_unchecked(&seed[..]).ok());
        let public: Vec<_> = pairs.collect::<Option<_>>()?;
        let origin = origin(public.first()?.public_key().as_ref());
        let keys = seeds.iter().zip(&public).map(|(seed, pair)| key(&origin, seed, pair.public_key().as_ref()));
        Some(Self { keys: keys.collect::<Option<_>>()?, origin })
    }

    /// The log's name.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Every key that there ever was, oldest first. The last one signs, and the one before it along with it.
    pub fn keys(&self) -> impl Iterator<Item = &VerifyingKey> {
        self.keys.iter().map(|(_, key)| key)
    }

    pub fn checkpoint(&self, size: u64, root: &Hash) -> String {
        self.sign(format!("{}\n{size}\n{}\n", self.origin, STANDARD.encode(root)), SIGN_TOGETHER)
    }

    /// Some other text that the log vouches for. Its first line names the log and what kind of text it is, so that none can
    /// be taken for a checkpoint or for one of another kind. Lines of the text end with a line feed, and hold no other control
    /// character: they are left out.
    pub fn statement(&self, kind: &str, text: &str) -> String {
        self.sign(self.said(kind, text), SIGN_TOGETHER)
    }

    /// The keys of the log, a line each, signed by every one of them: whoever trusts one learns of the others.
    pub fn key_list(&self) -> String {
        let lines: String = self.keys().map(|key| format!("{key}\n")).collect();
        self.sign(self.said(KEY_LIST, &lines), self.keys.len())
    }

    fn said(&self, kind: &str, text: &str) -> String {
        let ends = if text.ends_with('\n') { "" } else { "\n" };
        let said = format!("{}\n{text}{ends}", title(&self.origin, kind));
        said.chars().filter(|c| *c == '\n' || !c.is_control()).collect()
    }

    fn sign(&self, text: String, newest: usize) -> String {
        let signers = self.keys.iter().rev().take(newest).map(|(signer, _)| signer as &dyn signed_note::Signer);
        let signed = Note::new(text.as_bytes(), &[]).and_then(|mut note| {
            note.add_sigs(&signers.collect::<Vec<_>>())?;
            Ok(note.to_bytes())
        });
        // The text is ours: lines without control characters, below the limit of a note. An unsigned text vouches for nothing.
        signed.ok().and_then(|note| String::from_utf8(note).ok()).unwrap_or_default()
    }
}

/// The first line of a log's statement.
pub(super) fn title(origin: &str, kind: &str) -> String {
    format!("{origin}/{kind}")
}

/// The kind of the statement that lists keys.
const KEY_LIST: &str = "keys";

fn origin(first: &[u8]) -> String {
    let hash = Sha256::digest(first);
    let id: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("chrysalis/{id}")
}

fn key(origin: &str, seed: &[u8; 32], public: &[u8]) -> Option<(StandardSigner, VerifyingKey)> {
    let public = [&[ED25519], public].concat();
    let number = signed_note::key_id(origin, &public);
    let seed = Zeroizing::new([&[ED25519], &seed[..]].concat());
    let secret = Zeroizing::new(format!("PRIVATE+KEY+{origin}+{number:08x}+{}", STANDARD.encode(&*seed)));
    let verifying = format!("{origin}+{number:08x}+{}", STANDARD.encode(public)).parse().ok()?;
    Some((StandardSigner::new(&secret).ok()?, verifying))
}

/// Reads a checkpoint that one of these keys signed.
pub fn open(note: &str, keys: &[VerifyingKey]) -> Result<Checkpoint, NoteFault> {
    let (text, signed_by) = verified(note, keys)?;
    let read = tlog_tiles::Checkpoint::from_bytes(text.as_bytes()).map_err(|_| NoteFault::NoCheckpoint)?;
    if !signed_by.iter().any(|key| key.name() == read.origin()) {
        return Err(NoteFault::NoCheckpoint);
    }
    Ok(Checkpoint { origin: read.origin().to_owned(), size: read.size(), root: read.hash().0, signed_by })
}

/// Reads a statement of a kind that one of these keys signed: what stands below its first line.
pub fn open_statement(note: &str, kind: &str, keys: &[VerifyingKey]) -> Result<String, NoteFault> {
    let (text, signed_by) = verified(note, keys)?;
    let (first, rest) = text.split_once('\n').ok_or(NoteFault::NoStatement)?;
    let named = signed_by.iter().any(|key| first == title(key.name(), kind));
    if named { Ok(rest.to_owned()) } else { Err(NoteFault::NoStatement) }
}

/// The keys of a log, from its list of them, as far as one of those that are known vouches for it.
pub fn open_key_list(note: &str, known: &[VerifyingKey]) -> Result<Vec<VerifyingKey>, NoteFault> {
    let lines = open_statement(note, KEY_LIST, known)?;
    lines.lines().map(|line| line.parse().map_err(|_| NoteFault::NoStatement)).collect()
}

/// The text of a note, and who of these signed it.
fn verified(note: &str, keys: &[VerifyingKey]) -> Result<(String, Vec<VerifyingKey>), NoteFault> {
    let parsed = Note::from_bytes(note.as_bytes()).map_err(|_| NoteFault::Malformed)?;
    let text = String::from_utf8(parsed.text().to_vec()).map_err(|_| NoteFault::Malformed)?;
    // A key that is given twice is still one.
    let mut once: Vec<&VerifyingKey> = Vec::new();
    keys.iter().for_each(|key| {
        if !once.contains(&key) {
            once.push(key);
        }
    });
    let known = VerifierList::new(once.iter().map(|key| Box::new(key.verifier.clone()) as Box<dyn Verifier>).collect());
    match parsed.verify(&known) {
        Ok((by, _)) => {
            let is_by = |key: &&VerifyingKey| {
                by.iter().any(|signed| signed.name() == key.name() && signed.id() == key.verifier.key_id())
            };
            Ok((text, once.into_iter().filter(is_by).cloned().collect()))
        }
        Err(NoteError::InvalidSignature { id, .. }) => Err(NoteFault::Forged { key: format!("{id:08x}") }),
        Err(NoteError::UnverifiedNote) => Err(stranger(note, &text, keys)),
        Err(_) => Err(NoteFault::Malformed),
    }
}

/// Why a note is by none of these keys.
fn stranger(note: &str, text: &str, keys: &[VerifyingKey]) -> NoteFault {
    let signatures = note.lines().rev().map_while(|line| signed_note::Signature::from_bytes(line.as_bytes()).ok());
    let ours = signatures.filter(|signed| keys.iter().any(|key| key.name() == signed.name()));
    let ours: Vec<_> = ours.map(|signed| format!("{:08x}", signed.id())).collect();
    if ours.is_empty() {
        let found = text.lines().next().unwrap_or_default().to_owned();
        let mut wanted: Vec<_> = keys.iter().map(VerifyingKey::name).collect();
        wanted.dedup();
        NoteFault::OtherLog { found, wanted: wanted.join(", ") }
    } else {
        NoteFault::OtherKey { keys: ours.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(seeds: &[u8]) -> Signer {
        Signer::of(&Keyring::of_log_signing(seeds)).unwrap()
    }

    fn keys(signer: &Signer) -> Vec<VerifyingKey> {
        signer.keys().cloned().collect()
    }

    const ROOT: Hash = [7; 32];

    /// Golden, made by OpenSSL from the same seed: who keeps a checkpoint or a key today checks by it in twenty years.
    #[test]
    fn a_checkpoint_and_a_key_are_as_on_the_first_day() {
        let (note, key) = (
            "chrysalis/34750f98bd59fcfc\n42\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n\n\
             \u{2014} chrysalis/34750f98bd59fcfc XYhUVhsDez6GJW9SfbXqO82gE48XyfjLnMb4UrZbBvBi\
             dz+KEis/l7ALXni9wi8ca/nVxemNOgi++n0XQ7Mswru7ZAM=\n",
            "chrysalis/34750f98bd59fcfc+5d885456+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c",
        );
        let signer = signer(&[1]);
        assert_eq!(
            (signer.checkpoint(42, &ROOT).as_str(), signer.keys().next().unwrap().to_string().as_str()),
            (note, key)
        );
        let checkpoint = open(note, &[key.parse().unwrap()]).unwrap();
        assert_eq!((checkpoint.origin.as_str(), checkpoint.size, checkpoint.root), (signer.origin(), 42, ROOT));
    }

    /// The example of the specification, made by another implementation.
    #[test]
    fn a_note_of_others_is_read() {
        let key: VerifyingKey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".parse().unwrap();
        let note = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n\
             \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
        let (text, by) = verified(note, std::slice::from_ref(&key)).unwrap();
        assert!(text.starts_with("If you think") && by == [key.clone()]);
        assert_eq!(open(note, &[key]), Err(NoteFault::NoCheckpoint));
    }

    #[test]
    fn another_log_another_key_and_an_altered_text_are_told_apart() {
        let (ours, other) = (signer(&[1, 2]), signer(&[3]));
        let note = ours.checkpoint(42, &ROOT);
        assert_eq!(
            open(&note, &keys(&other)),
            Err(NoteFault::OtherLog { found: ours.origin().to_owned(), wanted: other.origin().to_owned() })
        );
        let later = signer(&[1, 2, 3, 4]);
        let number = |at: usize| keys(&ours)[at].number();
        assert_eq!(
            open(&note, &keys(&later)[2..]),
            Err(NoteFault::OtherKey { keys: format!("{}, {}", number(0), number(1)) })
        );
        let altered = note.replacen("\n42\n", "\n43\n", 1);
        assert_eq!(open(&altered, &keys(&ours)), Err(NoteFault::Forged { key: number(1) }));
        for no_note in
            ["", "\n", "x", &note[..note.len() - 1], &note.replace('\u{2014}', "-"), &note.replace('\n', "\r\n")]
        {
            assert_eq!(open(no_note, &keys(&ours)), Err(NoteFault::Malformed), "{no_note:?}");
        }
    }

    #[test]
    fn every_byte_of_a_checkpoint_counts() {
        let signer = signer(&[1]);
        let (note, keys) = (signer.checkpoint(42, &ROOT), keys(&signer));
        for at in 0..note.len() {
            for bit in [1, 2, 32, 128] {
                let mut bytes = note.clone().into_bytes();
                bytes[at] ^= bit;
                if let Ok(text) = String::from_utf8(bytes) {
                    assert!(open(&text, &keys).is_err(), "byte {at} is {text:?}");
                }
            }
        }
    }

    #[test]
    fn after_a_rotation_either_key_will_do_and_older_checkpoints_stay_good() {
        let (before, after) = (signer(&[1]), signer(&[1, 2]));
        assert_eq!(before.origin(), after.origin());
        let both = keys(&after);
        let [old, new] = &both[..] else { panic!("two keys") };
        let note = after.checkpoint(42, &ROOT);
        for key in [old, new] {
            let alone = std::slice::from_ref(key);
            assert_eq!(open(&note, alone).unwrap().signed_by, alone);
        }
        assert!(open(&before.checkpoint(41, &ROOT), &keys(&after)).is_ok());
        // Whoever knows the first one alone learns of all the others, of however many rotations.
        let later = signer(&[1, 2, 3, 4]);
        assert_eq!(open_key_list(&later.key_list(), std::slice::from_ref(old)).unwrap(), keys(&later));
        assert!(open_key_list(&later.key_list(), &keys(&signer(&[9]))).is_err());
    }

    #[test]
    fn a_statement_is_no_checkpoint_and_none_of_another_kind() {
        let signer = signer(&[1]);
        let keys = keys(&signer);
        let note = signer.statement("erasure", "42\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n");
        assert_eq!(open(&note, &keys), Err(NoteFault::NoCheckpoint));
        assert_eq!(open_statement(&note, "keys", &keys), Err(NoteFault::NoStatement));
        assert_eq!(open_statement(&signer.checkpoint(1, &ROOT), "erasure", &keys), Err(NoteFault::NoStatement));
        assert!(open_statement(&note, "erasure", &keys).unwrap().starts_with("42\n"));
        let odd = signer.statement("erasure", "a\u{7}b\r\n\nc");
        assert_eq!(open_statement(&odd, "erasure", &keys).unwrap(), "ab\n\nc\n");
    }
}
