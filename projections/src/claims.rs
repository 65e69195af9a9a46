//! `claims`: who holds which address, social identity or slug. The primary key is the uniqueness: one claim, one holder.
//!
//! The row holds a keyed hash of what is claimed, never the thing itself. The event names only the claim, so the fold
//! is handed the hash: from the group that is being stored, or, in a rebuild, from the sealed record.

use chrysalis_domain::challenge::ChallengeEvent;
use chrysalis_domain::id::{ClaimId, OrganizationId, SealedId, UserId};
use chrysalis_domain::organization::OrganizationEvent;
use chrysalis_domain::user::UserEvent;
use chrysalis_domain::{Event, Timestamp};

use crate::{codes, invitations};

use crate::table::{Change, Column, Cursor, Index, Question, Table, Value, bytes, id, integer, text};

pub static CLAIMS: Table = Table {
    name: "claims",
    key: &["kind", "hash"],
    columns: COLUMNS,
    indexes: &[
        Index { columns: &["claim_id"], unique: true, only_present: false },
        Index { columns: &["owner_id"], unique: false, only_present: false },
    ],
    shared: true,
    clustered: false,
};

const COLUMNS: &[Column] = &[
    text("kind"),
    bytes("hash"),
    // Which look-up key and which normal form made the hash: rotating either orphans nothing.
    integer("key_id"),
    integer("normalisation"),
    text("claim_id"),
    // A user; of a slug, an organization.
    text("owner_id"),
    integer("verified"),
    integer("claimed_at"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClaimKind {
    Email,
    Identity,
    Slug,
}

impl ClaimKind {
    pub const fn name(self) -> &'static str {
        match self {
            ClaimKind::Email => "email",
            ClaimKind::Identity => "identity",
            ClaimKind::Slug => "slug",
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

/// A hash that a fold asks for: what is hashed, under which id, and the record that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    pub kind: ClaimKind,
    pub claim: ClaimId,
    pub sealed: SealedId,
}

/// The hash that the folds of an event ask for, if they ask for one: a refold of many events opens the records at once.
pub fn named(event: &Event) -> Option<Named> {
    let named = |kind, claim, sealed| Some(Named { kind, claim, sealed });
    match event {
        Event::User(_, UserEvent::EmailClaimed(e)) => named(ClaimKind::Email, e.claim, e.address),
        Event::User(_, UserEvent::IdentityLinked(e)) => named(ClaimKind::Identity, e.claim, e.subject),
        Event::Organization(_, OrganizationEvent::SlugClaimed(e)) => named(ClaimKind::Slug, e.claim, e.slug),
        // Addresses that nobody claims are hashed as those that somebody does.
        Event::Challenge(challenge, ChallengeEvent::ChallengeIssued(e)) if e.purpose.is_code() => {
            named(ClaimKind::Email, codes::of_address(*challenge), e.address)
        }
        Event::Organization(_, OrganizationEvent::InvitationCreated(e)) => {
            named(ClaimKind::Email, invitations::of_address(e.invitation), e.address)
        }
        _ => None,
    }
}

/// The claim that an event gives up: from then on somebody else may hold what it named.
pub fn released(event: &Event) -> Option<ClaimId> {
    match event {
        Event::User(_, UserEvent::EmailReleased(e)) => Some(e.claim),
        Event::User(_, UserEvent::IdentityUnlinked(e)) => Some(e.claim),
        Event::Organization(_, OrganizationEvent::SlugReleased(e)) => Some(e.claim),
        _ => None,
    }
}

pub fn fold(event: &Event, at: Timestamp, keys: &dyn ClaimKeys, out: &mut Vec<Change>) {
    let known = |claim: ClaimId, verified: bool| {
        let values: Vec<Value> = vec![verified.into(), id(claim)];
        Change::Update { table: &CLAIMS, set: &["verified"], by: "claim_id", values }
    };
    out.extend(released(event).map(|claim| Change::Delete { table: &CLAIMS, by: "claim_id", value: id(claim) }));
    match event {
        Event::User(user, UserEvent::EmailClaimed(e)) => {
            out.extend(taken(named(event), id(user), e.proof.is_some(), at, keys));
        }
        Event::User(user, UserEvent::IdentityLinked(_)) => out.extend(taken(named(event), id(user), true, at, keys)),
        Event::Organization(organization, OrganizationEvent::SlugClaimed(_)) => {
            out.extend(taken(named(event), id(organization), true, at, keys));
        }
        Event::User(_, UserEvent::EmailVerified(e)) => out.push(known(e.claim, true)),
        Event::User(_, UserEvent::EmailUnverified(e)) => out.push(known(e.claim, false)),
        _ => {}
    }
}

fn taken(named: Option<Named>, owner: Value, verified: bool, at: Timestamp, keys: &dyn ClaimKeys) -> Option<Change> {
    let Named { kind, claim, sealed } = named?;
    let key = keys.claim_key(kind, claim, sealed)?;
    let values = vec![
        key.kind.name().into(),
        key.hash.into(),
        i64::from(key.key_id).into(),
        i64::from(key.normalisation).into(),
        id(claim),
        owner,
        verified.into(),
        at.into(),
    ];
    Some(Change::Insert { table: &CLAIMS, values })
}

/// Who holds an address or an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    pub claim: ClaimId,
    pub user: UserId,
    pub verified: bool,
}

/// `?1` = kind, `?2` = keyed hash. Not for slugs.
pub static HOLDER: Question<Holder> = Question {
    sql: "SELECT claim_id, owner_id, verified FROM claims WHERE kind = ?1 AND hash = ?2",
    read: |row| {
        let mut c = Cursor::new(row);
        Some(Holder { claim: c.parse()?, user: c.parse()?, verified: c.flag() })
    },
};

/// `?1` = keyed hash of a slug. Which organization has it.
pub static OF_SLUG: Question<OrganizationId> = Question {
    sql: "SELECT owner_id FROM claims WHERE kind = 'slug' AND hash = ?1",
    read: |row| Cursor::new(row).parse(),
};
