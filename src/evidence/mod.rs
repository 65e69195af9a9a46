//! The log as others read it: every event a line, and whether those lines are what the log held.
//!
//! - [`line`]: an event as a line of JSON, and back;
//! - [`frame`]: what stands in front of the lines, and behind them;
//! - [`export`]: from a store to lines; [`output`]: the file they go to, which can be gone on with;
//! - [`source`]: from a file to lines, compressed or not; [`reading`]: what each line says;
//! - [`order`]: which line stands where another belongs;
//! - [`verify`]: everything above held against the Merkle tree and the checkpoints that were signed over it;
//!   [`finding`]: what can be wrong, in words.
//!
//! Nothing below [`export`] knows of a store: an export is verified by whoever has nothing but the file.
//! What is proven by it, and what is not, stands in docs/audit.md.

pub mod export;
pub mod finding;
pub mod frame;
pub mod line;
pub mod order;
pub mod output;
pub mod reading;
pub mod source;
pub mod verify;
