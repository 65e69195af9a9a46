//! Organizations in random lives.

use chrysalis::keys::SealKind;
use chrysalis::log::ask_one;
use chrysalis::log::cqrs::{Ask, Concurrency, ExecuteError, Step};
use chrysalis_domain::Span;
use chrysalis_domain::id::{InvitationId, MailId, MemberId, UserId};
use chrysalis_domain::organization::command::InvitationNotice;
use chrysalis_domain::organization::{By, Existence, OrganizationCommand, Role, Target};
use chrysalis_domain::user::UserCommand;
use chrysalis_domain::user::event::MembershipEnd;
use chrysalis_domain::value::{Change, Locale};
use chrysalis_projections::{invitations, table};

use super::{ADDRESSES, History};

/// Spelled in different ways, and few.
const SLUGS: [&str; 7] = ["acme", "Acme", "globex", "GLOBEX ", "initech", "hooli", "umbrella"];

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
                    expires_at: world.now() + Span::from_days(7),
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
