//! `claims`: who holds which address or social identity. The primary key is the uniqueness: one claim, one holder.
//!
//! The row holds a keyed hash of what is claimed, never the thing itself. The event names only the claim, so the fold
//! is handed the hash: from the group that is being stored, or, in a rebuild, from the sealed record.

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::{ClaimId, SealedId, UserId};
use chrysalis_domain::user::UserEvent;

use crate::table::{Change, Column, Cursor, Index, Question, Table, Value, bytes, id, integer, text};

pub static CLAIMS: Table = Table {
    name: "claims",
    key: &["kind", "hash"],
    columns: COLUMNS,
    indexes: &[
        Index { columns: &["claim_id"], unique: true, only_present: false },
        Index { columns: &["user_id"], unique: false, only_present: false },
    ],
    shared: true,
};

const COLUMNS: &[Column] = &[
    text("kind"),
    bytes("hash"),
    // Which look-up key and which normal form made the hash: rotating either orphans nothing.
    integer("key_id"),
    integer("normalisation"),
    text("claim_id"),
    text("user_id"),
    integer("verified"),
    integer("claimed_at"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClaimKind {
    Email,
    Identity,
}

impl ClaimKind {
    pub const fn name(self) -> &'static str {
        match self {
            ClaimKind::Email => "email",
            ClaimKind::Identity => "identity",
        }
    }
}

/// What is claimed, as far as a table may know it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClaimKey {
    pub kind: ClaimKind,
    pub hash: Vec<u8>,
    pub key_id: u32,
    pub normalisation: u16,
    /// The same under look-up keys that were rotated away, with their ids: a holder may stand under one of them.
    pub former: Vec<(u32, Vec<u8>)>,
}

impl ClaimKey {
    /// Every hash under which a holder may stand, the present one first.
    pub fn hashes(&self) -> impl Iterator<Item = &Vec<u8>> {
        std::iter::once(&self.hash).chain(self.former.iter().map(|(_, hash)| hash))
    }

    /// The same claim as the row of one look-up key has it; as it is when that key made none.
    pub fn under(mut self, key_id: u32) -> Self {
        if let Some((id, hash)) = self.former.iter_mut().find(|(id, _)| *id == key_id) {
            std::mem::swap(&mut self.key_id, id);
            std::mem::swap(&mut self.hash, hash);
        }
        self
    }
}

/// Tells the key of a claim that an event declares; none when the person behind it was erased.
pub trait ClaimKeys {
    fn claim_key(&self, kind: ClaimKind, claim: ClaimId, sealed: SealedId) -> Option<ClaimKey>;
}

pub fn fold(user: UserId, event: &UserEvent, at: Timestamp, keys: &dyn ClaimKeys, out: &mut Vec<Change>) {
    let mut take = |kind, claim, sealed, verified: bool| {
        if let Some(key) = keys.claim_key(kind, claim, sealed) {
            let values = vec![
                key.kind.name().into(),
                key.hash.into(),
                i64::from(key.key_id).into(),
                i64::from(key.normalisation).into(),
                id(claim),
                id(user),
                verified.into(),
                at.into(),
            ];
            out.push(Change::Insert { table: &CLAIMS, values });
        }
    };
    let release = |claim: ClaimId| Change::Delete { table: &CLAIMS, by: "claim_id", value: id(claim) };
    match event {
        UserEvent::EmailClaimed(e) => take(ClaimKind::Email, e.claim, e.address, e.proof.is_some()),
        UserEvent::IdentityLinked(e) => take(ClaimKind::Identity, e.claim, e.subject, true),
        UserEvent::EmailVerified(e) => {
            let values: Vec<Value> = vec![true.into(), id(e.claim)];
            out.push(Change::Update { table: &CLAIMS, set: &["verified"], by: "claim_id", values });
        }
        UserEvent::EmailReleased(e) => out.push(release(e.claim)),
        UserEvent::IdentityUnlinked(e) => out.push(release(e.claim)),
        _ => {}
    }
}

/// Who holds a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    pub claim: ClaimId,
    pub user: UserId,
    pub verified: bool,
}

/// `?1` = kind, `?2` = keyed hash.
pub static HOLDER: Question<Holder> = Question {
    sql: "SELECT claim_id, user_id, verified FROM claims WHERE kind = ?1 AND hash = ?2",
    read: |row| {
        let mut c = Cursor::new(row);
        Some(Holder { claim: c.parse()?, user: c.parse()?, verified: c.flag() })
    },
};
