//! What is done with organizations.

use chrysalis_domain::id::{InvitationId, MemberId, OrganizationId};
use chrysalis_domain::organization::OrganizationEvent;

use super::*;

pub(super) fn deeds(organization: OrganizationId, event: &OrganizationEvent) -> Vec<Deed> {
    use OrganizationEvent as E;
    let to = |action| Deed::new(action).within(organization);
    let on = |action| to(action).on("organization", organization);
    let member = |action, member: MemberId, user: UserId| to(action).on("member", member).on("user", user);
    let invitation = |action, invitation: InvitationId| to(action).on("invitation", invitation);
    vec![match event {
        E::OrganizationCreated(_) => on(Action::OrganizationCreated),
        E::OrganizationUpdated(e) => {
            let (mut before, mut after) = (Map::new(), Map::new());
            let name = e.name.map_or(Field::Kept, Field::Set);
            let fields = [
                ("name", name, e.before.name),
                ("logo", e.logo, e.before.logo),
                ("metadata", e.metadata, e.before.metadata),
            ];
            for (name, now, was) in fields.into_iter().filter(|(_, now, _)| *now != Field::Kept) {
                before.insert(name.to_owned(), was.map_or(Value::Null, sealed));
                after.insert(name.to_owned(), now.sealed().map_or(Value::Null, sealed));
            }
            on(Action::OrganizationUpdated).from(before.into(), after.into())
        }
        // The first slug belongs to what was created.
        E::SlugClaimed(e) => match e.replaces {
            Some(was) => {
                let (before, after) = (json!({ "slug": sealed(was) }), json!({ "slug": sealed(e.slug) }));
                on(Action::OrganizationUpdated).from(before, after)
            }
            None => return Vec::new(),
        },
        E::MemberAdded(e) => {
            let added = member(Action::MemberAdded, e.member, e.user).with("role", e.role.name());
            added.with_some("invitation", e.invitation.map(|id| id.to_string()))
        }
        E::MemberRoleChanged(e) => {
            let (before, after) = (json!({ "role": e.previous.name() }), json!({ "role": e.role.name() }));
            let changed = member(Action::MemberRoleUpdated, e.member, e.user).from(before, after);
            changed.with_some("succession", e.succession.then_some("true"))
        }
        E::MemberRemoved(e) => {
            member(Action::MemberRemoved, e.member, e.user).with("role", e.role.name()).with("reason", word(e.reason))
        }
        E::InvitationCreated(e) => invitation(Action::InvitationCreated, e.invitation)
            .with("role", e.role.name())
            .with("expiresAt", time(e.expires_at)),
        E::InvitationAccepted(e) => invitation(Action::InvitationAccepted, e.invitation).on("user", e.user),
        E::InvitationRevoked(e) => invitation(Action::InvitationRevoked, e.invitation).with("reason", word(e.reason)),
        E::OrganizationHeld(_) => on(Action::OrganizationUpdated).with("held", "true"),
        E::OrganizationDeleted(e) => on(Action::OrganizationDeleted).with("reason", word(e.reason)),
        E::SlugReleased(_) | E::InvitationRenewed(_) | E::InvitationRejected(_) => return Vec::new(),
    }]
}
