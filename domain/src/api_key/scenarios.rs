//! What may happen to an API key, and what may not.

use super::event::{ApiKeyRevoked, ApiKeyRotated, ApiKeySwitched, ApiKeyUsed};
use super::*;
use crate::id::{PersonId, SealedId};
use crate::value::TokenHash;
use ulid::Ulid;

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const HOUR: Span = Span::from_hours(1);

fn set(permissions: &[Permission]) -> Permissions {
    permissions.iter().copied().collect()
}

fn secret(fill: u8) -> Secret {
    Secret { start: format!("sk_live_{fill:04}"), hash: TokenHash([fill; 32]) }
}

fn created(permissions: &[Permission]) -> ApiKeyCreated {
    ApiKeyCreated {
        key: ApiKeyId::from_ulid(Ulid::nil()),
        person: PersonId::from_ulid(Ulid::nil()),
        name: SealedId::from_ulid(Ulid::nil()),
        metadata: None,
        secret: secret(1),
        permissions: set(permissions),
        maker: None,
        organization: None,
        expires_at: None,
        at: START,
    }
}

fn given(events: &[ApiKeyEvent]) -> ApiKey {
    let mut key = ApiKey::default();
    events.iter().for_each(|event| key.apply(event));
    key
}

fn create(by: &[Permission], permissions: &[Permission]) -> ApiKeyCommand {
    ApiKeyCommand::Create { by: set(by), created: Box::new(created(permissions)) }
}

#[test]
fn nobody_gives_what_they_lack() {
    let [few, more] = [&[Permission::ApiKeysWrite][..], &[Permission::ApiKeysWrite, Permission::UsersDelete]];
    let lacking = Err(ApiKeyRefusal::Lacking(Permission::UsersDelete));
    let rotate = |by| ApiKeyCommand::Rotate { by: set(by), secret: secret(2), overlap: HOUR, expires_at: None };
    let switch = |by, enabled| ApiKeyCommand::Switch { by: set(by), enabled };

    assert_eq!(given(&[]).decide(create(few, more), START), lacking);
    assert_eq!(given(&[]).decide(create(more, few), START), Ok(vec![created(few).into()]));
    // Taking over a stronger key, or waking it, would be giving it to oneself.
    let key = given(&[created(more).into(), ApiKeySwitched { enabled: false, at: START }.into()]);
    assert_eq!(key.decide(rotate(few), START), lacking);
    assert_eq!(key.decide(switch(few, true), START), lacking);
    assert_eq!(key.decide(switch(few, false), START), Ok(vec![]));
    assert_eq!(key.decide(switch(more, true), START), Ok(vec![ApiKeySwitched { enabled: true, at: START }.into()]));
    let rotated = ApiKeyRotated {
        secret: secret(2),
        replaced: secret(1),
        replaced_until: START + HOUR,
        expires_at: None,
        at: START,
    };
    assert_eq!(key.decide(rotate(more), START), Ok(vec![rotated.into()]));
}

#[test]
fn a_revoked_key_is_over() {
    let all = Permission::ALL;
    let revoked: ApiKeyEvent = ApiKeyRevoked { at: START }.into();
    assert_eq!(given(&[]).decide(ApiKeyCommand::Revoke, START), Err(ApiKeyRefusal::Unknown));
    let key = given(&[created(all).into()]);
    assert_eq!(key.decide(ApiKeyCommand::Revoke, START), Ok(vec![revoked.clone()]));
    let key = given(&[created(all).into(), revoked]);
    assert_eq!(key.decide(ApiKeyCommand::Revoke, START), Ok(vec![]));
    for command in [
        ApiKeyCommand::Rotate { by: set(all), secret: secret(2), overlap: HOUR, expires_at: None },
        ApiKeyCommand::Switch { by: set(all), enabled: true },
        ApiKeyCommand::RecordUse { granularity: HOUR },
    ] {
        assert_eq!(key.decide(command, START), Err(ApiKeyRefusal::Unknown));
    }
    assert_eq!(key.decide(create(all, all), START), Err(ApiKeyRefusal::Exists));
}

#[test]
fn use_is_recorded_once_an_hour() {
    let used = |at| ApiKeyEvent::from(ApiKeyUsed { at });
    let record = || ApiKeyCommand::RecordUse { granularity: HOUR };
    let key = given(&[created(&[]).into()]);
    assert_eq!(key.decide(record(), START), Ok(vec![used(START)]));
    let key = given(&[created(&[]).into(), used(START)]);
    assert_eq!(key.decide(record(), START + Span::from_secs(3599)), Ok(vec![]));
    assert_eq!(key.decide(record(), START + HOUR), Ok(vec![used(START + HOUR)]));
    // The clock was set back: nothing to record.
    assert_eq!(key.decide(record(), START - HOUR), Ok(vec![]));
}
