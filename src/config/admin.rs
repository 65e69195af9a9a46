//! Who administrates, and the first API key.

use chrysalis_domain::EmailAddress;
use chrysalis_domain::role::Roles;
use secrecy::SecretString;

use super::reader::Reader;
use crate::keys::ApiSecret;

#[derive(Clone, Debug, Default)]
pub struct Admin {
    /// Whoever holds one of these, verified, administers.
    pub emails: Vec<EmailAddress>,
    /// Besides `user` and `admin`.
    pub roles: Vec<String>,
}

/// Different characters below which a key can't be called random.
const VARIETY: usize = 10;

pub(super) fn bootstrap_api_key(r: &mut Reader) -> Option<SecretString> {
    let key = r.text("bootstrap_api_key")?.to_owned();
    let mut characters: Vec<char> = key.trim_start_matches("sk_live_").trim_start_matches("sk_test_").chars().collect();
    characters.sort_unstable();
    characters.dedup();
    if ApiSecret::parse(&key).is_none() || characters.len() < VARIETY {
        r.mistake(
            "bootstrap_api_key",
            "is no API key, or not random",
            "write sk_live_ and at least 32 random characters of A-Z a-z 0-9 _ -, such as those of `openssl rand -hex 32`",
        );
    }
    Some(key.into())
}

pub(super) fn read(r: &mut Reader) -> Admin {
    let mut admin = Admin::default();
    for email in r.list("admin.emails") {
        match EmailAddress::parse(&email) {
            Ok(email) => admin.emails.push(email),
            Err(_) => {
                r.mistake("admin.emails", format!("{email:?} is no address"), "write addresses with commas between")
            }
        }
    }
    for role in r.list("admin.roles") {
        if Roles::parse(&role).is_none() {
            r.mistake("admin.roles", format!("{role:?} is no role"), "write words of letters, digits, - and _");
        }
        admin.roles.push(role);
    }
    admin
}
