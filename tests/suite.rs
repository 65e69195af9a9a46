//! Every integration test, in one binary.
//!
//! Short versions of the crash, race and scale tests run by default; `CHRYSALIS_TEST_LONG=1` runs the long ones.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that can't go on has failed")]

mod admission;
mod clients;
mod conformance;
mod docs;
mod eventstore;
mod evidence;
mod faults;
mod http;
mod mail;
mod postgres;
mod process;
mod social;
mod support;
mod webhooks;

/// Whether the long versions were asked for.
#[allow(clippy::disallowed_methods, reason = "tests have no configuration to be read into")]
pub fn long() -> bool {
    std::env::var_os("CHRYSALIS_TEST_LONG").is_some_and(|value| value == "1")
}
