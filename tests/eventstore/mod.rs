//! The EventStoreDB that the suites run on: a double of it (`tests/eventstore_double`), one for everybody, or the real server
//! that `TEST_EVENTSTORE_URL` names. Who uses it has a stream of their own; on a real server that stays there afterwards.

use std::sync::OnceLock;

use chrysalis::entropy::{self, OsEntropy};
use eventstore_double::Double;

/// The URL of the server for everybody.
#[allow(clippy::disallowed_methods, reason = "tests have no configuration to be read into")]
pub fn shared() -> &'static str {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| match std::env::var("TEST_EVENTSTORE_URL") {
        Ok(url) => url,
        Err(_) => {
            let double = Double::start();
            let url = double.url();
            // It ends with this process.
            std::mem::forget(double);
            url
        }
    })
}

/// A stream that is nobody else's.
pub fn fresh_stream() -> String {
    format!("test-{:016x}", u64::from_le_bytes(entropy::bytes(&OsEntropy)))
}
