//! Users and sessions, opened: what their owner may read.

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::{OrganizationId, SessionId, UserId};
use chrysalis_domain::role;
use chrysalis_domain::user::Impersonator;
use chrysalis_projections::sessions::SessionRow;
use chrysalis_projections::table::Sealed;
use chrysalis_projections::users::UserRow;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{App, AppError};
use crate::keys::{PersonSealer, SealKind};

/// A user, readable. `None` for what is empty or was erased.
#[derive(Clone, Debug)]
pub struct UserView {
    pub id: UserId,
    pub is_anonymous: bool,
    pub email: Option<String>,
    pub email_verified: bool,
    pub name: Option<String>,
    pub image: Option<String>,
    /// A JSON object.
    pub metadata: Option<Box<RawValue>>,
    /// What the app decides: a JSON object.
    pub app_metadata: Option<Box<RawValue>>,
    /// With commas between.
    pub role: String,
    /// While it holds.
    pub ban: Option<BanView>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub last_active_at: Timestamp,
}

#[derive(Clone, Debug)]
pub struct BanView {
    pub reason: Option<String>,
    /// None: until it is lifted.
    pub until: Option<Timestamp>,
}

impl UserView {
    /// A guest who has said nothing yet.
    pub fn guest(id: UserId, created_at: Timestamp) -> Self {
        Self {
            id,
            is_anonymous: true,
            email: None,
            email_verified: false,
            name: None,
            image: None,
            metadata: None,
            app_metadata: None,
            role: role::USER.to_owned(),
            ban: None,
            created_at,
            updated_at: created_at,
            last_active_at: created_at,
        }
    }
}

/// A session, readable, without its secret.
#[derive(Clone, Debug)]
pub struct SessionView {
    pub id: SessionId,
    pub user: UserId,
    pub expires_at: Timestamp,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Where the user works in this session.
    pub active_organization: Option<OrganizationId>,
    pub client: ClientSeen,
    /// Whoever has it acts as the user.
    pub impersonated_by: Option<Impersonator>,
}

/// From where a session was started. Sealed as JSON with these names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientSeen {
    /// Network address; empty when unknown.
    #[serde(default)]
    pub ip: String,
    /// User agent; empty when unknown.
    #[serde(default)]
    pub ua: String,
}

impl App {
    /// Opens a session and its user.
    pub fn view(&self, row: &SessionRow) -> Result<(SessionView, UserView), AppError> {
        let of = &row.user;
        let sealed = [&row.client, &of.email, &of.name, &of.image, &of.metadata, &of.app_metadata];
        let said = sealed.iter().any(|sealed| sealed.is_some()) || of.ban.is_some();
        let sealer = said.then(|| self.sealer(&row.user)).transpose()?;
        Ok((session(row, sealer.as_ref()), self::user(&row.user, sealer.as_ref(), self.clock.now())))
    }

    pub fn view_user(&self, row: &UserRow) -> Result<UserView, AppError> {
        Ok(user(row, Some(&self.sealer(row)?), self.clock.now()))
    }
}

/// A user as they are at that time.
pub(super) fn user(row: &UserRow, sealer: Option<&PersonSealer>, at: Timestamp) -> UserView {
    let json = |kind, sealed| read(kind, sealed, sealer).and_then(|json| RawValue::from_string(json).ok());
    let ban = row
        .banned(at)
        .map(|ban| BanView { reason: read(SealKind::BanReason, ban.reason.as_ref(), sealer), until: ban.until });
    UserView {
        id: row.user,
        is_anonymous: row.standing.is_guest(),
        email: read(SealKind::Email, row.email.as_ref(), sealer),
        email_verified: row.email_verified,
        name: read(SealKind::Name, row.name.as_ref(), sealer),
        image: read(SealKind::Image, row.image.as_ref(), sealer),
        metadata: json(SealKind::Metadata, row.metadata.as_ref()),
        app_metadata: json(SealKind::AppMetadata, row.app_metadata.as_ref()),
        role: row.role.clone(),
        ban,
        created_at: row.created_at,
        updated_at: row.updated_at,
        last_active_at: row.last_active_at,
    }
}

pub(super) fn session(row: &SessionRow, sealer: Option<&PersonSealer>) -> SessionView {
    let client = read(SealKind::Client, row.client.as_ref(), sealer)
        .and_then(|json| serde_json::from_str(&json).ok())
        .unwrap_or_default();
    SessionView {
        id: row.session,
        user: row.user.user,
        expires_at: row.expires_at,
        created_at: row.created_at,
        updated_at: row.updated_at,
        active_organization: row.active_organization,
        client,
        impersonated_by: row.impersonation.map(|impersonation| impersonation.by),
    }
}

fn read(kind: SealKind, sealed: Option<&Sealed>, sealer: Option<&PersonSealer>) -> Option<String> {
    let (sealed, sealer) = sealed.zip(sealer)?;
    sealer.shown(kind, sealed)
}
