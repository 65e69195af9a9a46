//! A user as they were at a time: the domain's own state, folded from its events, written down. What was sealed is opened as
//! far as anything is left of it; passwords, tokens and codes are shown to nobody.

use std::collections::HashMap;

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::{AccountId, ClaimId, JobId, MemberId, OrganizationId, SealedId, SessionId, UserId};
use chrysalis_domain::user::{Identity, Membership, Session, User};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::Trail;
use super::open::field;
use crate::log::LogFault;
use crate::wire::json_time::JsonTime;

/// Guests whose doings belong to a member, that are listed at the most.
const MOST_ABSORBED: usize = 100;

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserThen {
    #[schema(value_type = String)]
    id: UserId,
    /// `guest`; `provisional`, an upgrade awaits proof; `member`; `disabled`, out of use and not gone; `deleted`.
    #[schema(value_type = String, example = "member")]
    standing: &'static str,
    is_anonymous: bool,
    created_at: JsonTime,
    last_active_at: JsonTime,
    email: Option<String>,
    email_verified: bool,
    /// The claim by which the address was held.
    #[schema(value_type = Option<String>)]
    email_claim: Option<ClaimId>,
    name: Option<String>,
    image: Option<String>,
    #[schema(value_type = Option<Object>)]
    metadata: Option<Value>,
    #[schema(value_type = Option<Object>)]
    app_metadata: Option<Value>,
    /// With commas between.
    role: String,
    ban: Option<BanThen>,
    password: Option<PasswordThen>,
    /// A password that was out of use, and could be restored.
    suspended_password: Option<SuspendedThen>,
    /// At identity providers.
    accounts: Vec<AccountThen>,
    sessions: Vec<SessionThen>,
    organizations: Vec<MembershipThen>,
    /// The mailed link that stood.
    verification: Option<VerificationThen>,
    /// How a provisional user asked to become a member.
    #[schema(value_type = Option<String>)]
    pending_upgrade: Option<&'static str>,
    /// Somebody else proved the address that this user had reserved.
    superseded: bool,
    /// To whom belonged what this guest did.
    #[schema(value_type = Option<String>)]
    transferred_to: Option<UserId>,
    /// Guests whose doings belonged to this user: how many, and the first hundred.
    absorbed_count: usize,
    #[schema(value_type = Vec<String>)]
    absorbed: Vec<UserId>,
    held: Option<HeldThen>,
    expiring: Option<ExpiringThen>,
    disabled: Option<DisabledThen>,
    /// There was a code by which the guest could come back.
    recovery_code: bool,
    /// A code was shown for another device.
    device_link: bool,
    /// What was there then, and of which nothing is left to be read.
    erased: Vec<&'static str>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct BanThen {
    reason: Option<String>,
    /// Null: until it is lifted.
    until: Option<JsonTime>,
    /// Whether it held at that time.
    holds: bool,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PasswordThen {
    #[schema(value_type = String)]
    account_id: AccountId,
    /// False: added before the address was proven.
    proven: bool,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SuspendedThen {
    #[schema(value_type = String)]
    account_id: AccountId,
    /// Where it could be restored, and until when.
    #[schema(value_type = String)]
    session_id: SessionId,
    until: JsonTime,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AccountThen {
    #[schema(value_type = String)]
    id: AccountId,
    provider_id: String,
    proven: bool,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SessionThen {
    #[schema(value_type = String)]
    id: SessionId,
    created_at: JsonTime,
    expires_at: JsonTime,
    /// Whether it was good at that time: it had not ended, and was not past its time.
    live: bool,
    authenticated_at: JsonTime,
    last_used_at: JsonTime,
    remembered: bool,
    impersonated_by: Option<String>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct MembershipThen {
    #[schema(value_type = String)]
    organization_id: OrganizationId,
    #[schema(value_type = String)]
    member_id: MemberId,
    /// The organization was made by this user.
    founded: bool,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct VerificationThen {
    expires_at: JsonTime,
    /// Wrong passwords that were given with it.
    missed: u8,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct HeldThen {
    since: JsonTime,
    until: JsonTime,
    reason: Option<String>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ExpiringThen {
    announced_at: JsonTime,
    /// Not before this time.
    expires_at: JsonTime,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct DisabledThen {
    at: JsonTime,
    /// The job that did it; null: a clean-up.
    #[schema(value_type = Option<String>)]
    job_id: Option<JobId>,
    /// When a clean-up takes the guest for good.
    final_at: Option<JsonTime>,
}

/// What a state names of what is sealed, by the names of [`field`].
fn sealed(user: &User) -> Vec<(&'static str, SealedId)> {
    let records = [
        ("email", user.email.as_ref().map(|email| email.address)),
        ("name", user.name),
        ("image", user.image),
        ("metadata", user.metadata),
        ("appMetadata", user.app_metadata),
        ("banReason", user.ban.as_ref().map(|ban| ban.reason)),
        ("holdReason", user.held.as_ref().and_then(|held| held.reason)),
    ];
    records.into_iter().filter_map(|(name, record)| Some((name, record?))).collect()
}

impl Trail<'_> {
    /// Writes down what a user was at a time. `created_at` is when its first event happened.
    pub(super) async fn then(
        &self,
        id: UserId,
        user: User,
        created_at: Timestamp,
        at: Timestamp,
    ) -> Result<UserThen, LogFault> {
        let sealed = sealed(&user);
        let records = self.records(&sealed.iter().map(|(_, record)| *record).collect::<Vec<_>>()).await?;
        let mut opened = HashMap::new();
        let mut erased = Vec::new();
        for (name, record) in sealed {
            match records.get(&record) {
                Some(record) => {
                    opened.insert(name, field(name, Some(record)));
                }
                None => erased.push(name),
            }
        }
        let mut object = |name| opened.remove(name).filter(|value: &Value| !value.is_null());
        let text = |value: Option<Value>| value.and_then(|value| value.as_str().map(str::to_owned));
        Ok(UserThen {
            id,
            standing: user.standing.name(),
            is_anonymous: user.standing.is_guest(),
            created_at: created_at.into(),
            last_active_at: user.last_activity.into(),
            email: text(object("email")),
            email_verified: user.email.as_ref().is_some_and(|email| email.verified),
            email_claim: user.email.as_ref().map(|email| email.claim),
            name: text(object("name")),
            image: text(object("image")),
            metadata: object("metadata"),
            app_metadata: object("appMetadata"),
            role: user.roles.as_str().to_owned(),
            ban: user.ban.as_ref().map(|ban| BanThen {
                reason: text(object("banReason")),
                until: ban.until.map(Into::into),
                holds: user.is_banned(at),
            }),
            password: user
                .password
                .as_ref()
                .map(|password| PasswordThen { account_id: password.account, proven: password.proven }),
            suspended_password: user.suspended.as_ref().map(|suspended| SuspendedThen {
                account_id: suspended.account,
                session_id: suspended.session,
                until: suspended.until.into(),
            }),
            accounts: user.identities.iter().map(account).collect(),
            sessions: user.sessions.iter().map(|(id, session)| self::session(*id, session, at)).collect(),
            organizations: user.memberships.iter().map(|(id, membership)| member(*id, membership)).collect(),
            verification: user
                .verification
                .as_ref()
                .map(|standing| VerificationThen { expires_at: standing.expires_at.into(), missed: standing.missed }),
            pending_upgrade: user.pending_upgrade.map(|method| method.name()),
            superseded: user.superseded,
            transferred_to: user.transferred_to,
            absorbed_count: user.absorbed.len(),
            absorbed: user.absorbed.iter().take(MOST_ABSORBED).copied().collect(),
            held: user.held.as_ref().map(|held| HeldThen {
                since: held.since.into(),
                until: held.until.into(),
                reason: text(object("holdReason")),
            }),
            expiring: user
                .announced
                .as_ref()
                .map(|told| ExpiringThen { announced_at: told.at.into(), expires_at: told.expires_at.into() }),
            disabled: user.disabled.as_ref().map(|disabled| DisabledThen {
                at: disabled.at.into(),
                job_id: disabled.by,
                final_at: disabled.final_at.map(Into::into),
            }),
            recovery_code: user.recovery.is_some(),
            device_link: user.link.is_some(),
            erased,
        })
    }
}

fn account(identity: &Identity) -> AccountThen {
    AccountThen { id: identity.account, provider_id: identity.provider.clone(), proven: identity.proven }
}

fn session(id: SessionId, session: &Session, at: Timestamp) -> SessionThen {
    SessionThen {
        id,
        created_at: session.started_at.into(),
        expires_at: session.expires_at.into(),
        live: session.expires_at > at,
        authenticated_at: session.authenticated_at.into(),
        last_used_at: session.last_seen.into(),
        remembered: session.remembered,
        impersonated_by: session.impersonation.map(|impersonation| impersonation.by.to_string()),
    }
}

fn member(id: OrganizationId, membership: &Membership) -> MembershipThen {
    MembershipThen { organization_id: id, member_id: membership.member, founded: membership.founded }
}
