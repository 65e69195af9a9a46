//! The HTTP contract, piece by piece: what a request may look like and what an answer must.
//!
//! Everything here is pure. No module knows the application's state, a database, a clock or a generator; what a
//! rule needs is handed in, so each can be read, tested and trusted by itself. Whatever goes wrong is an
//! [`error::ApiError`], which is the only error body a client ever sees.

pub mod bearer;
pub mod body;
pub mod callback;
pub mod cookie;
pub mod cors;
pub mod csrf;
pub mod csv;
pub mod error;
pub mod fields;
pub mod html;
pub mod jar;
pub mod json_time;
pub mod language;
pub mod length;
pub mod moment;
pub mod optional;
pub mod origin;
pub mod signed;
pub mod uri;
