//! Proof of work, as the second protocol of ALTCHA has it, whose widgets and solvers are kept for the web and for phones:
//! the client derives a key from one counter after the other until it begins as the puzzle says.
//!
//! - Every try is a thousand rounds of PBKDF2, which a browser does at the speed of the machine: a hash at a time it would
//!   be many times slower than the program of somebody who wants a thousand guests.
//! - The counter is chosen here, evenly among as many as the effort says: a guest costs half of them on average, and never
//!   more than all.
//! - Nothing is stored. The puzzle is signed, together with the network that asked and its end; the key that is looked for
//!   is known by its MAC, so checking an answer costs two MACs, right or wrong. That it is used once is a quota's work.

use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrysalis_domain::{Span, Timestamp};
use ring::pbkdf2;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use utoipa::ToSchema;

use crate::entropy::{self, Entropy};
use crate::keys::{Key, Keyring, Purpose, mac};

const ALGORITHM: &str = "PBKDF2/SHA-256";
/// Rounds of one try.
pub const COST: NonZeroU32 = NonZeroU32::new(1_000).unwrap();
const KEY: usize = 32;
/// How much of the key the puzzle tells: enough that no other counter begins alike.
const PREFIX: usize = 16;
/// How long a puzzle can be answered: a slow phone with a full budget needs a minute.
pub const VALID: Span = Span::from_secs(300);
/// Longest answer that is looked at.
const ANSWER_MAX: usize = 4096;

/// A puzzle, in the form that ALTCHA's clients take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Puzzle {
    pub parameters: Parameters,
    pub signature: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    #[schema(example = "PBKDF2/SHA-256")]
    pub algorithm: String,
    /// Rounds of one try.
    pub cost: u32,
    /// Unix seconds.
    pub expires_at: i64,
    /// Bytes of the derived key.
    pub key_length: usize,
    /// How the key begins that is looked for, in hex.
    pub key_prefix: String,
    pub key_signature: String,
    /// What is derived from: these bytes, in hex, and behind them the counter in four bytes, the highest first.
    pub nonce: String,
    pub salt: String,
    pub data: Data,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Data {
    /// Thousands of rounds that the answer takes on average.
    pub effort: u32,
}

/// What a client sends: base64 of this as JSON.
#[derive(Debug, Deserialize)]
struct Answer {
    challenge: Puzzle,
    solution: Solution,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Solution {
    derived_key: String,
}

/// A puzzle that was solved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Solved {
    /// Names the puzzle among all that were made.
    pub nonce: String,
    pub effort: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsolved {
    Unreadable,
    /// Not made here, or not for this network.
    Foreign,
    Expired,
    Wrong,
}

/// `None` when there is no key to sign with. `network` is whoever asks.
pub fn puzzle(keyring: &Keyring, network: &str, effort: u32, entropy: &dyn Entropy, now: Timestamp) -> Option<Puzzle> {
    let key = keyring.current(Purpose::Puzzle)?;
    let (nonce, salt): ([u8; 16], [u8; 16]) = (entropy::bytes(entropy), entropy::bytes(entropy));
    let tries = u64::from(effort.max(1)) * 2 * 1_000 / u64::from(COST.get());
    let chosen = u64::from_be_bytes(entropy::bytes(entropy)) % tries;
    let found = derive(&nonce, &salt, u32::try_from(chosen).unwrap_or(u32::MAX));
    let nonce = hex(&nonce);
    let parameters = Parameters {
        algorithm: ALGORITHM.to_owned(),
        cost: COST.get(),
        expires_at: (now + VALID).as_millis() / 1_000,
        key_length: KEY,
        key_prefix: hex(&found[..PREFIX]),
        key_signature: hex(&mac(key, "puzzle/key", &[nonce.as_bytes(), hex(&found).as_bytes()])),
        nonce,
        salt: hex(&salt),
        data: Data { effort },
    };
    let signature = hex(&signature(key, &parameters, network));
    Some(Puzzle { parameters, signature })
}

/// Whether an answer solves a puzzle that was made here, for this network, and is not over.
pub fn solved(keyring: &Keyring, network: &str, answer: &str, now: Timestamp) -> Result<Solved, Unsolved> {
    let json = Some(answer).filter(|text| text.len() <= ANSWER_MAX).and_then(|text| STANDARD.decode(text).ok());
    let answer: Option<Answer> = json.and_then(|json| serde_json::from_slice(&json).ok());
    let Answer { challenge: Puzzle { parameters, signature: signed }, solution } =
        answer.ok_or(Unsolved::Unreadable)?;
    let (mut genuine, mut right) = (false, false);
    for key in keyring.all(Purpose::Puzzle) {
        genuine |= same(&signed, &signature(key, &parameters, network));
        let parts = [parameters.nonce.as_bytes(), solution.derived_key.as_bytes()];
        right |= same(&parameters.key_signature, &mac(key, "puzzle/key", &parts));
    }
    if !genuine {
        return Err(Unsolved::Foreign);
    }
    if now.as_millis() / 1_000 >= parameters.expires_at {
        return Err(Unsolved::Expired);
    }
    if !right {
        return Err(Unsolved::Wrong);
    }
    Ok(Solved { nonce: parameters.nonce, effort: parameters.data.effort })
}

fn signature(key: &Key, parameters: &Parameters, network: &str) -> [u8; 32] {
    let Parameters { algorithm, cost, expires_at, key_length, key_prefix, key_signature, nonce, salt, data } =
        parameters;
    let numbers = [i64::from(*cost), *expires_at, *key_length as i64, i64::from(data.effort)];
    let numbers: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
    let texts = [algorithm, key_prefix, key_signature, nonce, salt].map(String::as_bytes);
    let parts = [&[numbers.as_slice(), network.as_bytes()][..], &texts[..]].concat();
    mac(key, "puzzle", &parts)
}

fn derive(nonce: &[u8], salt: &[u8], counter: u32) -> [u8; KEY] {
    let mut key = [0; KEY];
    let secret = [nonce, &counter.to_be_bytes()].concat();
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, COST, salt, &secret, &mut key);
    key
}

fn same(given: &str, expected: &[u8]) -> bool {
    bool::from(given.as_bytes().ct_eq(hex(expected).as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::OsEntropy;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    const HOME: &str = "192.0.2.1/32";

    /// As a client does it: it knows the puzzle and nothing else.
    fn solve(puzzle: &Puzzle) -> String {
        let unhex = |text: &str| -> Vec<u8> {
            (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
        };
        let (nonce, salt) = (unhex(&puzzle.parameters.nonce), unhex(&puzzle.parameters.salt));
        let found = (0..).map(|counter| derive(&nonce, &salt, counter));
        let found = found.map(|key| hex(&key)).find(|key| key.starts_with(&puzzle.parameters.key_prefix)).unwrap();
        answer(puzzle, &found)
    }

    fn answer(puzzle: &Puzzle, derived_key: &str) -> String {
        STANDARD.encode(
            serde_json::json!({ "challenge": puzzle, "solution": { "counter": 1, "derivedKey": derived_key } })
                .to_string(),
        )
    }

    fn made(keyring: &Keyring) -> Puzzle {
        puzzle(keyring, HOME, 4, &OsEntropy, NOW).unwrap()
    }

    #[test]
    fn whoever_does_the_work_is_believed() {
        let keyring = Keyring::of_tests();
        for _ in 0..8 {
            let puzzle = made(&keyring);
            let solved = solved(&keyring, HOME, &solve(&puzzle), NOW + Span::from_secs(299)).unwrap();
            assert_eq!(solved, Solved { nonce: puzzle.parameters.nonce, effort: 4 });
        }
    }

    #[test]
    fn whoever_did_not_is_not() {
        let keyring = Keyring::of_tests();
        let puzzle = made(&keyring);
        let right = solve(&puzzle);
        let of = |answer: &str| solved(&keyring, HOME, answer, NOW);
        assert_eq!(solved(&keyring, HOME, &right, NOW + VALID), Err(Unsolved::Expired));
        assert_eq!(solved(&keyring, "192.0.2.2/32", &right, NOW), Err(Unsolved::Foreign));
        assert_eq!(of(&answer(&puzzle, &"0".repeat(64))), Err(Unsolved::Wrong));
        assert_eq!(of(&answer(&puzzle, &puzzle.parameters.key_prefix)), Err(Unsolved::Wrong), "the prefix is public");
        for unreadable in ["", "x", "{}", &STANDARD.encode("{}"), &"A".repeat(1 << 20), &STANDARD.encode([0xff; 9])] {
            assert_eq!(of(unreadable), Err(Unsolved::Unreadable));
        }
    }

    #[test]
    fn nothing_of_a_puzzle_can_be_changed() {
        let keyring = Keyring::of_tests();
        let puzzle = made(&keyring);
        let right = solve(&puzzle);
        let json: serde_json::Value = serde_json::from_slice(&STANDARD.decode(&right).unwrap()).unwrap();
        let changes = [
            ("algorithm", serde_json::json!("SHA-256")),
            ("cost", serde_json::json!(1)),
            ("expiresAt", serde_json::json!(4_000_000_000_u32)),
            ("keyLength", serde_json::json!(1)),
            ("keyPrefix", serde_json::json!("00")),
            ("keySignature", serde_json::json!("0".repeat(64))),
            ("nonce", serde_json::json!("0".repeat(32))),
            ("salt", serde_json::json!("")),
            ("data", serde_json::json!({ "effort": 400 })),
        ];
        for (name, value) in changes {
            let mut changed = json.clone();
            changed["challenge"]["parameters"][name] = value;
            let answer = STANDARD.encode(changed.to_string());
            assert_eq!(solved(&keyring, HOME, &answer, NOW), Err(Unsolved::Foreign), "{name}");
        }
    }

    #[test]
    fn an_answer_to_one_puzzle_is_none_to_another() {
        let keyring = Keyring::of_tests();
        let (one, other) = (made(&keyring), made(&keyring));
        let json: serde_json::Value = serde_json::from_slice(&STANDARD.decode(solve(&one)).unwrap()).unwrap();
        let key = json["solution"]["derivedKey"].as_str().unwrap();
        assert_eq!(solved(&keyring, HOME, &answer(&other, key), NOW), Err(Unsolved::Wrong));
    }
}
