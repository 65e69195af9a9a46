//! What an API key may be allowed to do: the whole list. A name is written into events, so it is for ever.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! permissions {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// One thing that an API key may be allowed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Permission {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl Permission {
            pub const ALL: &'static [Permission] = &[$(Permission::$variant,)*];

            pub const fn name(self) -> &'static str {
                match self { $(Permission::$variant => $name,)* }
            }
        }
    };
}

permissions! {
    UsersRead = "users.read",
    UsersWrite = "users.write",
    /// Passwords and proofs of address: what makes somebody able to sign in as a user.
    UsersCredentials = "users.credentials",
    UsersRoles = "users.roles",
    UsersBan = "users.ban",
    UsersImpersonate = "users.impersonate",
    /// Members and guests, one by one.
    UsersDelete = "users.delete",
    /// Members without a limit.
    UsersDeleteBulk = "users.delete.bulk",
    /// Guests without a limit: one by one, by a filter, or by cleaning up.
    GuestsDelete = "guests.delete",
    /// Holding guests, releasing them, and bringing back those whom a clean-up took out of use.
    GuestsManage = "guests.manage",
    SessionsRead = "sessions.read",
    SessionsRevoke = "sessions.revoke",
    ApiKeysRead = "api_keys.read",
    ApiKeysWrite = "api_keys.write",
    ConfigRead = "config.read",
    ConfigWrite = "config.write",
    AuditRead = "audit.read",
    AuditWrite = "audit.write",
    WebhooksRead = "webhooks.read",
    WebhooksWrite = "webhooks.write",
    OrganizationsRead = "organizations.read",
    OrganizationsWrite = "organizations.write",
    AnalyticsRead = "analytics.read",
}

/// The text names no permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no such permission; there are {}", Permission::ALL.iter().map(|known| known.name()).collect::<Vec<_>>().join(", "))]
pub struct UnknownPermission;

impl FromStr for Permission {
    type Err = UnknownPermission;

    fn from_str(text: &str) -> Result<Self, UnknownPermission> {
        Self::ALL.iter().copied().find(|permission| permission.name() == text).ok_or(UnknownPermission)
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of permissions, written in one order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Permissions(BTreeSet<Permission>);

impl Permissions {
    /// All there are today. One that is added later is not in a set that was written before.
    pub fn all() -> Self {
        Permission::ALL.iter().copied().collect()
    }

    pub fn has(&self, permission: Permission) -> bool {
        self.0.contains(&permission)
    }

    /// The first that is in `wanted` and not in here.
    pub fn lacks(&self, wanted: &Permissions) -> Option<Permission> {
        wanted.0.difference(&self.0).next().copied()
    }

    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|permission| permission.name())
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        Self(permissions.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_same_in_events_in_rows_and_on_the_wire() {
        for permission in Permission::ALL {
            assert_eq!(permission.name().parse(), Ok(*permission));
            assert_eq!(serde_json::to_value(permission).unwrap(), permission.name());
        }
        assert!("users".parse::<Permission>().is_err());
        assert!("users.delete.bulk ".parse::<Permission>().is_err());
    }

    #[test]
    fn a_set_lacks_what_is_not_in_it() {
        let few: Permissions = [Permission::UsersRead, Permission::GuestsDelete].into_iter().collect();
        assert_eq!(Permissions::all().lacks(&few), None);
        assert_eq!(few.lacks(&few), None);
        assert!(few.lacks(&Permissions::all()).is_some());
        assert_eq!(Permissions::default().lacks(&few), Some(Permission::UsersRead));
    }
}
