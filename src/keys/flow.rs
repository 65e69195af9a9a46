//! What binds a browser that is sent to an identity provider to the flow it comes back from: state, nonce, code verifier.
//!
//! Computed from a key and the challenge's id, never stored: made again when the browser comes back. Each is the output of
//! a keyed function over 80 random bits and a time, so none tells of another, and nobody can make one without the key.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrysalis_domain::id::ChallengeId;
use subtle::ConstantTimeEq;

use super::mailed::{ID_LETTERS, LETTERS, id_to_letters, letters_to_id};
use super::{Key, Keyring, Purpose, lookup};
use crate::social::FlowSecrets;

/// The MAC stands first: the state's first characters name a cookie, and are to differ in two tabs.
const MAC_LETTERS: usize = 9;
const STATE_LETTERS: usize = MAC_LETTERS + ID_LETTERS;

/// For a flow that begins.
pub fn flow_secrets(keyring: &Keyring, challenge: ChallengeId) -> Option<FlowSecrets> {
    Some(made(keyring.current(Purpose::MailToken)?, challenge))
}

/// The flow that a state is of, if this installation made it.
pub fn flow_of(keyring: &Keyring, state: &str) -> Option<(ChallengeId, FlowSecrets)> {
    let shaped = state.len() == STATE_LETTERS && state.bytes().all(|byte| byte.is_ascii_alphabetic());
    let challenge = ChallengeId::from_ulid(letters_to_id(state.get(MAC_LETTERS..).filter(|_| shaped)?)?);
    let made = keyring.all(Purpose::MailToken).iter().map(|key| made(key, challenge));
    let genuine = |secrets: &FlowSecrets| bool::from(secrets.state.as_bytes().ct_eq(state.as_bytes()));
    made.into_iter().find(genuine).map(|secrets| (challenge, secrets))
}

fn made(key: &Key, challenge: ChallengeId) -> FlowSecrets {
    let id = challenge.to_string();
    let mac = |purpose: &str| lookup::mac(key, purpose, &[id.as_bytes()]);
    let letters = mac("oauth/state");
    let letters = letters.iter().take(MAC_LETTERS).map(|byte| char::from(LETTERS[usize::from(byte % 52)]));
    FlowSecrets {
        state: letters.chain(id_to_letters(challenge.ulid()).chars()).collect(),
        nonce: URL_SAFE_NO_PAD.encode(mac("oauth/nonce")),
        verifier: URL_SAFE_NO_PAD.encode(mac("oauth/verifier")),
    }
}
