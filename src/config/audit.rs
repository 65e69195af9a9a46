//! Those who read the log as it goes on.

use chrysalis_domain::Span;

use super::reader::Reader;

#[derive(Clone, Copy, Debug)]
pub struct Audit {
    /// Readers at a time, of each node.
    pub streams: usize,
    /// How often they are told that the server is still there.
    pub heartbeat: Span,
}

pub(super) fn read(r: &mut Reader) -> Audit {
    Audit {
        streams: r.number("audit.streams", 0..=10_000),
        heartbeat: r.span("audit.heartbeat", Span::from_secs(1)..=Span::from_secs(300)),
    }
}
