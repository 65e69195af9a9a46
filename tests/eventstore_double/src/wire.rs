//! The messages of the protocol: those that the crate eventstore 4.0.0 has, as its author generated them from the protocol's
//! definitions (MIT; `src/event_store/generated`), without the clients' half. They are checked in because that crate keeps
//! them to itself, and because making them at each build would take a compiler of protocols, which takes longer to build than
//! all else here. The servers' half is in `serve`.

#[rustfmt::skip]
#[allow(clippy::all, dead_code, reason = "generated")]
pub mod common;
#[rustfmt::skip]
#[allow(clippy::all, dead_code, reason = "generated")]
pub mod google_rpc;
#[rustfmt::skip]
#[allow(clippy::all, dead_code, reason = "generated")]
pub mod gossip;
#[rustfmt::skip]
#[allow(clippy::all, dead_code, reason = "generated")]
pub mod server_features;
#[rustfmt::skip]
#[allow(clippy::all, dead_code, reason = "generated")]
pub mod streams;

pub use common::{StreamIdentifier, Uuid};

use common::uuid::{Structured, Value};

impl From<uuid::Uuid> for Uuid {
    fn from(id: uuid::Uuid) -> Self {
        let (most, least) = id.as_u64_pair();
        let structured =
            Structured { most_significant_bits: most.cast_signed(), least_significant_bits: least.cast_signed() };
        Uuid { value: Some(Value::Structured(structured)) }
    }
}

impl Uuid {
    pub fn text(id: uuid::Uuid) -> Self {
        Uuid { value: Some(Value::String(id.to_string())) }
    }

    /// None where it is no id.
    pub fn read(&self) -> Option<uuid::Uuid> {
        match self.value.as_ref()? {
            Value::String(text) => text.parse().ok(),
            Value::Structured(Structured { most_significant_bits, least_significant_bits }) => {
                let (most, least) = (most_significant_bits.cast_unsigned(), least_significant_bits.cast_unsigned());
                Some(uuid::Uuid::from_u64_pair(most, least))
            }
        }
    }
}

impl StreamIdentifier {
    pub fn of(name: &str) -> Self {
        Self { stream_name: name.as_bytes().to_vec().into() }
    }

    pub fn name(&self) -> String {
        String::from_utf8_lossy(&self.stream_name).into_owned()
    }
}
