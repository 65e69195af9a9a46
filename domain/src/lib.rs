//! What a user is and may become.
pub mod time;
pub use time::{Span, Timestamp};
