//! What is wrong with a configuration: all of it at once, each with what to do.

use std::fmt;

/// One mistake, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    pub key: String,
    pub problem: String,
    pub remedy: String,
}

impl ConfigError {
    pub(crate) fn new(key: &str, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { key: key.to_owned(), problem: problem.into(), remedy: remedy.into() }
    }
}

/// Every mistake of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ConfigError { key, problem, remedy } in &self.0 {
            writeln!(f, "{key}: {problem}; {remedy}")?;
        }
        Ok(())
    }
}
