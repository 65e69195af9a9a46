//! Many short streams, read in one question before it is decided about each: asking for them one by one would cost more than
//! the decisions.

use std::collections::HashMap;

use chrysalis_domain::{Decider, Subject};

use super::Loaded;
use crate::log::{Log, LogFault, Recorded, StreamId, Version};

/// Events of a stream that are read ahead. A longer one is left to be loaded by itself: it may have a snapshot.
const SHORT: Version = 32;

/// Whole streams, as they stood when they were read.
#[derive(Debug, Default)]
pub struct Ahead(HashMap<StreamId, Vec<Recorded>>);

impl Ahead {
    pub async fn read(log: &dyn Log, subjects: impl IntoIterator<Item = Subject>) -> Result<Self, LogFault> {
        let streams: Vec<StreamId> = subjects.into_iter().map(StreamId::of).collect();
        let mut read: HashMap<StreamId, Vec<Recorded>> = HashMap::with_capacity(streams.len());
        for recorded in log.read_streams(&streams, SHORT + 1).await? {
            match read.get_mut(&recorded.stream) {
                Some(events) => events.push(recorded),
                None => drop(read.insert(recorded.stream.clone(), vec![recorded])),
            }
        }
        read.retain(|_, events| events.len() as Version <= SHORT);
        Ok(Self(read))
    }

    /// The last event of a stream that was read.
    pub fn last(&self, subject: Subject) -> Option<&Recorded> {
        self.0.get(&StreamId::of(subject))?.last()
    }

    pub(super) fn load<D: Decider>(&self, id: D::Id) -> Option<Result<Loaded<D>, LogFault>> {
        let events = self.0.get(&StreamId::of(D::subject(id)))?;
        let mut loaded = Loaded::default();
        let replayed = events.iter().try_for_each(|recorded| loaded.replay(recorded));
        Some(replayed.map(|()| loaded))
    }
}
