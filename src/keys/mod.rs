//! The keyring: one key for each purpose, so that rotating one touches nothing that another guards.
//!
//! Every key is 32 random bytes, has an id that is written beside whatever it made, and is stored wrapped under the
//! root secret (`CHRYSALIS_SECRET`). The newest key of a purpose is used for new things, the older ones still open or
//! verify what they made. The root secret itself makes nothing but the wrapping key (HKDF, RFC 5869).

mod api_key;
mod claims;
mod code;
mod epochs;
mod flow;
mod lookup;
mod mailed;
mod records;
mod rewrap;
mod sealing;
mod secret;
mod ticket;
mod token;
mod wrap;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrysalis_domain::Timestamp;
use zeroize::Zeroizing;

use crate::entropy::{self, Entropy};
use crate::log::erasure::EPOCHS;
use crate::log::{Log, LogFault, StoredKey};

pub use api_key::{ApiSecret, prefix_of};
pub use claims::KeyringClaims;
pub use code::Code;
pub use epochs::KNOWN_AFTER;
pub(crate) use epochs::keep_learning;
use epochs::{Epoch, Epochs};
pub use flow::{flow_of, flow_secrets};
pub use lookup::LookupHash;
pub(crate) use lookup::mac;
pub use mailed::{MailedSecret, challenge_of, genuine, mailed_secret};
pub use records::Record;
pub use rewrap::{NewEpoch, Rewrapping};
pub use sealing::{Opened, PersonSealer, SealKind};
pub use secret::{SealedSecret, open_secret};
pub use ticket::Ticket;
pub use token::SessionToken;
use wrap::Wrapper;

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Signs cookies.
    Cookie,
    /// Makes the hashes by which addresses, identities and networks are looked up.
    Lookup,
    /// Wraps the keys of persons. Its ids are the epochs: with the key of one goes whatever it wrapped, wherever that lies
    /// (docs/privacy.md).
    PersonKek,
    /// The password hash's secret input; held apart from the hashes.
    Pepper,
    /// Makes the tokens that are mailed, and those that go to an identity provider and come back.
    MailToken,
    /// Derives session tokens that can be given again to an idempotency key.
    ReplayToken,
    /// Signs tokens for other services; rotated by itself.
    Token,
    /// Signs the puzzles that strangers solve before they get a guest.
    Puzzle,
    /// Signs checkpoints of the log, and what else the log vouches for.
    LogSigning,
}

impl Purpose {
    pub const ALL: [Purpose; 9] = [
        Purpose::Cookie,
        Purpose::Lookup,
        Purpose::PersonKek,
        Purpose::Pepper,
        Purpose::MailToken,
        Purpose::ReplayToken,
        Purpose::Token,
        Purpose::Puzzle,
        Purpose::LogSigning,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Purpose::Cookie => "cookie",
            Purpose::Lookup => "lookup",
            Purpose::PersonKek => EPOCHS,
            Purpose::Pepper => "pepper",
            Purpose::MailToken => "mail-token",
            Purpose::ReplayToken => "replay-token",
            Purpose::Token => "token",
            Purpose::Puzzle => "puzzle",
            Purpose::LogSigning => "log-signing",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.name() == name)
    }

    /// Whether an installation has such a key from its first start. A pepper is the operator's choice.
    pub const fn made_at_first_start(self) -> bool {
        !matches!(self, Purpose::Pepper)
    }
}

/// One key.
#[derive(Clone)]
pub struct Key {
    pub id: u32,
    pub secret: Zeroizing<[u8; 32]>,
}

/// Every key of the installation, opened.
#[derive(Clone)]
pub struct Keyring {
    keys: BTreeMap<Purpose, Vec<Key>>,
    /// Those of [`Purpose::PersonKek`], which come and go while a node runs.
    epochs: Arc<Epochs>,
}

#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    #[error(
        "the keys in the store were wrapped under another secret; start with the CHRYSALIS_SECRET they were made with, \
         or give that one as CHRYSALIS_SECRET_PREVIOUS to wrap them anew"
    )]
    OtherSecret,
    #[error("key {purpose} {id} does not open though its secret is the right one; restore the store from a backup")]
    Damaged { purpose: String, id: u32 },
    #[error(transparent)]
    Log(#[from] LogFault),
}

impl Keyring {
    /// Whether keys as they are stored open under a secret, or the one before it: to be asked before much is done.
    ///
    /// # Errors
    /// [`KeyringError::OtherSecret`] where one does not.
    pub fn opens(stored: &[StoredKey], secret: &[u8], previous: Option<&[u8]>) -> Result<(), KeyringError> {
        let wrappers = [Some(secret), previous].map(|secret| secret.map(Wrapper::new));
        let opens = |key: &StoredKey| wrappers.iter().flatten().any(|wrapper| wrapper.root() == key.root);
        if stored.iter().all(opens) { Ok(()) } else { Err(KeyringError::OtherSecret) }
    }

    /// Opens the keyring of a store; makes what is missing, and wraps anew what the previous secret wrapped. Safe when
    /// several nodes start at once: the first to store a key wins, the others read it.
    pub async fn open(
        log: &dyn Log,
        secret: &[u8],
        previous: Option<&[u8]>,
        entropy: &dyn Entropy,
        now: Timestamp,
    ) -> Result<Self, KeyringError> {
        let wrapper = Wrapper::new(secret);
        let old = previous.map(Wrapper::new);
        let mut stored = log.keys().await?;
        for purpose in Purpose::ALL.into_iter().filter(|purpose| purpose.made_at_first_start()) {
            if !stored.iter().any(|key| key.purpose == purpose.name()) {
                put_fresh(log, &wrapper, purpose, 1, entropy, now).await?;
            }
        }
        stored = log.keys().await?;
        let (mut keys, mut epochs): (BTreeMap<Purpose, Vec<Key>>, Vec<Epoch>) = Default::default();
        for row in stored {
            // A purpose this program does not know belongs to a newer one: left alone.
            let Some(purpose) = Purpose::from_name(&row.purpose) else { continue };
            let opener =
                [Some(&wrapper), old.as_ref()].into_iter().flatten().find(|wrapper| wrapper.root() == row.root);
            let opener = opener.ok_or(KeyringError::OtherSecret)?;
            let damaged = || KeyringError::Damaged { purpose: row.purpose.clone(), id: row.id };
            let secret = opener.unwrap(&row.purpose, row.id, &row.wrapped).ok_or_else(damaged)?;
            if opener.root() != wrapper.root() {
                let wrapped = wrapper.wrap(&row.purpose, row.id, &secret, entropy);
                log.put_key(StoredKey { root: wrapper.root().to_owned(), wrapped, ..row.clone() }, true).await?;
            }
            let key = Key { id: row.id, secret };
            match purpose {
                Purpose::PersonKek => {
                    epochs.push(Epoch { key, created_at: row.created_at, retired: row.retired_at.is_some() });
                }
                purpose => keys.entry(purpose).or_default().push(key),
            }
        }
        Ok(Self { keys, epochs: Arc::new(Epochs::of(epochs, now)) })
    }

    /// Adds a new key for a purpose, to be used from the next start on. Answers its id. Epochs are begun, and ended, by a
    /// [`Rewrapping`].
    pub async fn rotate(
        &self,
        log: &dyn Log,
        secret: &[u8],
        purpose: Purpose,
        entropy: &dyn Entropy,
        now: Timestamp,
    ) -> Result<u32, KeyringError> {
        let id = self.all(purpose).last().map_or(0, |key| key.id) + 1;
        put_fresh(log, &Wrapper::new(secret), purpose, id, entropy, now).await?;
        Ok(id)
    }

    /// The keys of a purpose, oldest first.
    pub fn all(&self, purpose: Purpose) -> &[Key] {
        self.keys.get(&purpose).map_or(&[], Vec::as_slice)
    }

    /// The key for new things.
    pub fn current(&self, purpose: Purpose) -> Option<&Key> {
        self.all(purpose).last()
    }

    pub fn by_id(&self, purpose: Purpose, id: u32) -> Option<&Key> {
        self.all(purpose).iter().find(|key| key.id == id)
    }
}

/// The keys of one purpose as they are stored now, oldest first, each with the time it was made: for those that change while
/// a server runs. What was wrapped under another root secret is left out.
pub(crate) async fn open_all(
    log: &dyn Log,
    secret: &[u8],
    purpose: Purpose,
) -> Result<Vec<(u32, Timestamp, Zeroizing<[u8; 32]>)>, LogFault> {
    let wrapper = Wrapper::new(secret);
    let ours = |row: &StoredKey| row.purpose == purpose.name() && row.root == wrapper.root();
    let rows = log.keys().await?.into_iter().filter(ours);
    Ok(rows
        .filter_map(|row| Some((row.id, row.created_at, wrapper.unwrap(&row.purpose, row.id, &row.wrapped)?)))
        .collect())
}

/// Stores a new key, unless another node has stored one with that id.
pub(crate) async fn add(
    log: &dyn Log,
    secret: &[u8],
    purpose: Purpose,
    id: u32,
    entropy: &dyn Entropy,
    now: Timestamp,
) -> Result<(), LogFault> {
    put_fresh(log, &Wrapper::new(secret), purpose, id, entropy, now).await
}

async fn put_fresh(
    log: &dyn Log,
    wrapper: &Wrapper,
    purpose: Purpose,
    id: u32,
    entropy: &dyn Entropy,
    now: Timestamp,
) -> Result<(), LogFault> {
    let secret = Zeroizing::new(entropy::bytes::<32>(entropy));
    let wrapped = wrapper.wrap(purpose.name(), id, &secret, entropy);
    let key = StoredKey {
        purpose: purpose.name().to_owned(),
        id,
        root: wrapper.root().to_owned(),
        wrapped,
        created_at: now,
        retired_at: None,
    };
    log.put_key(key, false).await.map(|_| ())
}

#[cfg(test)]
impl Keyring {
    /// One key for each purpose, each of bytes that are all alike.
    pub(crate) fn of_tests() -> Self {
        let key = |fill: u8| Key { id: 1, secret: Zeroizing::new([fill; 32]) };
        let keys: BTreeMap<_, _> =
            Purpose::ALL.into_iter().zip(1..).map(|(purpose, fill)| (purpose, vec![key(fill)])).collect();
        let epoch = |key: &Key| Epoch { key: key.clone(), created_at: Timestamp::from_millis(0), retired: false };
        let epochs = keys[&Purpose::PersonKek].iter().map(epoch).collect();
        Self { keys, epochs: Arc::new(Epochs::of(epochs, Timestamp::from_millis(0))) }
    }

    /// Keys that sign the log, one for each seed, each of bytes that are all alike.
    pub(crate) fn of_log_signing(seeds: &[u8]) -> Self {
        let key = |(id, seed): (u32, &u8)| Key { id, secret: Zeroizing::new([*seed; 32]) };
        let keys = BTreeMap::from([(Purpose::LogSigning, (1..).zip(seeds).map(key).collect())]);
        Self { keys, epochs: Arc::default() }
    }
}

#[cfg(test)]
mod golden {
    //! What these keys made once must open and match for ever: rows and events of the first day rest on it.

    use chrysalis_domain::EmailAddress;
    use chrysalis_domain::id::{ChallengeId, PersonId, SealedId};
    use chrysalis_projections::table::Sealed;
    use chrysalis_projections::users::WrappedKey;
    use ulid::Ulid;

    use super::*;

    /// Counts instead of being random.
    struct Counting;

    impl Entropy for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            for (byte, count) in bytes.iter_mut().zip(0..) {
                *byte = count;
            }
        }
    }

    fn keyring() -> Keyring {
        Keyring::of_tests()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn unhex(text: &str) -> Vec<u8> {
        (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
    }

    #[test]
    fn claims_and_mail_tokens_are_as_on_the_first_day() {
        let email = EmailAddress::parse("jane@example.com").unwrap();
        assert_eq!(
            hex(&keyring().email_claim(&email).hash),
            "635a4308cdf90beffe27bdbab286db48778f6ddaf1e73d0e4d338d5b93c67222"
        );
        let challenge = ChallengeId::from_ulid(Ulid::from_parts(1, 2));
        assert_eq!(
            mailed_secret(&keyring(), None, "verify-email", challenge).unwrap(),
            MailedSecret::Token("00000000010000000000000002HhYlbqruohalW2Qd84Da8NKEbV1udUdr".to_owned())
        );
        let token = SessionToken::derive(&keyring(), 1, "0123456789", &[7; 16], "an-idempotency-key-of-22").unwrap();
        assert_eq!(token.as_str(), "0123456789nJzaZotz0BCuwYQrDI0LS1");
    }

    #[test]
    fn a_sealed_record_of_the_first_day_opens() {
        let person = PersonId::from_ulid(Ulid::from_parts(3, 4));
        let (sealer, key) = PersonSealer::create(&keyring(), person, &Counting).unwrap();
        let record = sealer.seal(SealKind::Email, "jane@example.com", &Counting, Timestamp::from_millis(5));
        assert_eq!(
            hex(&key.wrapped),
            "000102030405060708090a0b47b0744fcbe55b0939cc6cadebe489faafc16c2d2dcab40f068413719840053cce7efa5024b03ede0e4d513a8d643fa3"
        );
        assert_eq!(
            hex(&record.ciphertext),
            "000102030405060708090a0b2d63b87e8580ba7ae031fbee9f8a17006348d30f381227aab76c6f7e3c8c04a0"
        );
        let opener = PersonSealer::open(&keyring(), person, &WrappedKey { epoch: 1, wrapped: unhex("000102030405060708090a0b47b0744fcbe55b0939cc6cadebe489faafc16c2d2dcab40f068413719840053cce7efa5024b03ede0e4d513a8d643fa3") }).unwrap().unwrap();
        let sealed = Sealed {
            id: record.id,
            ciphertext: Some(unhex(
                "000102030405060708090a0b2d63b87e8580ba7ae031fbee9f8a17006348d30f381227aab76c6f7e3c8c04a0",
            )),
        };
        assert_eq!(opener.read(SealKind::Email, &sealed).unwrap(), Opened::Value("jane@example.com".to_owned()));
        assert!(opener.read(SealKind::Name, &sealed).is_err(), "a record can't be passed off as another kind");
        let erased = Sealed { id: SealedId::from_ulid(Ulid::nil()), ciphertext: None };
        assert_eq!(opener.read(SealKind::Email, &erased).unwrap(), Opened::Erased);
    }

    #[test]
    fn a_wrapped_key_opens_under_its_secret_alone() {
        let wrapper = wrap::Wrapper::new(b"a root secret of at least 32 chars!");
        let wrapped = wrapper.wrap("cookie", 1, &[9; 32], &Counting);
        assert_eq!(wrapper.root(), "64cc9ef1bd31eac0");
        assert_eq!(
            hex(&wrapped),
            "000102030405060708090a0b0a48ca0fb9a1f2096d2781a868f813665076aa7cbe7caaaed04f66894ef74d41ed5740bd0c25079e252bb44f091d0ded"
        );
        assert_eq!(*wrapper.unwrap("cookie", 1, &wrapped).unwrap(), [9; 32]);
        assert!(wrapper.unwrap("lookup", 1, &wrapped).is_none(), "a key can't be put in another's place");
        assert!(wrap::Wrapper::new(b"another root secret of 32 chars!!!").unwrap("cookie", 1, &wrapped).is_none());
    }
}
