//! What is asked of organizations, and what is known of them.

use chrysalis::keys::{PersonSealer, SealKind};
use chrysalis::log::cqrs::{Ask, Concurrency, Step, load};
use chrysalis::log::{Claim, SealedRecord, ask};
use chrysalis_domain::id::{ClaimId, InvitationId, MailId, MemberId, OrganizationId, UserId};
use chrysalis_domain::organization::command::{InvitationNotice, NewInvitation, NewSlug};
use chrysalis_domain::organization::{By, Organization, OrganizationCommand, Role, Slug, Target};
use chrysalis_domain::user::UserCommand;
use chrysalis_domain::user::event::{DeletionReason, MembershipEnd};
use chrysalis_domain::value::Locale;
use chrysalis_domain::{EmailAddress, Span};
use chrysalis_projections::{invitations, members, table};

use crate::conformance::world::{Person, World};

impl World {
    pub(in crate::conformance) fn organization(&self, command: OrganizationCommand, id: OrganizationId) -> Ask {
        Ask::new(self.context(), self.now()).then(Step::Organization(id, Concurrency::Exact, command))
    }

    pub(in crate::conformance) fn slug(&self, sealer: &PersonSealer, slug: &str) -> (NewSlug, SealedRecord, Claim) {
        let sealed = sealer.seal(SealKind::Slug, slug.trim(), &self.chance, self.now());
        let key = self.keyring.slug_claim(&Slug::parse(slug).unwrap());
        let claim = self.fresh(ClaimId::from_ulid);
        (NewSlug { claim, slug: sealed.id }, sealed, Claim { claim, key })
    }

    /// What makes an organization, not yet sent.
    pub(in crate::conformance) fn founding(&self, user: UserId, slug: &str) -> (OrganizationId, Person, Ask) {
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

    pub(in crate::conformance) async fn founded(&self, user: UserId, slug: &str) -> OrganizationId {
        let (id, _, ask) = self.founding(user, slug);
        self.execute(ask).await.unwrap();
        id
    }

    pub(in crate::conformance) fn joining(&self, id: OrganizationId, user: UserId, role: Role) -> (Target, Ask) {
        let target = Target { member: self.fresh(MemberId::from_ulid), user };
        let begin =
            UserCommand::BeginMembership { organization: id, member: target.member, founded: false, invited: None };
        let ask = self.organization(OrganizationCommand::AddMember { target, role }, id);
        (target, ask.then(Step::User(user, Concurrency::Exact, begin)))
    }

    pub(in crate::conformance) async fn joined(&self, id: OrganizationId, user: UserId, role: Role) -> Target {
        let (target, ask) = self.joining(id, user, role);
        self.execute(ask).await.unwrap();
        target
    }

    pub(in crate::conformance) fn leaving(&self, id: OrganizationId, target: Target) -> Ask {
        let end = UserCommand::EndMembership { organization: id, member: target.member, reason: MembershipEnd::Left };
        let ask = self.organization(OrganizationCommand::Leave { target }, id);
        ask.then(Step::User(target.user, Concurrency::Exact, end))
    }

    pub(in crate::conformance) fn inviting(
        &self,
        id: OrganizationId,
        by: By,
        address: &str,
        seen: u64,
    ) -> (InvitationId, Ask) {
        let (invitation, person) = (self.fresh(InvitationId::from_ulid), self.person());
        let sealed = self.seal(&person, SealKind::Email, address);
        let new = NewInvitation {
            invitation,
            person: person.id,
            address: sealed.id,
            invitee: None,
            role: *self.chance.pick(&[Role::Member, Role::Admin]),
            notice: InvitationNotice { mail: Some(self.fresh(MailId::from_ulid)), locale: Locale::ENGLISH },
            expires_at: self.now() + Span::from_days(7),
        };
        let mut ask =
            self.organization(OrganizationCommand::Invite { by, invitation: new, seen, instead_of: None }, id);
        let key = self.keyring.email_claim(&EmailAddress::parse(address).unwrap());
        ask.keys = vec![Claim { claim: invitations::of_address(invitation), key }];
        (ask.sealed, ask.person_keys) = (vec![sealed], vec![person.key]);
        (invitation, ask)
    }

    pub(in crate::conformance) fn accepting(&self, id: OrganizationId, invitation: InvitationId, user: UserId) -> Ask {
        let target = Target { member: self.fresh(MemberId::from_ulid), user };
        let begin =
            UserCommand::BeginMembership { organization: id, member: target.member, founded: false, invited: None };
        let ask = self.organization(OrganizationCommand::AcceptInvitation { invitation, target }, id);
        ask.then(Step::User(user, Concurrency::Exact, begin))
    }

    pub(in crate::conformance) fn deleting(&self, user: UserId) -> Step {
        let delete = UserCommand::DeleteUser { reason: DeletionReason::Requested, only_if_guest: false };
        Step::User(user, Concurrency::Exact, delete)
    }

    pub(in crate::conformance) async fn state(&self, id: OrganizationId) -> Organization {
        load::<Organization>(self.log.as_ref(), id).await.unwrap().state
    }

    /// Members by the rows, who must be those that state and users know of.
    pub(in crate::conformance) async fn members(&self, id: OrganizationId) -> Vec<UserId> {
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
