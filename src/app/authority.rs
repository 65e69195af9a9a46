//! Who may administer: an API key within its permissions, or an administrator in a session of their own.

use chrysalis_domain::id::{ApiKeyId, OrganizationId, SessionId, UserId};
use chrysalis_domain::user::{Impersonation, Impersonator};
use chrysalis_domain::{Permission, Permissions, Timestamp};
use chrysalis_projections::Value;
use chrysalis_projections::api_keys::{self, ApiKeyRow};
use chrysalis_projections::sessions::{self, SessionRow};
use chrysalis_projections::table;
use chrysalis_projections::users::{self, UserRow};
use subtle::ConstantTimeEq;

use super::identify::Presented;
use super::{App, Caller, Refusal};
use crate::keys::ApiSecret;
use crate::log::cqrs::{Concurrency, Step};
use crate::log::{Actor, LogFault, ask, ask_one};

/// What somebody who administers may do, and who answers for it.
#[derive(Clone, Debug)]
pub struct Authority {
    by: By,
    permissions: Permissions,
    /// It ends at this organization.
    within: Option<OrganizationId>,
}

#[derive(Clone, Copy, Debug)]
enum By {
    Key(ApiKeyId, Option<UserId>),
    Admin(UserId, SessionId),
}

impl Authority {
    pub fn of_key(key: &ValidKey) -> Self {
        Self { by: By::Key(key.id, key.maker), permissions: key.permissions.clone(), within: key.organization }
    }

    /// Of a session whose user administers; none of any other.
    pub fn of_session(presented: &Presented) -> Option<Self> {
        let row = &presented.row;
        // Whoever acts as a user who was made an administrator since is none by it.
        let administers = row.user.administers() && !presented.is_impersonated();
        let by = By::Admin(row.user.user, row.session);
        administers.then(|| Self { by, permissions: Permissions::all(), within: None })
    }

    pub fn may(&self, permission: Permission) -> bool {
        self.permissions.has(permission)
    }

    /// Whether it reaches an organization; none: all of them, and those to come.
    pub fn reaches(&self, organization: Option<OrganizationId>) -> bool {
        self.within.is_none() || self.within == organization
    }

    pub fn permissions(&self) -> &Permissions {
        &self.permissions
    }

    /// Whether it reaches as far as an administrator's own: what an administrator has must not be got by way of one.
    pub fn over(&self, user: &UserRow) -> Result<(), Refusal> {
        if user.administers() { self.whole() } else { Ok(()) }
    }

    /// Whether it is all that an administrator has.
    pub fn whole(&self) -> Result<(), Refusal> {
        self.permissions.lacks(&Permissions::all()).map_or(Ok(()), |permission| Err(Refusal::Lacking(permission)))
    }

    pub fn needs(&self, permission: Permission) -> Result<(), Refusal> {
        if self.may(permission) { Ok(()) } else { Err(Refusal::Lacking(permission)) }
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

    /// Whether whoever acts as a user may still do so: an administrator who signed out, was banned or administers no more
    /// may not, nor a key that is not good any more.
    pub(super) async fn impersonation_holds(&self, held: Impersonation, now: Timestamp) -> Result<bool, LogFault> {
        let administers = |user: &UserRow| user.administers() && user.banned(now).is_none();
        Ok(match (held.by, held.session) {
            (_, Some(session)) => self.administers_in(session, now).await?,
            (Impersonator::Admin(user), None) => {
                let row = ask_one(self.log.as_ref(), &users::BY_ID, &[table::id(user)]).await?;
                row.is_some_and(|user| administers(&user))
            }
            (Impersonator::Key(key), None) => self.is_good_now(key, now).await?,
        })
    }

    /// Whether what somebody was allowed a while ago they still are: their key may have been revoked since, their session
    /// ended.
    pub async fn still_allowed(&self, authority: &Authority, now: Timestamp) -> Result<bool, LogFault> {
        match authority.by {
            By::Key(key, _) => self.is_good_now(key, now).await,
            By::Admin(_, session) => self.administers_in(session, now).await,
        }
    }

    async fn is_good_now(&self, key: ApiKeyId, now: Timestamp) -> Result<bool, LogFault> {
        let row = ask_one(self.log.as_ref(), &api_keys::BY_ID, &[table::id(key)]).await?;
        Ok(row.is_some_and(|row| is_good(&row, now)))
    }

    async fn administers_in(&self, session: SessionId, now: Timestamp) -> Result<bool, LogFault> {
        let row = ask_one(self.log.as_ref(), &sessions::BY_ID, &[table::id(session)]).await?;
        let live = |row: &SessionRow| row.ended_at.is_none() && row.expires_at > now;
        Ok(row.is_some_and(|row| live(&row) && row.user.administers() && row.user.banned(now).is_none()))
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
    row.revoked_at.is_none()
        && row.enabled
        && row.expires_at.is_none_or(|end| end > now)
        && row.maker.as_ref().is_none_or(|maker| maker.administers(now))
}
