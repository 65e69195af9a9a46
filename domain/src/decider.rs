//! What every aggregate is: state as a function of its events, a decision as a function of state and command.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::event::{Event, Subject};
use crate::time::Timestamp;

/// An aggregate, by whatever runs its decisions. The default is one to which nothing happened yet.
pub trait Decider: Clone + Default + Serialize + DeserializeOwned + Send + Sync {
    type Id: Copy + Send + Sync;
    type Command: Clone + Send + Sync;
    type Event: Send + Sync;
    type Refusal;

    /// Names the shape of a stored state: one of another shape is not loaded from. Raise it with every change of shape.
    const FORMAT: u8;

    fn subject(id: Self::Id) -> Subject;

    fn event(id: Self::Id, event: Self::Event) -> Event;

    /// The event, if it is one of these.
    fn own(event: Event) -> Option<Self::Event>;

    /// What follows from the command; nothing at all when what it asks for is so already.
    ///
    /// # Errors
    /// A refusal. State is unchanged then, and the same command on the same state is refused again.
    fn decide(&self, command: Self::Command, at: Timestamp) -> Result<Vec<Self::Event>, Self::Refusal>;

    /// Never fails and never decides: what is in the log happened.
    fn apply(&mut self, event: &Self::Event);
}

/// The aggregate as what runs decisions asks for it: by its own `decide` and `apply`.
macro_rules! decider {
    ($state:ident: $subject:ident($id:ident), $command:ident, $event:ident, $refusal:ident, format $format:literal) => {
        impl $crate::decider::Decider for $state {
            type Id = $id;
            type Command = $command;
            type Event = $event;
            type Refusal = $refusal;

            const FORMAT: u8 = $format;

            fn subject(id: $id) -> $crate::Subject {
                $crate::Subject::$subject(id)
            }

            fn event(id: $id, event: $event) -> $crate::Event {
                $crate::Event::$subject(id, event)
            }

            fn own(event: $crate::Event) -> Option<$event> {
                match event {
                    $crate::Event::$subject(_, event) => Some(event),
                    _ => None,
                }
            }

            fn decide(&self, command: $command, at: $crate::Timestamp) -> Result<Vec<$event>, $refusal> {
                $state::decide(self, command, at)
            }

            fn apply(&mut self, event: &$event) {
                $state::apply(self, event);
            }
        }
    };
}

pub(crate) use decider;
