//! The same for an organization and the people around it.

use chrysalis_domain::organization::event::RevocationReason;
use chrysalis_domain::organization::histories::{Club, Step, lives};
use chrysalis_domain::organization::{Existence, OrganizationEvent, Role};
use chrysalis_domain::user::UserEvent;

use super::*;
use crate::invitations::{INVITATIONS, Status};
use crate::members::MEMBERS;
use crate::organizations::ORGANIZATIONS;

/// Everybody has an address and a slug of their own.
struct NobodysRival;

impl ClaimKeys for NobodysRival {
    fn claim_key(&self, kind: ClaimKind, claim: ClaimId, _: SealedId) -> Option<ClaimKey> {
        let hash = claim.to_string().into_bytes();
        Some(ClaimKey { kind, hash, key_id: 1, former: Vec::new(), normalisation: 1 })
    }
}

fn live(club: &mut Club, step: &Step, changes: &mut Vec<Change>) {
    let turn = club.live(step);
    for event in turn.outcome.iter().flatten() {
        for change in fold(event, turn.at, &NobodysRival) {
            if !absorbed(changes.iter_mut(), &change) {
                changes.push(change);
            }
        }
    }
}

fn write(changes: &mut Vec<Change>, memory: &mut Memory) {
    changes.drain(..).for_each(|change| memory.apply(change));
}

/// Rows of a table, as far as they are compared.
fn told(memory: &Memory, table: &Table, columns: &[&'static str]) -> Rows {
    let row = |row: &Row| (text(&row[table.key[table.key.len() - 1]]), row.clone());
    let mut rows: Rows = memory.rows(table).iter().map(row).collect();
    for row in rows.values_mut() {
        row.retain(|column, _| columns.contains(column));
    }
    rows
}

/// What an invitation's row says, by the events alone.
fn invitations(club: &Club) -> BTreeMap<String, Status> {
    let mut told = BTreeMap::new();
    for (_, event) in &club.events {
        let (invitation, status) = match event {
            Event::Organization(_, OrganizationEvent::InvitationCreated(e)) => (e.invitation, Status::Pending),
            Event::Organization(_, OrganizationEvent::InvitationAccepted(e)) => (e.invitation, Status::Accepted),
            Event::Organization(_, OrganizationEvent::InvitationRejected(e)) => (e.invitation, Status::Rejected),
            Event::Organization(_, OrganizationEvent::InvitationRevoked(e)) => {
                let expired = e.reason == RevocationReason::Expired;
                (e.invitation, if expired { Status::Expired } else { Status::Canceled })
            }
            _ => continue,
        };
        told.insert(invitation.to_string(), status);
    }
    told
}

/// Users who were invited or have followed an invitation, and are gone.
fn of_the_gone(club: &Club) -> Vec<String> {
    let mut by_user: BTreeMap<UserId, Vec<String>> = BTreeMap::new();
    let mut gone = Vec::new();
    for (_, event) in &club.events {
        match event {
            Event::Organization(_, OrganizationEvent::InvitationCreated(e)) => {
                by_user.entry(e.invitee.unwrap_or_else(nobody)).or_default().push(e.invitation.to_string());
            }
            Event::Organization(_, OrganizationEvent::InvitationAccepted(e)) => {
                by_user.values_mut().for_each(|all| all.retain(|other| *other != e.invitation.to_string()));
                by_user.entry(e.user).or_default().push(e.invitation.to_string());
            }
            Event::User(user, UserEvent::UserDeleted(_)) => gone.extend(by_user.remove(user).unwrap_or_default()),
            _ => {}
        }
    }
    gone
}

fn nobody() -> UserId {
    UserId::from_ulid(Default::default())
}

proptest! {
    #![proptest_config(Config { cases: Config::default().cases / 8, max_shrink_iters: 5_000, ..Config::default() })]

    #[test]
    fn rows_say_what_the_organization_is(steps in lives()) {
        let (mut memory, mut club, mut changes) = (Memory::default(), Club::default(), Vec::new());
        for step in &steps {
            live(&mut club, step, &mut changes);
            write(&mut changes, &mut memory);
            let state = &club.organization;
            let stands = state.existence == Existence::Standing;

            let expected = row([
                ("person_id", optional(state.person)),
                ("name", optional(state.name)),
                ("logo", optional(state.logo)),
                ("metadata", optional(state.metadata)),
            ]);
            let expected: Rows = stands.then(|| (club.id.to_string(), expected)).into_iter().collect();
            prop_assert_eq!(told(&memory, &ORGANIZATIONS, &["person_id", "name", "logo", "metadata"]), expected);

            let members = club.members().map(|target| {
                let role = state.role_of(target.user).name();
                (target.member.to_string(), row([("user_id", id(target.user)), ("role", role.into())]))
            });
            prop_assert_eq!(told(&memory, &MEMBERS, &["user_id", "role"]), members.collect::<Rows>());

            let gone = of_the_gone(&club);
            let invitations = invitations(&club).into_iter().filter(|(id, _)| stands && !gone.contains(id));
            let invitations: Rows = invitations.map(|(id, status)| (id, row([("status", status.name().into())]))).collect();
            prop_assert_eq!(told(&memory, &INVITATIONS, &["status"]), invitations);

            let slugs = memory.rows(&CLAIMS).iter().filter(|row| row["kind"] == plain("slug".into()));
            let slugs: Vec<_> = slugs.map(|row| (row["owner_id"].clone(), row["claim_id"].clone())).collect();
            prop_assert_eq!(slugs, state.slug.map(|held| (id(club.id), id(held.claim))).into_iter().collect::<Vec<_>>());
        }
        // Whoever leads by state leads by rows: what decides and what is shown never part.
        let led = memory.rows(&MEMBERS).iter().filter(|row| row["role"] != plain(Role::Member.name().into())).count();
        prop_assert_eq!(led, club.organization.leaders.len());
    }

    #[test]
    fn many_decisions_on_an_organization_can_be_written_at_once(steps in lives(), at_once in 2..40usize) {
        let (mut one_by_one, mut together) = (Memory::default(), Memory::default());
        let (mut club, mut same, mut one) = (Club::default(), Club::default(), Vec::new());
        for steps in steps.chunks(at_once) {
            let mut all = Vec::new();
            for step in steps {
                live(&mut club, step, &mut one);
                write(&mut one, &mut one_by_one);
                live(&mut same, step, &mut all);
            }
            write(&mut all, &mut together);
            for table in INLINE {
                prop_assert_eq!(one_by_one.rows(table), together.rows(table), "{}", table.name);
            }
        }
    }
}
