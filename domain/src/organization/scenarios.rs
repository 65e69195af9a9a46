//! Given what happened, when something is asked, then this follows.

use ulid::Ulid;

use super::command::{InvitationNotice, NewInvitation, NewSlug};
use super::event::*;
use super::{By, INVITATIONS_MAX, LEADERS_MAX, Organization, OrganizationCommand, OrganizationEvent};
use super::{OrganizationRefusal, Role, Target};
use crate::event::Names;
use crate::id::{ClaimId, InvitationId, MailId, MemberId, OrganizationId, PersonId, SealedId, UserId};
use crate::time::{Span, Timestamp};
use crate::value::{Change, Locale};

use OrganizationCommand as C;

// --- the cast ---

fn made<T>(id: fn(Ulid) -> T, number: u16) -> T {
    id(Ulid::from_parts(1_800_000_000_000, number.into()))
}

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000) + Span::from_secs(60 * minutes)
}

fn person(number: u16) -> Target {
    Target { member: made(MemberId::from_ulid, number), user: made(UserId::from_ulid, number) }
}

fn by(number: u16) -> By {
    By::Member(person(number).user)
}

fn slug(number: u16) -> NewSlug {
    NewSlug { claim: made(ClaimId::from_ulid, number), slug: made(SealedId::from_ulid, 100 + number) }
}

fn create(founder: Option<Target>) -> C {
    C::Create {
        organization: made(OrganizationId::from_ulid, 1),
        person: made(PersonId::from_ulid, 1),
        name: made(SealedId::from_ulid, 1),
        logo: None,
        metadata: None,
        slug: slug(1),
        founder,
    }
}

fn invitation(number: u16) -> InvitationId {
    made(InvitationId::from_ulid, number)
}

/// Whom an address stands for that is no user's.
fn invited(number: u16) -> Option<PersonId> {
    Some(made(PersonId::from_ulid, 50 + number))
}

fn invite(by: By, number: u16, role: Role, seen: u64) -> C {
    let invitation = NewInvitation {
        invitation: invitation(number),
        person: invited(number).unwrap(),
        address: made(SealedId::from_ulid, 50 + number),
        invitee: None,
        role,
        notice: InvitationNotice { mail: Some(made(MailId::from_ulid, number)), locale: Locale::ENGLISH },
        expires_at: at(0) + Span::from_days(7),
    };
    C::Invite { by, invitation, seen, instead_of: None }
}

/// Person 1 owns it; the others come in the order of their numbers, a minute each.
fn organization(roles: &[Role]) -> Organization {
    let mut organization = Organization::default();
    happen(&mut organization, create(Some(person(1))), at(0)).unwrap();
    for (number, role) in (2..).zip(roles) {
        happen(&mut organization, C::AddMember { target: person(number), role: *role }, at(number.into())).unwrap();
    }
    organization
}

fn happen(
    organization: &mut Organization,
    command: C,
    at: Timestamp,
) -> Result<Vec<OrganizationEvent>, OrganizationRefusal> {
    let events = organization.decide(command, at)?;
    events.iter().for_each(|event| organization.apply(event));
    Ok(events)
}

fn removed(number: u16, role: Role, reason: RemovalReason, at: Timestamp) -> OrganizationEvent {
    let Target { member, user } = person(number);
    MemberRemoved { member, user, role, reason, at }.into()
}

// --- beginnings ---

#[test]
fn who_makes_one_owns_it_and_holds_its_slug() {
    let mut organization = Organization::default();
    let events = happen(&mut organization, create(Some(person(1))), at(0)).unwrap();
    let Target { member, user } = person(1);
    assert_eq!(
        events[1..],
        [
            SlugClaimed { claim: slug(1).claim, slug: slug(1).slug, replaces: None, at: at(0) }.into(),
            MemberAdded { member, user, role: Role::Owner, invitation: None, at: at(0) }.into(),
        ]
    );
    assert_eq!(happen(&mut organization, create(Some(person(2))), at(1)), Err(OrganizationRefusal::Exists));
}

#[test]
fn what_the_app_makes_for_nobody_yet_is_held_until_it_has_an_owner() {
    let mut organization = Organization::default();
    let events = happen(&mut organization, create(None), at(0)).unwrap();
    assert_eq!(events.last(), Some(&OrganizationHeld { at: at(0) }.into()));
    assert!(organization.is_held());
    happen(&mut organization, C::AddMember { target: person(1), role: Role::Owner }, at(1)).unwrap();
    assert!(!organization.is_held());
}

// --- who may what ---

#[test]
fn admins_lead_members_and_not_owners() {
    let organization = organization(&[Role::Admin, Role::Member, Role::Owner]);
    let role = |by, target, role| organization.decide(C::ChangeRole { by, target, role }, at(9)).map(|_| ());
    let refused = Err(OrganizationRefusal::NotAllowed);
    assert_eq!(role(by(2), person(3), Role::Admin), Ok(()));
    assert_eq!(role(by(2), person(2), Role::Member), Ok(()), "an admin steps down");
    assert_eq!(role(by(2), person(3), Role::Owner), refused, "makes an owner");
    assert_eq!(role(by(2), person(1), Role::Member), refused, "changes an owner");
    assert_eq!(role(by(2), person(2), Role::Owner), refused, "makes itself one");
    assert_eq!(role(by(3), person(3), Role::Admin), refused, "a member");
    assert_eq!(role(by(7), person(3), Role::Member), refused, "a stranger, though nothing would change");
    assert_eq!(role(by(1), person(4), Role::Member), Ok(()));
    assert_eq!(role(By::App, person(3), Role::Owner), Ok(()));

    let remove = |by, target| organization.decide(C::RemoveMember { by, target }, at(9)).map(|_| ());
    assert_eq!(remove(by(2), person(3)), Ok(()));
    assert_eq!(remove(by(2), person(1)), refused);
    assert_eq!(remove(by(3), person(3)), refused, "leaving is another command");
    assert_eq!(remove(by(1), person(4)), Ok(()));

    let update = |by| {
        let name = Some(made(SealedId::from_ulid, 9));
        let update = C::Update { by, name, logo: Change::Kept, metadata: Change::Kept, slug: None };
        organization.decide(update, at(9)).map(|events| events.len())
    };
    assert_eq!([update(by(1)), update(by(2)), update(By::App)], [Ok(1); 3]);
    assert_eq!(update(by(3)), Err(OrganizationRefusal::NotAllowed));

    let delete = |by| organization.decide(C::Delete { by }, at(9)).map(|events| events.len());
    assert_eq!([delete(by(1)), delete(By::App)], [Ok(2); 2]);
    assert_eq!([delete(by(2)), delete(by(3))], [Err(OrganizationRefusal::NotAllowed); 2]);
}

#[test]
fn an_update_says_what_changed_and_a_new_slug_gives_the_old_one_up() {
    let organization = organization(&[]);
    let update = |name, slug| C::Update { by: by(1), name, logo: Change::Cleared, metadata: Change::Kept, slug };
    let same = organization.name;
    assert_eq!(organization.decide(update(same, None), at(1)), Ok(vec![]));
    let replaces = Some(slug(1).slug);
    let claimed = SlugClaimed { claim: slug(2).claim, slug: slug(2).slug, replaces, at: at(1) };
    assert_eq!(
        organization.decide(update(None, Some(slug(2))), at(1)),
        Ok(vec![SlugReleased { claim: slug(1).claim, at: at(1) }.into(), claimed.into()])
    );
    let name = Some(made(SealedId::from_ulid, 9));
    let before = OrganizationBefore { name: organization.name, ..OrganizationBefore::default() };
    let renamed = OrganizationUpdated { name, logo: Change::Cleared, metadata: Change::Kept, before, at: at(1) };
    assert_eq!(organization.decide(update(name, None), at(1)), Ok(vec![renamed.into()]));
}

// --- the last owner ---

#[test]
fn the_only_owner_stays_whatever_is_asked() {
    let organization = organization(&[Role::Admin, Role::Member]);
    let refused = Err(OrganizationRefusal::OnlyOwner);
    assert_eq!(organization.decide(C::Leave { target: person(1) }, at(9)), refused);
    for by in [by(1), By::App] {
        assert_eq!(organization.decide(C::RemoveMember { by, target: person(1) }, at(9)), refused);
        let down = C::ChangeRole { by, target: person(1), role: Role::Admin };
        assert_eq!(organization.decide(down, at(9)), refused);
    }
}

#[test]
fn of_two_owners_one_may_go() {
    let mut organization = organization(&[Role::Owner]);
    let left = happen(&mut organization, C::Leave { target: person(1) }, at(9)).unwrap();
    assert_eq!(left, vec![removed(1, Role::Owner, RemovalReason::Left, at(9))]);
    assert_eq!(happen(&mut organization, C::Leave { target: person(2) }, at(10)), Err(OrganizationRefusal::OnlyOwner));
}

#[test]
fn when_the_last_owner_is_deleted_the_admin_of_the_longest_standing_succeeds() {
    let mut organization = organization(&[Role::Member, Role::Admin, Role::Admin]);
    // Person 2 has been there longer, and an admin for a shorter time.
    happen(&mut organization, C::ChangeRole { by: by(1), target: person(2), role: Role::Admin }, at(8)).unwrap();
    let events = happen(&mut organization, C::Depart { target: person(1) }, at(9)).unwrap();
    let Target { member, user } = person(3);
    let succeeds =
        MemberRoleChanged { member, user, previous: Role::Admin, role: Role::Owner, succession: true, at: at(9) };
    assert_eq!(events, vec![removed(1, Role::Owner, RemovalReason::UserDeleted, at(9)), succeeds.into()]);
}

#[test]
fn without_an_admin_it_is_held_and_told_and_empty_it_goes() {
    let mut organization = organization(&[Role::Member]);
    let events = happen(&mut organization, C::Depart { target: person(1) }, at(9)).unwrap();
    assert_eq!(events[1..], [OrganizationHeld { at: at(9) }.into()]);
    assert!(organization.is_held());

    let events = happen(&mut organization, C::Depart { target: person(2) }, at(10)).unwrap();
    let own = Some(made(PersonId::from_ulid, 1));
    let gone = OrganizationDeleted { person: own, reason: OrganizationEnd::Empty, at: at(10) };
    assert_eq!(events[1..], [SlugReleased { claim: slug(1).claim, at: at(10) }.into(), gone.into()]);
    assert_eq!(happen(&mut organization, C::Depart { target: person(2) }, at(11)), Ok(vec![]), "twice is once");
    assert_eq!(happen(&mut organization, C::Delete { by: By::App }, at(11)), Err(OrganizationRefusal::NotFound));
}

#[test]
fn a_deleted_owner_beside_another_changes_nothing_else() {
    let mut organization = organization(&[Role::Owner, Role::Admin]);
    let events = happen(&mut organization, C::Depart { target: person(1) }, at(9)).unwrap();
    assert_eq!(events, vec![removed(1, Role::Owner, RemovalReason::UserDeleted, at(9))]);
}

// --- invitations ---

#[test]
fn an_invitation_is_for_a_role_that_the_inviter_may_give() {
    let organization = organization(&[Role::Admin, Role::Member]);
    let invite = |by, role| organization.decide(invite(by, 1, role, 0), at(9)).map(|_| ());
    let refused = Err(OrganizationRefusal::NotAllowed);
    assert_eq!([invite(by(1), Role::Owner), invite(by(2), Role::Admin), invite(By::App, Role::Owner)], [Ok(()); 3]);
    assert_eq!([invite(by(2), Role::Owner), invite(by(3), Role::Member), invite(by(7), Role::Member)], [refused; 3]);
}

#[test]
fn it_is_answered_once_and_within_its_time() {
    let mut organization = organization(&[]);
    for (number, seen) in [(1, 0), (2, 1), (3, 2)] {
        happen(&mut organization, invite(by(1), number, Role::Admin, seen), at(0)).unwrap();
    }
    let accept = |number, who| C::AcceptInvitation { invitation: invitation(number), target: person(who) };
    let late = at(0) + Span::from_days(7);
    assert_eq!(organization.decide(accept(1, 5), late), Err(OrganizationRefusal::InvitationExpired));

    let Target { member, user } = person(5);
    let accepted = happen(&mut organization, accept(1, 5), at(1)).unwrap();
    let added = MemberAdded { member, user, role: Role::Admin, invitation: Some(invitation(1)), at: at(1) };
    let answered = InvitationAccepted { invitation: invitation(1), user, person: invited(1), at: at(1) };
    assert_eq!(accepted, vec![added.into(), answered.into()]);
    let not_open = Err(OrganizationRefusal::InvitationNotOpen);
    assert_eq!(happen(&mut organization, accept(1, 6), at(2)), not_open);
    let revoke = |number| C::RevokeInvitation { by: by(1), invitation: invitation(number) };
    assert_eq!(happen(&mut organization, revoke(1), at(2)), not_open);

    happen(&mut organization, revoke(2), at(2)).unwrap();
    assert_eq!(happen(&mut organization, accept(2, 6), at(3)), not_open);
    happen(&mut organization, C::RejectInvitation { invitation: invitation(3), user: person(6).user }, at(3)).unwrap();
    assert_eq!(happen(&mut organization, accept(3, 6), at(4)), not_open);
}

#[test]
fn one_that_is_past_its_time_can_be_renewed_or_makes_room() {
    let mut organization = organization(&[]);
    happen(&mut organization, invite(by(1), 1, Role::Member, 0), at(0)).unwrap();
    let late = at(0) + Span::from_days(8);
    let renew = C::RenewInvitation {
        by: by(1),
        invitation: invitation(1),
        address: made(SealedId::from_ulid, 51),
        invitee: None,
        notice: InvitationNotice { mail: None, locale: Locale::ENGLISH },
        expires_at: late + Span::from_days(7),
    };
    let mut renewed = organization.clone();
    happen(&mut renewed, renew, late).unwrap();
    let accept = C::AcceptInvitation { invitation: invitation(1), target: person(5) };
    assert!(renewed.decide(accept, late + Span::from_days(6)).is_ok());

    let events = happen(&mut organization, invite(by(1), 2, Role::Member, 1), late).unwrap();
    let past = InvitationRevoked {
        invitation: invitation(1),
        reason: RevocationReason::Expired,
        person: invited(1),
        at: late,
    };
    assert_eq!(events[0], past.into());
    assert_eq!(organization.invitations.len(), 1);
}

#[test]
fn who_looked_before_another_was_invited_looks_again() {
    let mut organization = organization(&[]);
    happen(&mut organization, invite(by(1), 1, Role::Member, 0), at(0)).unwrap();
    let refused = happen(&mut organization, invite(by(1), 2, Role::Member, 0), at(0));
    assert_eq!(refused, Err(OrganizationRefusal::Overtaken));
}

#[test]
fn the_invitations_of_whoever_loses_the_power_to_make_them_end() {
    let mut organization = organization(&[Role::Owner, Role::Admin]);
    for (number, by, role, seen) in [
        (1, by(2), Role::Owner, 0),
        (2, by(2), Role::Member, 1),
        (3, by(3), Role::Member, 2),
        (4, by(1), Role::Owner, 3),
    ] {
        happen(&mut organization, invite(by, number, role, seen), at(0)).unwrap();
    }
    let lost = |number, at| -> OrganizationEvent {
        let reason = RevocationReason::InviterLost;
        InvitationRevoked { invitation: invitation(number), reason, person: invited(number), at }.into()
    };
    let down = C::ChangeRole { by: by(1), target: person(2), role: Role::Admin };
    assert_eq!(happen(&mut organization, down, at(1)).unwrap()[1..], [lost(1, at(1))]);
    let out = C::RemoveMember { by: by(1), target: person(2) };
    assert_eq!(happen(&mut organization, out, at(2)).unwrap()[1..], [lost(2, at(2))]);
    assert_eq!(happen(&mut organization, C::Leave { target: person(3) }, at(3)).unwrap()[1..], [lost(3, at(3))]);
    assert_eq!(organization.invitations.len(), 1);
}

// --- what is left of it ---

/// With an invitation goes what was sealed for whoever was invited; what was sealed for a user goes with the user.
#[test]
fn however_an_invitation_ends_it_takes_its_address_along() {
    let users = |number, who: u16| {
        let mut command = invite(by(1), number, Role::Member, u64::from(number) - 1);
        if let C::Invite { invitation, .. } = &mut command {
            invitation.invitee = Some(person(who).user);
        }
        command
    };
    let mut organization = organization(&[]);
    for number in 1..=5 {
        let seen = u64::from(number) - 1;
        let command = if number == 2 { users(2, 6) } else { invite(by(1), number, Role::Member, seen) };
        happen(&mut organization, command, at(0)).unwrap();
    }
    let erased = |events: &[OrganizationEvent]| events.iter().flat_map(Names::erases).collect::<Vec<_>>();
    let one = |number| invited(number).into_iter().collect::<Vec<_>>();
    let accept = |number, who| C::AcceptInvitation { invitation: invitation(number), target: person(who) };
    let accepted = happen(&mut organization, accept(1, 5), at(1)).unwrap();
    assert_eq!(erased(&accepted), one(1));
    assert_eq!(erased(&happen(&mut organization, accept(2, 6), at(1)).unwrap()), []);
    let reject = C::RejectInvitation { invitation: invitation(3), user: person(7).user };
    assert_eq!(erased(&happen(&mut organization, reject, at(1)).unwrap()), one(3));
    let revoke = C::RevokeInvitation { by: by(1), invitation: invitation(4) };
    assert_eq!(erased(&happen(&mut organization, revoke, at(1)).unwrap()), one(4));

    let late = at(0) + Span::from_days(7);
    let expired = organization.decide(C::ExpireInvitations, late).unwrap();
    assert_eq!((expired.len(), erased(&expired)), (1, one(5)));
    assert_eq!(organization.decide(C::ExpireInvitations, at(2)), Ok(vec![]));
    let gone = happen(&mut organization, C::Delete { by: by(1) }, at(2)).unwrap();
    assert_eq!(erased(&gone), [invited(5).unwrap(), made(PersonId::from_ulid, 1)], "the organization's own too");
    assert_eq!(happen(&mut organization, C::ExpireInvitations, late), Err(OrganizationRefusal::NotFound));
}

// --- bounds ---

#[test]
fn leaders_and_open_invitations_are_bounded_and_members_are_not() {
    let mut organization = organization(&[]);
    let add = |number, role| C::AddMember { target: person(number), role };
    for number in 2..=u16::try_from(LEADERS_MAX).unwrap() {
        happen(&mut organization, add(number, Role::Admin), at(0)).unwrap();
    }
    let full = Err(OrganizationRefusal::TooManyLeaders);
    assert_eq!(happen(&mut organization, add(5_000, Role::Owner), at(1)), full);
    for number in 0..2_000 {
        happen(&mut organization, add(6_000 + number, Role::Member), at(1)).unwrap();
    }
    let up = C::ChangeRole { by: by(1), target: person(6_000), role: Role::Admin };
    assert_eq!(happen(&mut organization, up, at(1)), full);
    assert!(
        happen(&mut organization, C::ChangeRole { by: by(1), target: person(2), role: Role::Owner }, at(1)).is_ok()
    );

    for number in 0..u16::try_from(INVITATIONS_MAX).unwrap() {
        happen(&mut organization, invite(by(1), number, Role::Member, number.into()), at(1)).unwrap();
    }
    let another = |seen| invite(by(1), 9_000, Role::Member, seen);
    assert_eq!(happen(&mut organization, another(1_000), at(1)), Err(OrganizationRefusal::TooManyInvitations));
    assert!(happen(&mut organization, another(1_000), at(0) + Span::from_days(7)).is_ok(), "old ones make room");

    // What a decision loads, however many members there are.
    let snapshot = serde_json::to_vec(&organization).unwrap();
    assert!(snapshot.len() < 400_000, "{}", snapshot.len());
}
