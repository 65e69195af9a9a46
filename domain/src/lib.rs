//! What a user is and may become.
pub mod password;
pub mod time;
pub use password::{Password, PasswordError, PasswordPolicy};
pub use time::{Span, Timestamp};
