//! The user's side of organizations: one membership of each, and a choice in each session.

use super::*;
use crate::id::{MemberId, OrganizationId};
use crate::user::{GUEST_FOUNDS_MAX, MEMBERSHIPS_MAX, Standing, UserRefusal};

fn org(number: u16) -> OrganizationId {
    OrganizationId::from_ulid(Ulid::from_parts(1, number.into()))
}

fn mem(number: u16) -> MemberId {
    MemberId::from_ulid(Ulid::from_parts(1, number.into()))
}

fn begin(number: u16, member: u16) -> UserCommand {
    let (organization, member) = (org(number), mem(member));
    UserCommand::BeginMembership { organization, member, founded: false, invited: None }
}

fn found(number: u16) -> UserCommand {
    let (organization, member) = (org(number), mem(number));
    UserCommand::BeginMembership { organization, member, founded: true, invited: None }
}

fn end(number: u16, member: u16) -> UserCommand {
    UserCommand::EndMembership { organization: org(number), member: mem(member), reason: MembershipEnd::Left }
}

fn activate(organization: Option<u16>) -> UserCommand {
    UserCommand::ActivateOrganization { session: session(1), organization: organization.map(org) }
}

fn began(number: u16, founded: bool, at: Timestamp) -> UserEvent {
    MembershipBegan { organization: org(number), member: mem(number), founded, at }.into()
}

fn activated(number: u16, at: Timestamp) -> UserEvent {
    let membership = Some(ActiveMembership { organization: org(number), member: mem(number) });
    OrganizationActivated { session: session(1), membership, at }.into()
}

#[test]
fn nobody_is_a_member_twice() {
    let given = and_then(guest(), minute(1), begin(1, 1));
    when(given.clone(), minute(2), begin(1, 2)).then_expect_error(UserRefusal::AlreadyMember);
    when(given.clone(), minute(2), end(1, 2)).then_expect_error(UserRefusal::NotMember);
    let left = and_then(given, minute(2), end(1, 1));
    when(left.clone(), minute(3), end(1, 1)).then_expect_error(UserRefusal::NotMember);
    assert!(and_then(left, minute(3), begin(1, 2)).len() > 4, "and may come back");
}

/// CONTRACT 6: the invited address, and proven.
#[test]
fn an_invitation_is_for_whoever_reads_the_address() {
    let invited = |claim| {
        let (organization, member) = (org(1), mem(1));
        UserCommand::BeginMembership { organization, member, founded: false, invited: Some(claim) }
    };
    when(guest(), minute(30), invited(claim(1))).then_expect_error(UserRefusal::ClaimNotHeld);
    when(member(), minute(30), invited(claim(1))).then_expect_error(UserRefusal::EmailNotVerified);
    when(proven_member(), minute(30), invited(claim(2))).then_expect_error(UserRefusal::ClaimNotHeld);
    when(proven_member(), minute(30), invited(claim(1))).then_expect_events(vec![began(1, false, minute(30))]);
}

#[test]
fn a_guest_makes_five_and_may_be_added_to_more_and_a_member_makes_as_many_as_they_like() {
    let mut given = guest();
    for number in 0..u16::try_from(GUEST_FOUNDS_MAX).unwrap() {
        given = and_then(given, minute(1), found(number));
    }
    when(given.clone(), minute(2), found(100)).then_expect_error(UserRefusal::TooManyMemberships);
    given = and_then(given, minute(2), begin(101, 101));
    let upgraded = and_then(given.clone(), minute(10), upgrade(1, minute(10)));
    when(upgraded, minute(11), found(100)).then_expect_events(vec![began(100, true, minute(11))]);
    let left = and_then(given, minute(3), end(0, 0));
    when(left, minute(4), found(100)).then_expect_events(vec![began(100, true, minute(4))]);
}

#[test]
fn memberships_are_bounded() {
    let mut full = member();
    full.extend((0..u16::try_from(MEMBERSHIPS_MAX).unwrap()).map(|number| began(number, false, minute(20))));
    when(full, minute(21), begin(5_000, 1)).then_expect_error(UserRefusal::TooManyMemberships);
}

#[test]
fn a_session_works_in_an_organization_of_its_users_or_in_none() {
    let given = and_then(guest(), minute(1), begin(1, 1));
    when(given.clone(), minute(2), activate(Some(2))).then_expect_error(UserRefusal::NotMember);
    when(given.clone(), minute(2), activate(None)).then_expect_events(vec![]);
    when(given.clone(), minute(2), activate(Some(1))).then_expect_events(vec![activated(1, minute(2))]);
    let chosen = and_then(given, minute(2), activate(Some(1)));
    when(chosen.clone(), minute(3), activate(Some(1))).then_expect_events(vec![]);
    let none = OrganizationActivated { session: session(1), membership: None, at: minute(3) };
    when(chosen.clone(), minute(3), activate(None)).then_expect_events(vec![none.into()]);
    // Who comes back is another member, and chooses again.
    let back = and_then(and_then(chosen, minute(3), end(1, 1)), minute(4), begin(1, 2));
    let membership = Some(ActiveMembership { organization: org(1), member: mem(2) });
    let again = OrganizationActivated { session: session(1), membership, at: minute(5) };
    when(back, minute(5), activate(Some(1))).then_expect_events(vec![again.into()]);
    let ended = and_then(guest(), minute(1), UserCommand::RevokeSessions { except: None });
    when(ended, minute(2), activate(None)).then_expect_error(UserRefusal::SessionNotLive);
}

/// CONTRACT 2.3.
#[test]
fn an_upgrade_keeps_memberships_and_the_organization_of_its_session() {
    let given = and_then(and_then(guest(), minute(1), begin(1, 1)), minute(2), activate(Some(1)));
    let before = user_after(&given);
    for strict in [false, true] {
        let mut command = upgrade(1, minute(10));
        if let UserCommand::UpgradeWithPassword { strict: asked, .. } = &mut command {
            *asked = strict;
        }
        let after = user_after(&and_then(given.clone(), minute(10), command));
        assert_ne!(after.standing, Standing::Guest);
        assert_eq!(after.memberships, before.memberships);
        assert_eq!(after.sessions[&session(1)].active, Some(mem(1)));
    }
}

#[test]
fn who_goes_leaves_every_organization_before() {
    let given = and_then(and_then(guest(), minute(1), begin(1, 1)), minute(2), found(2));
    let delete = UserCommand::DeleteUser { reason: DeletionReason::Requested, only_if_guest: false };
    let events = when(given, minute(3), delete).inspect_result().unwrap();
    let (reason, at) = (MembershipEnd::UserDeleted, minute(3));
    let left =
        |number| -> UserEvent { MembershipEnded { organization: org(number), member: mem(number), reason, at }.into() };
    assert_eq!(events[1..3], [left(1), left(2)]);
    assert!(matches!(events[3..], [UserEvent::UserDeleted(_)]));
}

/// CONTRACT 9: what an app keeps is the app's to move.
#[test]
fn a_transfer_moves_no_membership() {
    let given = and_then(guest(), minute(1), begin(1, 1));
    let give = UserCommand::TransferGuest { to: made(UserId::from_ulid, 9), epoch: Some(0) };
    let given = and_then(given, minute(2), give);
    assert_eq!(user_after(&given).memberships.len(), 1);
}

#[test]
fn a_guest_taken_out_of_use_comes_to_nothing_new() {
    let evidence =
        ExpiryEvidence { settings_version: 1, job: None, max_age_secs: 1, cutoff: day(1), last_activity: minute(0) };
    let disabled = GuestDisabled { evidence: Some(evidence), by: None, at: day(2), final_at: Some(day(9)) };
    let given = [guest(), vec![disabled.into()]].concat();
    when(given, day(3), begin(1, 1)).then_expect_error(UserRefusal::Deleted);
}
