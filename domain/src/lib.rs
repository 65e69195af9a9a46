//! What a user is and may become, what proves it and who administers, and the organizations users are members of: pure
//! decisions and the events that follow from them.
//!
//! No clock, no randomness, no I/O and no personal data in clear: every fact is handed in, and the same command on
//! the same state decides the same, on any machine, at any time.

pub mod api_key;
pub mod attempts;
pub mod challenge;
pub mod decider;
pub mod email;
pub mod event;
pub mod id;
pub mod job;
pub mod keyring;
pub mod mail;
pub mod note;
pub mod organization;
pub mod passed;
pub mod password;
pub mod permission;
pub mod process;
pub mod role;
pub mod settings;
pub mod time;
pub mod upcast;
pub mod user;
pub mod value;
pub mod webhook;

pub use decider::Decider;
pub use email::{EmailAddress, InvalidEmail};
pub use event::{Event, Subject};
pub use passed::Passed;
pub use password::{Password, PasswordError, PasswordPolicy};
pub use permission::{Permission, Permissions};
pub use time::{Day, Span, Timestamp};
