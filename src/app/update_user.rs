//! A user changes what it says of itself: name, image, metadata. Guests too.

use chrysalis_domain::user::UserCommand;
use chrysalis_domain::value::Change;
use serde_json::{Map, Value};

use super::identify::Presented;
use super::{App, AppError, Caller, Refusal};
use crate::keys::SealKind;

/// Which fields change. The outer `None`: left as it is; the inner: cleared.
#[derive(Clone, Debug, Default)]
pub struct ProfileForm {
    pub name: Option<String>,
    pub image: Option<Option<String>>,
    /// Merged into what is there, key by key; a null removes its key.
    pub metadata: Option<Map<String, Value>>,
}

/// Metadata of a user, as JSON, in bytes.
pub const METADATA_MAX: usize = 16 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    #[error("{field} takes at most {max} bytes")]
    TooLarge { field: &'static str, max: usize },
    #[error(transparent)]
    App(#[from] AppError),
}

impl App {
    pub async fn update_user(
        &self,
        caller: &Caller,
        presented: &Presented,
        form: ProfileForm,
    ) -> Result<(), UpdateError> {
        let user = self.user_row(presented.row.user.user).await?.ok_or(AppError::from(Refusal::SessionNotLive))?;
        let sealer = self.sealer(&user).map_err(AppError::from)?;
        let mut sealed = Vec::new();
        let mut set = |kind, value: &str| {
            let record = sealer.seal(kind, value, self.entropy.as_ref(), caller.at);
            let id = record.id;
            sealed.push(record);
            Change::Set(id)
        };
        let name = form.name.as_deref().map_or(Change::Kept, |name| set(SealKind::Name, name));
        let image = match form.image {
            None => Change::Kept,
            Some(None) => Change::Cleared,
            Some(Some(image)) => set(SealKind::Image, &image),
        };
        let metadata = match form.metadata {
            None => Change::Kept,
            Some(changes) => {
                let merged = merge(self.view_user(&user)?.metadata.as_deref().map_or("{}", |json| json.get()), changes);
                if merged.len() > METADATA_MAX {
                    return Err(UpdateError::TooLarge { field: "metadata", max: METADATA_MAX });
                }
                set(SealKind::Metadata, &merged)
            }
        };
        let command = UserCommand::UpdateProfile { name, image, metadata };
        let mut ask = self.ask(caller, presented.actor(), user.user, command);
        ask.sealed = sealed;
        self.execute(ask).await.map_err(AppError::from)?;
        Ok(())
    }
}

pub(super) fn merge(current: &str, changes: Map<String, Value>) -> String {
    let mut merged: Map<String, Value> = serde_json::from_str(current).unwrap_or_default();
    for (key, value) in changes {
        if value.is_null() {
            merged.remove(&key);
        } else {
            merged.insert(key, value);
        }
    }
    Value::Object(merged).to_string()
}
