//! What holds in every life of an organization, whatever is asked by whom in whatever order.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

use super::event::{MemberAdded, MemberRemoved, MemberRoleChanged, RemovalReason};
use super::histories::{Club, Step, Turn, lives};
use super::{By, Existence, Organization, OrganizationEvent, Role};
use crate::event::{Event, Names};
use crate::id::{InvitationId, MemberId, UserId};
use crate::upcast;
use crate::user::UserEvent;

fn live(steps: &[Step]) -> (Club, Vec<Turn>) {
    let mut club = Club::default();
    let turns = steps.iter().map(|step| club.live(step)).collect();
    (club, turns)
}

/// The organization's own events of a turn.
fn ours(turn: &Turn) -> impl Iterator<Item = &OrganizationEvent> {
    turn.outcome.iter().flatten().filter_map(|event| match event {
        Event::Organization(_, event) => Some(event),
        _ => None,
    })
}

/// Whether it was asked by somebody who owned the organization then, or by the app.
fn owner_asked(turn: &Turn) -> bool {
    match turn.by {
        Some(By::App) => true,
        Some(By::Member(user)) => turn.before.owners().any(|owner| owner == user),
        None => false,
    }
}

fn leader_asked(turn: &Turn) -> bool {
    owner_asked(turn) || matches!(turn.by, Some(By::Member(user)) if turn.before.role_of(user) == Role::Admin)
}

proptest! {
    #![proptest_config(Config { cases: Config::default().cases / 4, max_shrink_iters: 20_000, ..Config::default() })]

    /// Who is owned stays owned: or is gone, or is held because nobody was left who could own it, and an event says so.
    #[test]
    fn nothing_is_left_without_an_owner(steps in lives()) {
        let mut club = Club::default();
        for step in &steps {
            let turn = club.live(step);
            let (before, after) = (&turn.before, &club.organization);
            if before.owners().next().is_some() && after.is_held() {
                prop_assert!(ours(&turn).any(|event| matches!(event, OrganizationEvent::OrganizationHeld(_))));
                prop_assert!(after.leaders.is_empty() && after.others > 0);
                prop_assert!(ours(&turn).any(|event| matches!(event, OrganizationEvent::MemberRemoved(e) if e.reason == RemovalReason::UserDeleted)));
            }
            // What is empty is gone, unless the app made it so.
            let empty = after.leaders.is_empty() && after.others == 0 && after.existence == Existence::Standing;
            prop_assert!(!empty || before.existence == Existence::Absent || before.is_held());
        }
    }

    /// Both streams tell the same, told by the events alone: whoever is added was no member, whoever is removed was.
    #[test]
    fn each_user_has_one_membership_at_most(steps in lives()) {
        let (club, _) = live(&steps);
        let mut members: BTreeMap<UserId, (MemberId, Role)> = BTreeMap::new();
        let mut by_users: BTreeMap<UserId, MemberId> = BTreeMap::new();
        for (_, event) in &club.events {
            match event {
                Event::Organization(_, OrganizationEvent::MemberAdded(e)) => {
                    prop_assert!(members.insert(e.user, (e.member, e.role)).is_none(), "{} is added twice", e.user);
                }
                Event::Organization(_, OrganizationEvent::MemberRoleChanged(e)) => {
                    prop_assert_eq!(members.insert(e.user, (e.member, e.role)), Some((e.member, e.previous)));
                }
                Event::Organization(_, OrganizationEvent::MemberRemoved(e)) => {
                    prop_assert_eq!(members.remove(&e.user), Some((e.member, e.role)));
                }
                Event::Organization(_, OrganizationEvent::OrganizationDeleted(_)) => members.clear(),
                Event::User(user, UserEvent::MembershipBegan(e)) if e.organization == club.id => {
                    prop_assert!(by_users.insert(*user, e.member).is_none());
                }
                Event::User(user, UserEvent::MembershipEnded(e)) if e.organization == club.id => {
                    prop_assert_eq!(by_users.remove(user), Some(e.member));
                }
                _ => {}
            }
        }
        if club.organization.existence == Existence::Standing {
            let told: BTreeMap<_, _> = members.iter().map(|(user, (member, _))| (*user, *member)).collect();
            prop_assert_eq!(&told, &by_users);
        }
        // And state says what the events say.
        let leaders = club.organization.leaders.iter().map(|(user, leader)| (*user, (leader.member, leader.role)));
        let (plain, leading): (BTreeMap<_, _>, BTreeMap<_, _>) = members.into_iter().partition(|(_, (_, role))| *role == Role::Member);
        prop_assert_eq!(leaders.collect::<BTreeMap<_, _>>(), leading);
        prop_assert_eq!(club.organization.others, plain.len() as u64);
    }

    #[test]
    fn only_owners_make_change_and_remove_owners(steps in lives()) {
        let mut by_owner: BTreeSet<InvitationId> = BTreeSet::new();
        for turn in live(&steps).1 {
            for event in ours(&turn) {
                match event {
                    OrganizationEvent::MemberRoleChanged(MemberRoleChanged { previous, role, succession: false, .. }) => {
                        prop_assert!(leader_asked(&turn));
                        prop_assert!(owner_asked(&turn) || (*previous < Role::Owner && *role < Role::Owner));
                    }
                    OrganizationEvent::MemberRemoved(MemberRemoved { role, reason: RemovalReason::Removed, .. }) => {
                        prop_assert!(leader_asked(&turn) && (owner_asked(&turn) || *role < Role::Owner));
                    }
                    OrganizationEvent::InvitationCreated(e) => {
                        prop_assert!(leader_asked(&turn) && (owner_asked(&turn) || e.role < Role::Owner));
                        if owner_asked(&turn) {
                            by_owner.insert(e.invitation);
                        }
                    }
                    OrganizationEvent::MemberAdded(MemberAdded { role: Role::Owner, invitation, .. }) => {
                        let founded = turn.before.existence == Existence::Absent;
                        prop_assert!(founded || turn.by == Some(By::App) || invitation.is_some_and(|id| by_owner.contains(&id)));
                    }
                    OrganizationEvent::OrganizationDeleted(e) if e.reason == super::event::OrganizationEnd::Requested => {
                        prop_assert!(owner_asked(&turn));
                    }
                    OrganizationEvent::OrganizationUpdated(_) => prop_assert!(leader_asked(&turn)),
                    _ => {}
                }
            }
        }
    }

    /// An invitation stands for somebody who could make it now; so none outlives the power of who made it.
    #[test]
    fn who_is_removed_leaves_no_door_behind(steps in lives()) {
        let mut club = Club::default();
        for step in &steps {
            club.live(step);
            let state = &club.organization;
            for open in state.invitations.values() {
                let Some(inviter) = open.inviter else { continue };
                prop_assert!(state.role_of(inviter) >= open.role.max(Role::Admin), "{open:?}");
            }
        }
    }

    #[test]
    fn each_invitation_ends_once_and_makes_one_member_at_most(steps in lives()) {
        let (club, _) = live(&steps);
        let (mut open, mut accepted) = (BTreeSet::new(), BTreeSet::new());
        for (_, event) in &club.events {
            let Event::Organization(_, event) = event else { continue };
            match event {
                OrganizationEvent::InvitationCreated(e) => prop_assert!(open.insert(e.invitation)),
                OrganizationEvent::InvitationRenewed(e) => prop_assert!(open.contains(&e.invitation)),
                OrganizationEvent::MemberAdded(MemberAdded { invitation: Some(invitation), .. }) => {
                    prop_assert!(open.contains(invitation) && accepted.insert(*invitation));
                }
                OrganizationEvent::InvitationAccepted(e) => prop_assert!(open.remove(&e.invitation) && accepted.contains(&e.invitation)),
                OrganizationEvent::InvitationRejected(e) => prop_assert!(open.remove(&e.invitation)),
                OrganizationEvent::InvitationRevoked(e) => prop_assert!(open.remove(&e.invitation)),
                OrganizationEvent::OrganizationDeleted(_) => open.clear(),
                _ => {}
            }
        }
        prop_assert_eq!(club.organization.invitations.keys().copied().collect::<BTreeSet<_>>(), open);
    }

    /// What was sealed for whoever is no user goes with the event that ends the invitation; the organization's own with the
    /// organization.
    #[test]
    fn an_address_goes_with_its_invitation(steps in lives()) {
        let (mut persons, (club, turns)) = (BTreeMap::new(), live(&steps));
        for turn in turns {
            for event in ours(&turn) {
                let goes = match event {
                    OrganizationEvent::InvitationCreated(e) => {
                        persons.extend(e.invitee.is_none().then_some((e.invitation, e.person)));
                        None
                    }
                    OrganizationEvent::InvitationAccepted(e) => persons.remove(&e.invitation),
                    OrganizationEvent::InvitationRejected(e) => persons.remove(&e.invitation),
                    OrganizationEvent::InvitationRevoked(e) => persons.remove(&e.invitation),
                    OrganizationEvent::OrganizationDeleted(_) => turn.before.person,
                    _ => None,
                };
                prop_assert_eq!(event.erases(), Vec::from_iter(goes));
            }
        }
        prop_assert!(club.organization.existence == Existence::Standing || persons.is_empty());
    }

    #[test]
    fn one_slug_is_held_and_none_by_what_is_gone(steps in lives()) {
        let mut club = Club::default();
        let mut held = BTreeSet::new();
        for step in &steps {
            for event in ours(&club.live(step)) {
                if let Some(claim) = event.declares() {
                    prop_assert!(held.insert(claim));
                }
                if let OrganizationEvent::SlugReleased(e) = event {
                    prop_assert!(held.remove(&e.claim));
                }
            }
            prop_assert_eq!(&club.organization.slug.map(|held| held.claim).into_iter().collect::<BTreeSet<_>>(), &held);
            prop_assert_eq!(club.organization.existence == Existence::Standing, held.len() == 1);
        }
    }

    #[test]
    fn replay_gives_the_same_organization_also_from_stored_bytes_and_from_a_snapshot(steps in lives()) {
        let (club, _) = live(&steps);
        let (mut replayed, mut stored) = (Organization::default(), Organization::default());
        for (_, event) in &club.events {
            let Event::Organization(_, event) = event else { continue };
            replayed.apply(event);
            let read: OrganizationEvent = upcast::read(event.event_type(), event.type_version(), &event.body().unwrap()).unwrap();
            prop_assert_eq!(&read, event);
            stored.apply(&read);
            let snapshot = serde_json::to_vec(&stored).unwrap();
            prop_assert_eq!(&serde_json::from_slice::<Organization>(&snapshot).unwrap(), &stored);
        }
        prop_assert_eq!(&replayed, &club.organization);
        prop_assert_eq!(stored, replayed);
    }
}

/// Properties say nothing about lives in which nothing happens.
#[test]
fn lives_get_everywhere() {
    let mut runner = TestRunner::deterministic();
    let mut seen: BTreeMap<&'static str, usize> = BTreeMap::new();
    let (mut succeeded, mut lost, mut accepted) = (0, 0, 0);
    for _ in 0..400 {
        let steps = lives().new_tree(&mut runner).unwrap().current();
        for (_, event) in live(&steps).0.events {
            let Event::Organization(_, event) = event else { continue };
            *seen.entry(event.event_type()).or_default() += 1;
            match event {
                OrganizationEvent::MemberRoleChanged(e) => succeeded += usize::from(e.succession),
                OrganizationEvent::InvitationRevoked(e) => {
                    lost += usize::from(e.reason == super::event::RevocationReason::InviterLost)
                }
                OrganizationEvent::InvitationAccepted(_) => accepted += 1,
                _ => {}
            }
        }
    }
    let all = <OrganizationEvent as upcast::Stored>::TYPES.iter().map(|(name, _)| *name).collect::<BTreeSet<_>>();
    assert_eq!(seen.keys().copied().collect::<BTreeSet<_>>(), all);
    assert!(succeeded > 5 && lost > 20 && accepted > 50, "{succeeded} {lost} {accepted} {seen:?}");
}
