//! Organizations: two streams that tell the same, one winner of every race, and nothing left without an owner.

use std::sync::Arc;

use chrysalis::keys::{PersonSealer, SealKind};
use chrysalis::log::cqrs::{Ask, Concurrency, ExecuteError, Step, load};
use chrysalis::log::{Claim, Refused, SealedRecord, ask, ask_one};
use chrysalis_domain::EmailAddress;
use chrysalis_domain::id::{ClaimId, InvitationId, MailId, MemberId, OrganizationId, PersonId, UserId};
use chrysalis_domain::organization::command::{InvitationNotice, NewInvitation, NewSlug};
use chrysalis_domain::organization::{
    By, Existence, Organization, OrganizationCommand, OrganizationRefusal, Role, Slug, Target,
};
use chrysalis_domain::user::event::{DeletionReason, MembershipEnd};
use chrysalis_domain::user::{UserCommand, UserRefusal};
use chrysalis_domain::value::{Change, Locale};
use chrysalis_projections::{claims, invitations, members, table};
use tokio::task::JoinSet;

use super::erasure::assert_sound;
use super::every_store;
use super::history::{ADDRESSES, History};
use super::store::Store;
use super::world::{Person, World, refused_by_store};

every_store! {
    of_64_who_want_one_slug_one_has_it,
    a_slug_is_free_again_once_it_is_given_up,
    of_two_last_owners_who_leave_at_once_one_stays,
    an_invitation_is_accepted_or_revoked_and_never_both,
    nobody_becomes_a_member_twice_however_many_add_them,
    who_is_deleted_while_being_added_is_no_member,
    users_who_go_together_leave_what_they_share_in_order,
    many_can_join_at_once,
    what_was_sealed_goes_with_the_invitation_and_the_organization,
}

/// Spelled in different ways, and few.
const SLUGS: [&str; 7] = ["acme", "Acme", "globex", "GLOBEX ", "initech", "hooli", "umbrella"];

impl World {
    fn organization(&self, command: OrganizationCommand, id: OrganizationId) -> Ask {
        Ask::new(self.context(), self.now()).then(Step::Organization(id, Concurrency::Exact, command))
    }

    fn slug(&self, sealer: &PersonSealer, slug: &str) -> (NewSlug, SealedRecord, Claim) {
        let sealed = sealer.seal(SealKind::Slug, slug.trim(), &self.chance, self.now());
        let key = self.keyring.slug_claim(&Slug::parse(slug).unwrap());
        let claim = self.fresh(ClaimId::from_ulid);
        (NewSlug { claim, slug: sealed.id }, sealed, Claim { claim, key })
    }

    /// What makes an organization, not yet sent.
    fn founding(&self, user: UserId, slug: &str) -> (OrganizationId, Person, Ask) {
        let (id, person) = (self.fresh(OrganizationId::from_ulid), self.person());
        let (name, logo) = (self.seal(&person, SealKind::Name, "Acme"), self.seal(&person, SealKind::Image, "/logo"));
        let (slug, sealed, claim) = self.slug(&person.sealer, slug);
        let member = self.fresh(MemberId::from_ulid);
        let create = OrganizationCommand::Create {
            organization: id,
            person: person.id,
            name: name.id,
            logo: self.chance.toss().then_some(logo.id),
            metadata: None,
            slug,
            founder: Some(Target { member, user }),
        };
        let begin = UserCommand::BeginMembership { organization: id, member, founded: true, invited: None };
        let mut ask = Ask::new(self.context(), self.now())
            .then(Step::Organization(id, Concurrency::New, create))
            .then(Step::User(user, Concurrency::Exact, begin));
        (ask.sealed, ask.person_keys, ask.claims) = (vec![name, logo, sealed], vec![person.key.clone()], vec![claim]);
        (id, person, ask)
    }

    async fn founded(&self, user: UserId, slug: &str) -> OrganizationId {
        let (id, _, ask) = self.founding(user, slug);
        self.execute(ask).await.unwrap();
        id
    }

    fn joining(&self, id: OrganizationId, user: UserId, role: Role) -> (Target, Ask) {
        let target = Target { member: self.fresh(MemberId::from_ulid), user };
        let begin =
            UserCommand::BeginMembership { organization: id, member: target.member, founded: false, invited: None };
        let ask = self.organization(OrganizationCommand::AddMember { target, role }, id);
        (target, ask.then(Step::User(user, Concurrency::Exact, begin)))
    }

    async fn joined(&self, id: OrganizationId, user: UserId, role: Role) -> Target {
        let (target, ask) = self.joining(id, user, role);
        self.execute(ask).await.unwrap();
        target
    }

    fn leaving(&self, id: OrganizationId, target: Target) -> Ask {
        let end = UserCommand::EndMembership { organization: id, member: target.member, reason: MembershipEnd::Left };
        let ask = self.organization(OrganizationCommand::Leave { target }, id);
        ask.then(Step::User(target.user, Concurrency::Exact, end))
    }

    fn inviting(&self, id: OrganizationId, by: By, address: &str, seen: u64) -> (InvitationId, Ask) {
        let (invitation, person) = (self.fresh(InvitationId::from_ulid), self.person());
        let sealed = self.seal(&person, SealKind::Email, address);
        let new = NewInvitation {
            invitation,
            person: person.id,
            address: sealed.id,
            invitee: None,
            role: *self.chance.pick(&[Role::Member, Role::Admin]),
            notice: InvitationNotice { mail: Some(self.fresh(MailId::from_ulid)), locale: Locale::ENGLISH },
            expires_at: self.now() + chrysalis_domain::Span::from_days(7),
        };
        let mut ask =
            self.organization(OrganizationCommand::Invite { by, invitation: new, seen, instead_of: None }, id);
        let key = self.keyring.email_claim(&EmailAddress::parse(address).unwrap());
        ask.keys = vec![Claim { claim: invitations::of_address(invitation), key }];
        (ask.sealed, ask.person_keys) = (vec![sealed], vec![person.key]);
        (invitation, ask)
    }

    fn accepting(&self, id: OrganizationId, invitation: InvitationId, user: UserId) -> Ask {
        let target = Target { member: self.fresh(MemberId::from_ulid), user };
        let begin =
            UserCommand::BeginMembership { organization: id, member: target.member, founded: false, invited: None };
        let ask = self.organization(OrganizationCommand::AcceptInvitation { invitation, target }, id);
        ask.then(Step::User(user, Concurrency::Exact, begin))
    }

    fn deleting(&self, user: UserId) -> Step {
        let delete = UserCommand::DeleteUser { reason: DeletionReason::Requested, only_if_guest: false };
        Step::User(user, Concurrency::Exact, delete)
    }

    async fn state(&self, id: OrganizationId) -> Organization {
        load::<Organization>(self.log.as_ref(), id).await.unwrap().state
    }

    /// Members by the rows, who must be those that state and users know of.
    async fn members(&self, id: OrganizationId) -> Vec<UserId> {
        let parameters = [table::id(id), "".into(), "".into(), 1_000.into()];
        let rows = ask(self.log.as_ref(), &members::ABOVE, &parameters).await.unwrap();
        let state = self.state(id).await;
        assert_eq!(rows.len() as u64, state.others + state.leaders.len() as u64);
        for row in &rows {
            assert_eq!(row.member.role, state.role_of(row.member.user));
            assert_eq!(self.user(row.member.user).await.memberships[&id].member, row.member.member);
        }
        rows.into_iter().map(|row| row.member.user).collect()
    }
}

async fn of_64_who_want_one_slug_one_has_it(store: &dyn Store) {
    let world = Arc::new(World::on(store).await);
    let mut race = JoinSet::new();
    for number in 0..64 {
        let guest = world.arrival().await;
        let world = world.clone();
        race.spawn(async move {
            let (id, _, ask) = world.founding(guest.user, if number % 2 == 0 { "acme" } else { "ACME" });
            (id, guest.user, world.execute(ask).await)
        });
    }
    let mut winners = Vec::new();
    while let Some(ended) = race.join_next().await {
        match ended.unwrap() {
            (id, _, Ok(_)) => winners.push(id),
            (id, user, lost) => {
                assert!(matches!(refused_by_store(lost), Refused::ClaimHeld { .. }));
                assert_eq!(world.state(id).await.existence, Existence::Absent);
                assert!(world.user(user).await.memberships.is_empty(), "who lost is a member of nothing");
            }
        }
    }
    let [winner]: [OrganizationId; 1] = winners.try_into().expect("exactly one winner");
    let key = world.keyring.slug_claim(&Slug::parse("acme").unwrap());
    let holder = ask_one(world.log.as_ref(), &claims::OF_SLUG, &[key.hash.into()]).await.unwrap();
    assert_eq!(holder, Some(winner));
}

async fn a_slug_is_free_again_once_it_is_given_up(store: &dyn Store) {
    let world = World::on(store).await;
    let guest = world.arrival().await;
    let (id, person, ask) = world.founding(guest.user, "acme");
    world.execute(ask).await.unwrap();
    let (slug, sealed, claim) = world.slug(&person.sealer, "other");
    let by = By::Member(guest.user);
    let (logo, metadata) = (Change::Kept, Change::Kept);
    let update = OrganizationCommand::Update { by, name: None, logo, metadata, slug: Some(slug) };
    let update = Ask { sealed: vec![sealed], claims: vec![claim], ..world.organization(update, id) };
    world.execute(update).await.unwrap();

    let another = world.founded(guest.user, "acme").await;
    let (_, _, taken) = world.founding(guest.user, "other");
    assert!(matches!(refused_by_store(world.execute(taken).await), Refused::ClaimHeld { .. }));
    world.execute(world.organization(OrganizationCommand::Delete { by }, id)).await.unwrap();
    world.founded(guest.user, "other").await;
    world.execute(world.organization(OrganizationCommand::Delete { by }, another)).await.unwrap();
    world.founded(guest.user, "Acme").await;
}

async fn of_two_last_owners_who_leave_at_once_one_stays(store: &dyn Store) {
    let world = World::on(store).await;
    for round in 0..16 {
        let (one, other) = (world.arrival().await, world.arrival().await);
        let id = world.founded(one.user, &format!("slug {round}")).await;
        let other = world.joined(id, other.user, Role::Owner).await;
        let member = world.user(one.user).await.memberships[&id].member;
        let one = Target { member, user: one.user };
        let left = tokio::join!(world.execute(world.leaving(id, one)), world.execute(world.leaving(id, other)),);
        let refused = match left {
            (Ok(_), Err(refused)) | (Err(refused), Ok(_)) => refused,
            both => panic!("{both:?}"),
        };
        assert!(matches!(refused, ExecuteError::Disallowed(OrganizationRefusal::OnlyOwner)), "{refused}");
        assert_eq!(world.members(id).await.len(), 1);
        assert!(!world.state(id).await.is_held());
    }
}

async fn an_invitation_is_accepted_or_revoked_and_never_both(store: &dyn Store) {
    let world = World::on(store).await;
    let owner = world.arrival().await;
    let id = world.founded(owner.user, "acme").await;
    let by = By::Member(owner.user);
    let mut accepted = 0;
    for round in 0..24 {
        let guest = world.arrival().await;
        let (invitation, ask) = world.inviting(id, by, "jane@example.com", round);
        world.execute(ask).await.unwrap();
        let accept = world.execute(world.accepting(id, invitation, guest.user));
        let revoke = world.execute(world.organization(OrganizationCommand::RevokeInvitation { by, invitation }, id));
        let ended = if round % 2 == 0 {
            tokio::join!(accept, revoke)
        } else {
            let (revoked, accepted) = tokio::join!(revoke, accept);
            (accepted, revoked)
        };
        let (won, refused) = match ended {
            (Ok(_), Err(refused)) => (true, refused),
            (Err(refused), Ok(_)) => (false, refused),
            both => panic!("{both:?}"),
        };
        accepted += usize::from(won);
        assert!(matches!(refused, ExecuteError::Disallowed(OrganizationRefusal::InvitationNotOpen)), "{refused}");
        assert_eq!(world.members(id).await.contains(&guest.user), won);
        assert_eq!(world.user(guest.user).await.memberships.contains_key(&id), won);
    }
    assert_eq!(world.members(id).await.len(), 1 + accepted);
}

async fn nobody_becomes_a_member_twice_however_many_add_them(store: &dyn Store) {
    let world = Arc::new(World::on(store).await);
    let (owner, guest) = (world.arrival().await, world.arrival().await);
    let id = world.founded(owner.user, "acme").await;
    let mut race = JoinSet::new();
    for _ in 0..12 {
        let (world, user) = (world.clone(), guest.user);
        race.spawn(async move { world.execute(world.joining(id, user, Role::Member).1).await });
    }
    let (mut added, mut refused) = (0, 0);
    while let Some(ended) = race.join_next().await {
        match ended.unwrap() {
            Ok(_) => added += 1,
            Err(ExecuteError::Refused(UserRefusal::AlreadyMember)) => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((added, refused), (1, 11));
    assert_eq!(world.members(id).await.len(), 2);
}

async fn who_is_deleted_while_being_added_is_no_member(store: &dyn Store) {
    let world = World::on(store).await;
    let owner = world.arrival().await;
    let id = world.founded(owner.user, "acme").await;
    for round in 0..24 {
        let guest = world.arrival().await;
        let add = world.execute(world.joining(id, guest.user, Role::Admin).1);
        let delete = world.execute(Ask::new(world.context(), world.now()).then(world.deleting(guest.user)));
        let (added, deleted) = if round % 2 == 0 {
            tokio::join!(add, delete)
        } else {
            let (deleted, added) = tokio::join!(delete, add);
            (added, deleted)
        };
        deleted.unwrap();
        assert!(matches!(added, Ok(_) | Err(ExecuteError::Refused(UserRefusal::Deleted))), "{added:?}");
        assert_eq!(world.members(id).await, [owner.user]);
    }
}

/// One decision may end several users, as a clean-up does.
async fn users_who_go_together_leave_what_they_share_in_order(store: &dyn Store) {
    let world = World::on(store).await;
    let people = [world.arrival().await, world.arrival().await, world.arrival().await];
    let shared = world.founded(people[0].user, "shared").await;
    world.joined(shared, people[1].user, Role::Admin).await;
    world.joined(shared, people[2].user, Role::Admin).await;
    let alone = world.founded(people[1].user, "alone").await;
    let go = Ask::new(world.context(), world.now())
        .then(world.deleting(people[0].user))
        .then(world.deleting(people[1].user));
    world.execute(go).await.unwrap();
    assert_eq!(world.members(shared).await, [people[2].user]);
    assert_eq!(world.state(shared).await.owners().collect::<Vec<_>>(), [people[2].user], "who is left owns it");
    assert_eq!(world.state(alone).await.existence, Existence::Deleted);
    world.execute(Ask::new(world.context(), world.now()).then(world.deleting(people[2].user))).await.unwrap();
    assert_eq!(world.state(shared).await.existence, Existence::Deleted);
    let key = world.keyring.slug_claim(&Slug::parse("shared").unwrap());
    assert_eq!(ask_one(world.log.as_ref(), &claims::OF_SLUG, &[key.hash.into()]).await.unwrap(), None);
}

async fn many_can_join_at_once(store: &dyn Store) {
    let world = Arc::new(World::on(store).await);
    let owner = world.arrival().await;
    let id = world.founded(owner.user, "acme").await;
    let mut race = JoinSet::new();
    for _ in 0..64 {
        let guest = world.arrival().await;
        let world = world.clone();
        race.spawn(async move {
            // Who is told to come back comes back.
            loop {
                match world.execute(world.joining(id, guest.user, Role::Member).1).await {
                    Ok(_) => return,
                    Err(ExecuteError::Append(chrysalis::log::AppendError::Busy { .. })) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        });
    }
    race.join_all().await;
    assert_eq!(world.members(id).await.len(), 65);
}

async fn what_was_sealed_goes_with_the_invitation_and_the_organization(store: &dyn Store) {
    let world = World::on(store).await;
    let (owner, guest) = (world.arrival().await, world.arrival().await);
    let (id, acme, ask) = world.founding(owner.user, "acme");
    world.execute(ask).await.unwrap();
    let by = By::Member(owner.user);
    let mut invited = Vec::new();
    for seen in 0..5 {
        let (invitation, ask) = world.inviting(id, by, &format!("p{seen}@example.com"), seen);
        invited.push((invitation, ask.person_keys[0].person));
        world.execute(ask).await.unwrap();
    }
    let left = async |person: PersonId| {
        let mut left = Vec::new();
        for table in ["person_keys", "sealed"] {
            let sql = format!("SELECT cast(count(*) AS text) FROM {table} WHERE person_id = '{person}'");
            left.push(store.seen(&sql).await);
        }
        left
    };
    let copies = async || {
        let held = "address_sealed IS NOT NULL OR person_key IS NOT NULL OR hash IS NOT NULL";
        store.seen(&format!("SELECT cast(count(*) AS text) FROM invitations WHERE {held}")).await
    };
    assert_eq!(copies().await, "5");
    world.execute(world.accepting(id, invited[0].0, guest.user)).await.unwrap();
    let revoke = OrganizationCommand::RevokeInvitation { by, invitation: invited[1].0 };
    world.execute(world.organization(revoke, id)).await.unwrap();
    let reject = OrganizationCommand::RejectInvitation { invitation: invited[2].0, user: guest.user };
    world.execute(world.organization(reject, id)).await.unwrap();
    for (_, person) in &invited[..3] {
        assert_eq!(left(*person).await, ["0", "0"]);
    }
    assert_eq!((left(invited[3].1).await, copies().await), (vec!["1".to_owned(), "1".to_owned()], "2".to_owned()));
    // What became of them is still told; the log verifies, and folds to the same.
    let ended = "SELECT cast(count(*) AS text) FROM invitations WHERE status <> 'pending'";
    assert_eq!(store.seen(ended).await, "3");
    assert_sound(&world).await;
    assert_eq!(store.seen(ended).await, "3");

    world.execute(world.organization(OrganizationCommand::Delete { by }, id)).await.unwrap();
    for person in [invited[3].1, invited[4].1, acme.id] {
        assert_eq!(left(person).await, ["0", "0"]);
    }
    for table in ["organizations", "members", "invitations"] {
        assert_eq!(store.seen(&format!("SELECT cast(count(*) AS text) FROM {table}")).await, "0", "{table}");
    }
    assert_sound(&world).await;
}

// --- part of a random history ---

impl History {
    /// Whatever may happen to an organization, in the name of anybody.
    pub(super) async fn organize(&mut self) -> Result<(), ExecuteError> {
        let (world, chance) = (&self.world, &self.world.chance);
        let (user, _) = *chance.pick(&self.people);
        if self.organizations.len() < 3 || chance.below(30) == 0 {
            let (id, person, mut ask) = world.founding(user, chance.pick::<&str>(&SLUGS));
            if let (1, Step::Organization(_, _, OrganizationCommand::Create { founder, .. })) =
                (self.organizations.len(), &mut ask.steps[0])
            {
                // By the app, for people who are yet to come.
                *founder = None;
                ask.steps.truncate(1);
            }
            world.execute(ask).await?;
            self.organizations.push((id, person));
            return Ok(());
        }
        let which = chance.below(self.organizations.len());
        let (id, person) = &self.organizations[which];
        let (id, state) = (*id, world.state(*id).await);
        if state.existence == Existence::Deleted {
            self.organizations.swap_remove(which);
            return Ok(());
        }
        let leaders: Vec<UserId> = state.leaders.keys().copied().collect();
        let by = match chance.below(5) {
            0 => By::App,
            1 => By::Member(user),
            _ if leaders.is_empty() => By::App,
            _ => By::Member(*chance.pick(&leaders)),
        };
        let held = world.user(user).await.memberships.get(&id).map(|held| held.member);
        let target = Target { member: held.unwrap_or_else(|| world.fresh(MemberId::from_ulid)), user };
        let open: Vec<InvitationId> = state.invitations.keys().copied().collect();
        let invitation = if open.is_empty() { world.fresh(InvitationId::from_ulid) } else { *chance.pick(&open) };
        use OrganizationCommand as C;
        let end = |reason| {
            Step::User(
                user,
                Concurrency::Exact,
                UserCommand::EndMembership { organization: id, member: target.member, reason },
            )
        };
        let ask = match chance.below(18) {
            0..=3 => world.joining(id, user, *chance.pick(&Role::ALL)).1,
            4 => world.organization(C::Leave { target }, id).then(end(MembershipEnd::Left)),
            5 => world.organization(C::RemoveMember { by, target }, id).then(end(MembershipEnd::Removed)),
            6 | 7 => {
                let confirm = UserCommand::ConfirmMembership { organization: id, member: target.member };
                let change = C::ChangeRole { by, target, role: *chance.pick(&Role::ALL) };
                world.organization(change, id).then(Step::User(user, Concurrency::Exact, confirm))
            }
            8 => {
                let (slug, sealed, claim) = world.slug(&person.sealer, chance.pick::<&str>(&SLUGS));
                let name = world.seal(person, SealKind::Name, "Other");
                let change = *chance.pick(&[Change::Kept, Change::Cleared, Change::Set(name.id)]);
                let slug = chance.toss().then_some(slug);
                let update = C::Update { by, name: Some(name.id), logo: change, metadata: change, slug };
                Ask { sealed: vec![name, sealed], claims: vec![claim], ..world.organization(update, id) }
            }
            9 | 10 => world.inviting(id, by, chance.pick::<&str>(&ADDRESSES), state.invited).1,
            11 => {
                let row = ask_one(world.log.as_ref(), &invitations::BY_ID, &[table::id(invitation)]).await?;
                let Some(address) = row.and_then(|row| row.address) else { return Ok(()) };
                let renew = C::RenewInvitation {
                    by,
                    invitation,
                    address: address.id,
                    invitee: chance.toss().then_some(user),
                    notice: InvitationNotice { mail: Some(world.fresh(MailId::from_ulid)), locale: Locale::ENGLISH },
                    expires_at: world.now() + chrysalis_domain::Span::from_days(7),
                };
                world.organization(renew, id)
            }
            12 if chance.toss() => world.organization(C::ExpireInvitations, id),
            12 => world.organization(C::RevokeInvitation { by, invitation }, id),
            13..=15 => world.accepting(id, invitation, user),
            16 => world.organization(C::RejectInvitation { invitation, user }, id),
            _ if chance.below(3) == 0 => world.organization(C::Delete { by }, id),
            _ => {
                let user = leaders.first().copied().unwrap_or(user);
                let sessions: Vec<_> = world.user(user).await.sessions.keys().copied().collect();
                let Some(session) = sessions.first() else { return Ok(()) };
                let organization = chance.toss().then_some(id);
                world.ask(user, UserCommand::ActivateOrganization { session: *session, organization })
            }
        };
        world.execute(ask).await?;
        Ok(())
    }
}
