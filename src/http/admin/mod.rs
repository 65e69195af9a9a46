//! `/admin`: what administrators do, by API key or in a session of their own (CONTRACT 7.2).

pub mod jobs;
mod list_query;
pub mod list_users;
