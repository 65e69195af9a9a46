//! What follows from what happened, in another stream.
//!
//! Some of it may not wait: it is decided and stored in the same group as its cause, so that nobody ever sees one without
//! the other. Whoever decides asks [`at_once`] of each event.

pub mod expiry;

use crate::event::Event;
use crate::id::OrganizationId;
use crate::organization::{OrganizationCommand, Target};
use crate::user::UserEvent;
use crate::user::event::MembershipEnd;

/// A command that follows.
#[derive(Clone, Debug)]
pub enum Consequence {
    Organization(OrganizationId, OrganizationCommand),
}

/// What belongs to the same decision as the event. At most as much for one user as they have memberships.
pub fn at_once(event: &Event) -> Option<Consequence> {
    match event {
        // A user who goes leaves every organization, and none of them ownerless.
        Event::User(user, UserEvent::MembershipEnded(e)) if e.reason == MembershipEnd::UserDeleted => {
            let depart = OrganizationCommand::Depart { target: Target { member: e.member, user: *user } };
            Some(Consequence::Organization(e.organization, depart))
        }
        _ => None,
    }
}
