//! Solves puzzles as any client does that knows the protocol, and nothing of the server.

use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::pbkdf2;
use serde_json::{Value, json};

/// What is shown for a puzzle as `/anonymous/challenge` gave it.
pub fn solve(puzzle: &Value) -> String {
    let parameters = &puzzle["parameters"];
    assert_eq!(parameters["algorithm"], "PBKDF2/SHA-256");
    let (nonce, salt) = (unhex(&parameters["nonce"]), unhex(&parameters["salt"]));
    let cost = NonZeroU32::new(parameters["cost"].as_u64().unwrap().try_into().unwrap()).unwrap();
    let prefix = unhex(&parameters["keyPrefix"]);
    let mut key = vec![0; parameters["keyLength"].as_u64().unwrap().try_into().unwrap()];
    let found = (0..200_000_u32).find(|counter| {
        let secret = [nonce.as_slice(), &counter.to_be_bytes()].concat();
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, cost, &salt, &secret, &mut key);
        key.starts_with(&prefix)
    });
    let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    answer(puzzle, &json!({ "counter": found, "derivedKey": key, "time": 1.5 }))
}

/// What is shown for a puzzle with some solution.
pub fn answer(puzzle: &Value, solution: &Value) -> String {
    let challenge = json!({ "parameters": puzzle["parameters"], "signature": puzzle["signature"] });
    STANDARD.encode(json!({ "challenge": challenge, "solution": solution }).to_string())
}

fn unhex(text: &Value) -> Vec<u8> {
    let text = text.as_str().unwrap();
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
}
