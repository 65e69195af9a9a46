//! The protocol, as tonic-build makes it from the definitions in the crate eventstore 4.0.0 (MIT; folder `protos`). It is
//! checked in: making it at each build would take a compiler of protocols, which takes longer to build than all else here.
//! `generate/src/main.rs` says how it is made.

#![allow(clippy::all, clippy::disallowed_methods, clippy::unwrap_used, dead_code, rustdoc::all, reason = "generated")]

pub mod google {
    pub mod rpc {
        include!("wire/google.rpc.rs");
    }
}

pub mod event_store {
    pub mod client {
        include!("wire/event_store.client.rs");
        pub mod streams {
            include!("wire/event_store.client.streams.rs");
        }
        pub mod gossip {
            include!("wire/event_store.client.gossip.rs");
        }
        pub mod server_features {
            include!("wire/event_store.client.server_features.rs");
        }
    }
}

pub use event_store::client::{StreamIdentifier, Uuid, gossip, server_features, streams, uuid};

impl From<::uuid::Uuid> for Uuid {
    fn from(id: ::uuid::Uuid) -> Self {
        let (most, least) = id.as_u64_pair();
        let structured = uuid::Structured {
            most_significant_bits: most.cast_signed(),
            least_significant_bits: least.cast_signed(),
        };
        Uuid { value: Some(uuid::Value::Structured(structured)) }
    }
}

impl Uuid {
    pub fn text(id: ::uuid::Uuid) -> Self {
        Uuid { value: Some(uuid::Value::String(id.to_string())) }
    }

    /// None where it is no id.
    pub fn read(&self) -> Option<::uuid::Uuid> {
        match self.value.as_ref()? {
            uuid::Value::String(text) => text.parse().ok(),
            uuid::Value::Structured(uuid::Structured { most_significant_bits, least_significant_bits }) => Some(
                ::uuid::Uuid::from_u64_pair(most_significant_bits.cast_unsigned(), least_significant_bits.cast_unsigned()),
            ),
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
