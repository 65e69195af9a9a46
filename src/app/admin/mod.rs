//! What administrators do: one use case a file.

pub mod list_users;
pub mod remove_users;
