//! Makes `tests/eventstore_double/src/wire` from the protocol definitions that come along in the crate eventstore:
//!
//! ```sh
//! cd tests/eventstore_double/generate
//! cargo run -- ~/.cargo/registry/src/*/eventstore-4.0.0/protos
//! ```

use std::error::Error;

const FILES: [&str; 3] = ["streams.proto", "gossip.proto", "serverfeatures.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    let protos = std::env::args().nth(1).ok_or("which folder holds the protos?")?;
    tonic_build::configure()
        .build_client(false)
        .bytes(["."])
        .extern_path(".event_store.client.Empty", "()")
        .out_dir("../src/wire")
        .compile_fds(protox::compile(FILES, [protos])?)?;
    Ok(())
}
