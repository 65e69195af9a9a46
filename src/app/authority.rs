//! Who may administer: an API key within its permissions, or an administrator in a session of their own.

use chrysalis_domain::id::{ApiKeyId, OrganizationId, SessionId, UserId};
use chrysalis_domain::user::Standing;
use chrysalis_domain::{Permission, Permissions, Timestamp};
use chrysalis_projections::Value;
use chrysalis_projections::api_keys::{self, ApiKeyRow, Maker};
use subtle::ConstantTimeEq;

use super::identify::Presented;
use super::{App, Caller};
use crate::keys::ApiSecret;
use crate::log::cqrs::{Concurrency, Step};
use crate::log::{Actor, LogFault, ask};

/// The role that administers.
pub const ADMIN: &str = "admin";

/// Whether one of the roles, which stand with commas between, is that one.
pub fn has_role(roles: &str, role: &str) -> bool {
    roles.split(',').any(|own| own.trim() == role)
}

/// What somebody who administers may do, and who answers for it.
#[derive(Clone, Debug)]
pub struct Authority {
    by: By,
    permissions: Permissions,
}

#[derive(Clone, Copy, Debug)]
enum By {
    Key(ApiKeyId, Option<UserId>),
    Admin(UserId, SessionId),
}

impl Authority {
    pub fn of_key(key: &ValidKey) -> Self {
        Self { by: By::Key(key.id, key.maker), permissions: key.permissions.clone() }
    }

    /// Of a session whose user administers; none of any other.
    pub fn of_session(presented: &Presented) -> Option<Self> {
        let row = &presented.row;
        let administers = row.user.standing == Standing::Member && has_role(&row.user.role, ADMIN);
        administers.then(|| Self { by: By::Admin(row.user.user, row.session), permissions: Permissions::all() })
    }

    pub fn may(&self, permission: Permission) -> bool {
        self.permissions.has(permission)
    }

    pub fn permissions(&self) -> &Permissions {
        &self.permissions
    }

    /// As the log has it.
    pub fn actor(&self) -> Actor {
        match self.by {
            By::Key(key, _) => Actor { kind: "api_key", id: Some(key.to_string()), by: None, impersonator: None },
            By::Admin(user, session) => {
                Actor { kind: "admin", id: Some(user.to_string()), by: None, impersonator: None }.by(session)
            }
        }
    }

    pub fn key(&self) -> Option<ApiKeyId> {
        match self.by {
            By::Key(key, _) => Some(key),
            By::Admin(..) => None,
        }
    }

    /// The administrator who calls; none for a key.
    pub fn admin(&self) -> Option<UserId> {
        match self.by {
            By::Key(..) => None,
            By::Admin(user, _) => Some(user),
        }
    }

    /// The administrator behind it: who calls, or who made the key; none for a key of the operator's.
    pub fn maker(&self) -> Option<UserId> {
        match self.by {
            By::Key(_, maker) => maker,
            By::Admin(user, _) => Some(user),
        }
    }
}

/// An API key that is good at this moment.
#[derive(Clone, Debug)]
pub struct ValidKey {
    pub id: ApiKeyId,
    pub permissions: Permissions,
    pub maker: Option<UserId>,
    /// It is good for this organization alone.
    pub organization: Option<OrganizationId>,
    last_used_at: Option<Timestamp>,
}

impl App {
    /// Looks a key up. None when there is no such key, or it is revoked, switched off, past its time, or its maker
    /// administers no more.
    pub async fn identify_key(&self, secret: &str, now: Timestamp) -> Result<Option<ValidKey>, LogFault> {
        let Some(secret) = ApiSecret::parse(secret) else { return Ok(None) };
        let (hash, start) = (secret.hash(), [Value::Text(secret.start().to_owned())]);
        let same = |stored: &[u8]| bool::from(stored.ct_eq(&hash.0));
        let found = ask(self.log.as_ref(), &api_keys::BY_START, &start).await?;
        let found = match found.into_iter().find(|row| same(&row.hash)) {
            Some(row) => Some(row),
            None => {
                let former = ask(self.log.as_ref(), &api_keys::BY_PREVIOUS_START, &start).await?;
                let works =
                    |row: &ApiKeyRow| row.previous_hash.as_deref().is_some_and(same) && row.previous_until > Some(now);
                former.into_iter().find(works)
            }
        };
        Ok(found.filter(|row| is_good(row, now)).map(|row| ValidKey {
            id: row.key,
            permissions: row.permissions,
            maker: row.maker.map(|maker| maker.user),
            organization: row.organization,
            last_used_at: row.last_used_at,
        }))
    }

    /// Notes that the key was used, where that is due. A log that is down does not stop the call.
    pub async fn touch_key(&self, key: &ValidKey, caller: &Caller) {
        let granularity = self.config.sessions.activity_granularity;
        if key.last_used_at.is_some_and(|last| caller.at.since(last) < granularity) {
            return;
        }
        let command = chrysalis_domain::api_key::ApiKeyCommand::RecordUse { granularity };
        let actor = Authority::of_key(key).actor();
        let ask = self.asking(caller, actor).then(Step::ApiKey(key.id, Concurrency::Any, command));
        if let Err(error) = self.execute(ask.whatever_the_settings()).await {
            tracing::warn!(%error, "the use of an API key was not recorded");
        }
    }
}

fn is_good(row: &ApiKeyRow, now: Timestamp) -> bool {
    let made_by_an_admin = |maker: &Maker| maker.standing == Some(Standing::Member) && has_role(&maker.role, ADMIN);
    row.revoked_at.is_none()
        && row.enabled
        && row.expires_at.is_none_or(|end| end > now)
        && row.maker.as_ref().is_none_or(made_by_an_admin)
}

#[cfg(test)]
mod tests {
    use super::has_role;

    #[test]
    fn roles_are_compared_whole() {
        assert!(has_role("admin", "admin") && has_role("user, admin", "admin"));
        for roles in ["", "user", "administrator", "superadmin", "admin user", "Admin"] {
            assert!(!has_role(roles, "admin"), "{roles}");
        }
    }
}
