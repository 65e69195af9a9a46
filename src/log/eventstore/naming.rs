//! How the stream is named in which something is reserved.
//!
//! EventStoreDB keeps the name of a stream when the stream is deleted, and so a name must say nothing for ever. It is a keyed
//! hash of the keyed hash by which a claim is looked up, and its key is kept in the read store alone, for about an hour: when that
//! is gone, nobody can tell what was reserved, with all other keys in hand and the address to be guessed at. Nodes
//! that name by two keys for a moment don't meet in a reservation; the log itself lets but one of them in.

use chrysalis_projections::{ClaimKind, Value};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{LogFault, Replica};
use crate::entropy::{Entropy, OsEntropy};
use crate::log::replica::RESERVATION_KEYS;
use crate::log::transfer::SideChange;

/// Bytes of the hash that stand in a name.
const NAMED: usize = 16;
/// Keys that are read at a time: there is one, and two for a moment.
const PAGE: usize = 16;

/// The key that names what is reserved now.
pub(super) struct Naming {
    id: i64,
    secret: Vec<u8>,
}

impl Naming {
    /// The newest; one is made where there is none.
    pub(super) async fn present(replica: &dyn Replica) -> Result<Self, LogFault> {
        loop {
            if let Some(newest) = Self::newest(replica).await? {
                return Ok(newest);
            }
            Self::make(replica, 1, Vec::new()).await?;
        }
    }

    /// Puts another in its place, so that nothing that was named by it can be named again.
    pub(super) async fn renew(replica: &dyn Replica) -> Result<(), LogFault> {
        match Self::newest(replica).await? {
            Some(Self { id, .. }) => Self::make(replica, id + 1, vec![vec![Value::Integer(id)]]).await,
            None => Ok(()),
        }
    }

    async fn newest(replica: &dyn Replica) -> Result<Option<Self>, LogFault> {
        let rows = replica.side_rows(&RESERVATION_KEYS, None, PAGE).await?;
        Ok(match rows.last().map(Vec::as_slice) {
            Some([Value::Integer(id), Value::Bytes(secret)]) => Some(Self { id: *id, secret: secret.clone() }),
            _ => None,
        })
    }

    async fn make(replica: &dyn Replica, id: i64, gone: Vec<Vec<Value>>) -> Result<(), LogFault> {
        let mut secret = vec![0; 32];
        OsEntropy.fill(&mut secret);
        let put = vec![vec![Value::Integer(id), Value::Bytes(secret)]];
        replica.put_side_rows(SideChange { table: &RESERVATION_KEYS, put, gone }).await
    }

    /// The stream in which a name is reserved for the log that is kept in another. Not one that begins as that does: who
    /// follows the log is not to be shown reservations.
    pub(super) fn stream(&self, log: &str, kind: ClaimKind, hash: &[u8]) -> String {
        // HMAC takes keys of any length: this can't fail.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.secret) else { return String::new() };
        mac.update(kind.name().as_bytes());
        mac.update(&[0]);
        mac.update(hash);
        let hash: String = mac.finalize().into_bytes().iter().take(NAMED).map(|byte| format!("{byte:02x}")).collect();
        format!("reserved_{log}-{hash}")
    }
}
