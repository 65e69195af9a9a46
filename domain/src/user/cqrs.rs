//! The aggregate contract of cqrs-es, as a thin shim over [`User::decide`] and [`User::apply`].

use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};

use crate::user::{Timed, User, UserCommand, UserEvent, UserRefusal};

impl DomainEvent for UserEvent {
    fn event_type(&self) -> String {
        UserEvent::event_type(self).to_owned()
    }

    fn event_version(&self) -> String {
        self.type_version().to_string()
    }
}

impl Aggregate for User {
    const TYPE: &'static str = "user";
    type Command = Timed<UserCommand>;
    type Event = UserEvent;
    type Error = UserRefusal;
    /// Decisions are pure: there is nothing to call.
    type Services = ();

    async fn handle(
        &mut self,
        command: Self::Command,
        _: &Self::Services,
        sink: &EventSink<Self>,
    ) -> Result<(), Self::Error> {
        for event in self.decide(command.command, command.at)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: Self::Event) {
        User::apply(self, &event);
    }
}
