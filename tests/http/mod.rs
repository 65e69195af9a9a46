//! What a user of the server notices, asked over real HTTP of a real server: a theme is a file.
//!
//! The clock stands still unless a test moves it, so that seven days pass in no time and a limit is exact.

mod admin;
mod api_keys;
mod audit;
mod bans;
mod bodies;
mod change_email;
mod cors;
mod deletion;
mod email_otp;
mod expiry;
mod guest;
mod guest_budgets;
mod guest_by_get;
mod https;
mod idempotency;
mod impersonation;
mod limits;
mod list_users;
mod magic_link;
mod operations;
mod organizations;
mod origins;
mod outbox;
mod panics;
mod password;
mod presenting;
mod private;
mod profile;
mod recovery;
mod remove_users;
mod reset_password;
mod roles;
mod rotation;
mod session_life;
mod sessions;
mod settings;
mod sign_in;
mod sign_up;
mod sweep;
mod token;
mod transfer;
mod transport;
mod upgrade;
mod verify;
