//! Organizations: who makes, joins, leads and leaves them. One use case a file.

mod refusal;

pub use refusal::Refusal;
