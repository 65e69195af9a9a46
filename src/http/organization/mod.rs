//! `/organization/*` (CONTRACT 6): a resource a file.

mod refusal;

pub(super) use refusal::said;
