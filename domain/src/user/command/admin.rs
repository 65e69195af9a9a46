//! What administrators make of users.

use super::{ChosenPassword, NewNotice};
use crate::id::{ClaimId, PersonId, SealedId, UserId};
use crate::role::Roles;
use crate::value::Change;

/// A user as an administrator makes them.
#[derive(Clone, Debug)]
pub struct NewMember {
    pub user: UserId,
    pub person: PersonId,
    pub claim: ClaimId,
    pub address: SealedId,
    /// The administrator says that the user reads the address.
    pub verified: bool,
    pub password: Option<ChosenPassword>,
    pub name: Option<SealedId>,
    pub image: Option<SealedId>,
    pub metadata: Option<SealedId>,
    pub app_metadata: Option<SealedId>,
    pub roles: Option<Roles>,
}

/// What an administrator changes about a user, in one go.
#[derive(Clone, Debug)]
pub struct Administration {
    pub name: Change,
    pub image: Change,
    pub metadata: Change,
    pub app_metadata: Option<SealedId>,
    pub roles: Option<Roles>,
    /// Whether the user reads the address.
    pub verified: Option<bool>,
    /// The account is for a user who has no password.
    pub password: Option<ChosenPassword>,
    pub notice: NewNotice,
}
