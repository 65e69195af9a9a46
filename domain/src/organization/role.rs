//! What a member of an organization may do there.

use serde::{Deserialize, Serialize};

/// The weaker first: what one may, the next may too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Member,
    Admin,
    Owner,
}

impl Role {
    pub const ALL: [Role; 3] = [Role::Member, Role::Admin, Role::Owner];

    pub const fn name(self) -> &'static str {
        match self {
            Role::Member => "member",
            Role::Admin => "admin",
            Role::Owner => "owner",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// As somebody says it: one role or several, separated by commas, of which the strongest counts. `super_admin` is
    /// another word for owner (CONTRACT 6), so no check ever meets it. `None` for a word that is none of these.
    pub fn said(text: &str) -> Option<Self> {
        let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
        let roles = words.map(|word| if word == "super_admin" { Some(Role::Owner) } else { Self::from_name(word) });
        roles.collect::<Option<Vec<Role>>>()?.into_iter().max()
    }

    /// Whether it allows an action on a kind of resource, by the table that the better-auth client has too.
    pub fn may(self, resource: &str, action: &str) -> bool {
        let actions: &[&str] = match (resource, self) {
            ("organization", Role::Owner) => &["update", "delete"],
            ("organization", Role::Admin) => &["update"],
            ("member", Role::Owner | Role::Admin) => &["create", "update", "delete"],
            ("invitation", Role::Owner | Role::Admin) => &["create", "cancel"],
            ("team", Role::Owner | Role::Admin) => &["create", "update", "delete"],
            ("ac", Role::Owner | Role::Admin) => &["create", "read", "update", "delete"],
            ("ac", Role::Member) => &["read"],
            _ => &[],
        };
        actions.contains(&action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_reads_in_every_way_it_is_said() {
        assert_eq!(Role::said("super_admin"), Some(Role::Owner));
        assert_eq!(Role::said(" admin , member "), Some(Role::Admin));
        for nothing in ["", ",", "Owner", "superadmin", "admin,king"] {
            assert_eq!(Role::said(nothing), None, "{nothing}");
        }
        for role in Role::ALL {
            assert_eq!((Role::said(role.name()), Role::from_name(role.name())), (Some(role), Some(role)));
        }
        assert_eq!(Role::from_name("super_admin"), None, "only ever said, never stored");
    }

    #[test]
    fn who_is_stronger_may_whatever_the_weaker_may() {
        for resource in ["organization", "member", "invitation", "team", "ac"] {
            for action in ["create", "read", "update", "delete", "cancel"] {
                let may = Role::ALL.map(|role| role.may(resource, action));
                assert!(may.is_sorted(), "{resource} {action}");
            }
        }
        assert!(Role::Owner.may("organization", "delete") && !Role::Admin.may("organization", "delete"));
    }
}
