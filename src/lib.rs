//! The server: log, use cases, HTTP.
pub mod clock;
pub mod entropy;
pub mod hasher;
pub mod limits;
