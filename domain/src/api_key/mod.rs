//! A key by which another program administers: what it may do, how long, and with which secret.
//!
//! Nobody gives by a key what they lack: neither to a new one, nor by taking over an old one's secret, nor by putting one
//! back into use.

pub mod event;

#[cfg(test)]
mod scenarios;

use serde::{Deserialize, Serialize};

pub use event::{ApiKeyCreated, ApiKeyEvent, Secret};
use event::{ApiKeyRevoked, ApiKeyRotated, ApiKeySwitched, ApiKeyUsed};

use crate::decider::decider;
use crate::id::ApiKeyId;
use crate::permission::{Permission, Permissions};
use crate::time::{Span, Timestamp};

/// The state of an API key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    pub standing: Standing,
    pub secret: Option<Secret>,
    pub permissions: Permissions,
    pub enabled: bool,
    pub expires_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// No event yet.
    #[default]
    Absent,
    Created,
    Revoked,
}

/// `by` is what the one who asks may do.
#[derive(Clone, Debug)]
pub enum ApiKeyCommand {
    Create {
        by: Permissions,
        created: Box<ApiKeyCreated>,
    },
    Rotate {
        by: Permissions,
        secret: Secret,
        /// How long the secret of before works on.
        overlap: Span,
        expires_at: Option<Timestamp>,
    },
    Switch {
        by: Permissions,
        enabled: bool,
    },
    RecordUse {
        granularity: Span,
    },
    Revoke,
}

/// Why a command on an API key is refused: typed, so that the caller can act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeyRefusal {
    #[error("there is no such key")]
    Unknown,
    #[error("the key exists already")]
    Exists,
    #[error("who asks lacks {0}, so they can't give it")]
    Lacking(Permission),
}

decider!(ApiKey: ApiKey(ApiKeyId), ApiKeyCommand, ApiKeyEvent, ApiKeyRefusal, format 1);

impl ApiKey {
    /// What follows from the command; nothing at all when what it asks for is so already.
    ///
    /// # Errors
    /// A refusal. State is unchanged then.
    pub fn decide(&self, command: ApiKeyCommand, at: Timestamp) -> Result<Vec<ApiKeyEvent>, ApiKeyRefusal> {
        match command {
            ApiKeyCommand::Create { by, created } => {
                if self.standing != Standing::Absent {
                    return Err(ApiKeyRefusal::Exists);
                }
                gives(&by, &created.permissions)?;
                Ok(vec![(*created).into()])
            }
            ApiKeyCommand::Rotate { by, secret, overlap, expires_at } => {
                self.stands()?;
                gives(&by, &self.permissions)?;
                let replaced = self.secret.clone().ok_or(ApiKeyRefusal::Unknown)?;
                Ok(vec![ApiKeyRotated { secret, replaced, replaced_until: at + overlap, expires_at, at }.into()])
            }
            ApiKeyCommand::Switch { by, enabled } => {
                self.stands()?;
                if enabled {
                    gives(&by, &self.permissions)?;
                }
                Ok(if enabled == self.enabled { Vec::new() } else { vec![ApiKeySwitched { enabled, at }.into()] })
            }
            ApiKeyCommand::RecordUse { granularity } => {
                self.stands()?;
                let due = self.last_used_at.is_none_or(|last| at.since(last) >= granularity);
                Ok(if due { vec![ApiKeyUsed { at }.into()] } else { Vec::new() })
            }
            ApiKeyCommand::Revoke => match self.standing {
                Standing::Absent => Err(ApiKeyRefusal::Unknown),
                Standing::Created => Ok(vec![ApiKeyRevoked { at }.into()]),
                Standing::Revoked => Ok(Vec::new()),
            },
        }
    }

    fn stands(&self) -> Result<(), ApiKeyRefusal> {
        if self.standing == Standing::Created { Ok(()) } else { Err(ApiKeyRefusal::Unknown) }
    }

    pub fn apply(&mut self, event: &ApiKeyEvent) {
        match event {
            ApiKeyEvent::ApiKeyCreated(e) => {
                self.standing = Standing::Created;
                self.secret = Some(e.secret.clone());
                self.permissions = e.permissions.clone();
                self.enabled = true;
                self.expires_at = e.expires_at;
            }
            ApiKeyEvent::ApiKeyRotated(e) => {
                self.secret = Some(e.secret.clone());
                self.expires_at = e.expires_at.or(self.expires_at);
            }
            ApiKeyEvent::ApiKeySwitched(e) => self.enabled = e.enabled,
            ApiKeyEvent::ApiKeyUsed(e) => self.last_used_at = self.last_used_at.max(Some(e.at)),
            ApiKeyEvent::ApiKeyRevoked(_) => self.standing = Standing::Revoked,
        }
    }
}

fn gives(by: &Permissions, given: &Permissions) -> Result<(), ApiKeyRefusal> {
    by.lacks(given).map_or(Ok(()), |permission| Err(ApiKeyRefusal::Lacking(permission)))
}
