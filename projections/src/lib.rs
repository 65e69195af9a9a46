//! Read models. One file is one model: its table, its fold, its questions.
//!
//! Most are *inline*: a store writes their rows in the transaction of the events they follow from, so what they say is true
//! the moment the answer is given. The others follow the log ([`model`]). Each can be folded again from the log at any
//! time and must come out the same (`chrysalis verify`).

pub mod absences;
pub mod accounts;
pub mod api_keys;
pub mod audit;
pub mod challenges;
pub mod claims;
pub mod codes;
pub mod conversion;
pub mod deeds;
pub mod directory;
pub mod invitations;
pub mod jobs;
pub mod listing;
pub mod mails;
pub mod members;
pub mod model;
pub mod organizations;
pub mod recovery;
pub mod search;
pub mod sessions;
pub mod stale_guests;
pub mod strangers;
pub mod table;
pub mod tiles;
pub mod users;
pub mod webhooks;

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod memory;

use chrysalis_domain::{Event, Timestamp};

pub use claims::{ClaimKey, ClaimKeys, ClaimKind};
pub use model::{Entry, Model};
pub use table::{Change, Question, Row, Table, Value};

/// Every inline table, in the order in which they are made.
pub static INLINE: [&Table; 15] = [
    &users::USERS,
    &sessions::SESSIONS,
    &accounts::ACCOUNTS,
    &claims::CLAIMS,
    &challenges::CHALLENGES,
    &codes::CODES,
    &strangers::STRANGERS,
    &mails::MAILS,
    &recovery::RECOVERY,
    &api_keys::API_KEYS,
    &jobs::JOBS,
    &webhooks::WEBHOOKS,
    &organizations::ORGANIZATIONS,
    &members::MEMBERS,
    &invitations::INVITATIONS,
];

/// Every model that follows the log.
pub static ASYNC: [&Model; 7] = [
    &directory::MODEL,
    &audit::MODEL,
    &stale_guests::STALE_GUESTS,
    &absences::ABSENCES,
    &conversion::MODEL,
    &search::MODEL,
    &tiles::MODEL,
];

/// What one event changes in the inline tables. `at` is the time of the decision.
pub fn fold(event: &Event, at: Timestamp, keys: &dyn ClaimKeys) -> Vec<Change> {
    let mut out = Vec::with_capacity(2);
    match event {
        Event::User(user, event) => {
            users::fold(*user, event, at, &mut out);
            sessions::fold(*user, event, at, &mut out);
            accounts::fold(*user, event, at, &mut out);
            challenges::fold(*user, event, &mut out);
            recovery::fold(*user, event, &mut out);
        }
        Event::Challenge(challenge, event) => codes::fold(*challenge, event, keys, &mut out),
        Event::Mail(..) | Event::Settings(..) | Event::Note(..) | Event::Process(..) => {}
        Event::Attempts(..) | Event::Keyring(..) => {}
        Event::Webhook(webhook, event) => webhooks::fold(*webhook, event, &mut out),
        Event::Organization(organization, event) => {
            organizations::fold(*organization, event, at, &mut out);
            members::fold(*organization, event, at, &mut out);
        }
        Event::ApiKey(key, event) => api_keys::fold(*key, event, &mut out),
        Event::Job(job, event) => jobs::fold(*job, event, &mut out),
    }
    claims::fold(event, at, keys, &mut out);
    invitations::fold(event, at, keys, &mut out);
    mails::fold(event, at, &mut out);
    strangers::fold(event, &mut out);
    for person in event.erases() {
        codes::erase(person, &mut out);
    }
    out
}
