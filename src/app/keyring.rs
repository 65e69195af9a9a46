//! What was done with the keyring stands in the log: which keys came, which make nothing any more, which were destroyed. Keys
//! are changed beside the log, so the log is told what stands afterwards; what somebody before left untold is told along.

use chrysalis_domain::id::ProjectId;
use chrysalis_domain::keyring::{KeyringCommand, Stands};

use super::AppError;
use super::acting::Acting;
use crate::keys::Purpose;
use crate::log::StoredKey;
use crate::log::cqrs::{Ask, Concurrency, Step, execute};

/// Tells the log what is news of the keyring.
pub async fn tell(acting: &Acting<'_>) -> Result<(), AppError> {
    let stands = |key: StoredKey| {
        let founding = Purpose::from_name(&key.purpose).is_some_and(Purpose::made_at_first_start);
        let (retired, first) = (key.retired_at.is_some(), founding && key.id == 1);
        Stands { purpose: key.purpose, key: key.id, made_at: key.created_at, retired, first }
    };
    let keys = acting.log.keys().await?.into_iter().map(stands).collect();
    let step = Step::Keyring(ProjectId::DEFAULT, Concurrency::Exact, KeyringCommand::Tell { keys });
    let ask = Ask::new(acting.context.clone(), acting.at).then(step).whatever_the_settings();
    execute(acting.log, acting.entropy, ask).await?;
    Ok(())
}
