//! The event store contract of cqrs-es, for code that speaks cqrs-es: a thin adapter above the port.

use std::collections::HashMap;
use std::sync::Arc;

use chrysalis_domain::id::{EventId, UserId};
use chrysalis_domain::user::{User, UserEvent, UserRefusal};
use chrysalis_domain::{Event, Timestamp};
use cqrs_es::{AggregateContext, AggregateError, EventEnvelope, EventStore};

use super::{Loaded, PAGE, load};
use crate::entropy::{self, Entropy};
use crate::log::{AppendError, Context, Expected, Group, Log, Refused, StreamId, Version, read_event};

/// The event store of cqrs-es for users. The context of its commits is fixed when it is made.
pub struct UserStore {
    pub log: Arc<dyn Log>,
    pub entropy: Arc<dyn Entropy>,
    pub context: Context,
    pub at: Timestamp,
}

/// A loaded user, and where in its stream it stands.
pub struct UserContext {
    id: UserId,
    loaded: Loaded<User>,
}

impl AggregateContext<User> for UserContext {
    fn aggregate(&mut self) -> &mut User {
        &mut self.loaded.state
    }
}

type CqrsError = AggregateError<UserRefusal>;

impl EventStore<User> for UserStore {
    type AC = UserContext;

    async fn load_events(&self, aggregate_id: &str) -> Result<Vec<EventEnvelope<User>>, CqrsError> {
        let stream = StreamId::user(parse(aggregate_id)?);
        let mut envelopes = Vec::new();
        loop {
            let after = envelopes.len() as Version;
            let events = self.log.read_stream(&stream, after, PAGE).await.map_err(unexpected)?;
            for recorded in &events {
                if let Some(Event::User(_, event)) = read_event(recorded).map_err(unexpected)? {
                    envelopes.push(envelope(aggregate_id, recorded.version, event));
                }
            }
            if events.len() < PAGE {
                return Ok(envelopes);
            }
        }
    }

    async fn load_aggregate(&self, aggregate_id: &str) -> Result<UserContext, CqrsError> {
        let id = parse(aggregate_id)?;
        let loaded = load(self.log.as_ref(), id).await.map_err(unexpected)?;
        Ok(UserContext { id, loaded })
    }

    async fn commit(
        &self,
        events: Vec<UserEvent>,
        context: UserContext,
        _: HashMap<String, String>,
    ) -> Result<Vec<EventEnvelope<User>>, CqrsError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let version = context.loaded.version;
        let expected = if version == 0 { Expected::NoStream } else { Expected::Exact(version) };
        let mut group = Group::new(self.context.clone());
        let fresh = || EventId::from_ulid(entropy::ulid(self.entropy.as_ref(), self.at));
        group.append_user(context.id, expected, &events, self.at, fresh).map_err(unexpected)?;
        match self.log.append(group).await {
            Ok(_) => {
                let id = context.id.to_string();
                Ok(events
                    .into_iter()
                    .zip(version + 1..)
                    .map(|(event, version)| envelope(&id, version, event))
                    .collect())
            }
            Err(AppendError::Refused(Refused::Version { .. })) => Err(AggregateError::AggregateConflict),
            Err(error) => Err(unexpected(error)),
        }
    }
}

fn envelope(aggregate_id: &str, version: Version, payload: UserEvent) -> EventEnvelope<User> {
    let sequence = usize::try_from(version).unwrap_or(usize::MAX);
    EventEnvelope { aggregate_id: aggregate_id.to_owned(), sequence, payload, metadata: HashMap::new() }
}

fn parse(aggregate_id: &str) -> Result<UserId, CqrsError> {
    aggregate_id.parse().map_err(unexpected)
}

fn unexpected(error: impl std::error::Error + Send + Sync + 'static) -> CqrsError {
    AggregateError::UnexpectedError(Box::new(error))
}
