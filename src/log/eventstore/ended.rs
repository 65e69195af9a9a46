//! A subscription that the server ends without an error comes to its end here, too.
//!
//! The client (`eventstore` 4.0) asks one that was ended so for more, for ever, and never gives back the thread that it does it on; each time it
//! warns of a message that it does not know, which it says nowhere else. So whoever subscribes does it on a thread of their
//! own, and what the client warns of there is heard here, and ends it by unwinding. One file that goes when a release ends it.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// The server ended the subscription.
pub(super) struct Ended;

/// Runs what subscribes. What is written to the log meanwhile, on this thread, is not.
pub(super) fn heard<T>(run: impl FnOnce() -> T) -> Result<T, Ended> {
    let hearing = tracing::Dispatch::new(Hearing);
    match catch_unwind(AssertUnwindSafe(|| tracing::dispatcher::with_default(&hearing, run))) {
        Ok(answer) => Ok(answer),
        Err(unwound) if unwound.is::<Ended>() => Err(Ended),
        Err(panic) => resume_unwind(panic),
    }
}

struct Hearing;

impl Subscriber for Hearing {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN && metadata.target() == "eventstore::commands"
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::WARN)
    }

    fn event(&self, event: &Event<'_>) {
        if self.enabled(event.metadata()) {
            resume_unwind(Box::new(Ended));
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
