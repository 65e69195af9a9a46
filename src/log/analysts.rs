//! Those who read counts in the store's own SQL, beside everything that this program asks: what a store can do so that they
//! read that and nothing else.

use std::path::PathBuf;

use async_trait::async_trait;

use super::LogFault;

/// How a store lets somebody read views.
#[async_trait]
pub trait Analysts: Send + Sync {
    /// Lets a role of the store's read these views. What it may do already stays; a role that may do more is left alone.
    async fn let_read(&self, role: &str, views: &[&'static str]) -> Result<LetRead, LogFault>;
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LetRead {
    /// The role reads the views, and nothing else.
    Reads {
        /// It was not there, and is made.
        made: bool,
        /// What it may do, and whether it was not allowed to before.
        grants: Vec<(String, bool)>,
    },
    /// It may do more than that, so nothing was granted: some of what.
    MayMore(Vec<String>),
    /// No role can be called so.
    NoName,
    /// The store knows no roles: who may read this file may read all of it.
    NoRoles { file: PathBuf },
}
