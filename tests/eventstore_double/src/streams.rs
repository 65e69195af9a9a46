//! What is asked of streams: appends, one at a time or in a session of many; reads and subscriptions; deletions.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use futures_util::{Stream, StreamExt};
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};

use crate::log::{Expected, Proposed, Rejected, Written};
use crate::node::{Outcome, Service, insists};
use crate::reading;
use crate::refusals::{self, batched};
use crate::wire::streams::*;
use crate::wire::{StreamIdentifier, Uuid, common};

/// Appends of one session that are under way together.
const TOGETHER: usize = 4096;

pub type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl Service {
    pub async fn read(&self, request: Request<ReadReq>) -> Result<Response<Answers<ReadResp>>, Status> {
        let (asking, _, asked) = request.into_parts();
        self.node.admits(&asking)?;
        self.node.shows(&asking)?;
        self.node.shared.faults.delay().await;
        let options = asked.options.ok_or_else(|| Status::invalid_argument("`options` is a required argument"))?;
        Ok(Response::new(reading::answer(self.node.clone(), options)?))
    }

    pub async fn append(&self, request: Request<Streaming<AppendReq>>) -> Result<Response<AppendResp>, Status> {
        use append_req::Content;
        let (asking, _, mut parts) = request.into_parts();
        self.node.admits(&asking)?;
        let first = parts.message().await?.and_then(|part| part.content);
        let Some(Content::Options(options)) = first else { return Err(Status::unknown("options come first")) };
        let stream = named(options.stream_identifier)?;
        let expected = options.expected_stream_revision.ok_or_else(no_expectation)?.into();
        let mut events = Vec::new();
        while let Some(part) = parts.message().await? {
            let Some(Content::ProposedMessage(event)) = part.content else {
                return Err(Status::unknown("options come but once"));
            };
            events.push(proposed(event.id, event.metadata, event.data, event.custom_metadata)?);
        }
        let result = match self.node.store(insists(&asking), &stream, expected, events).await {
            Outcome::Written(written) => append_resp::Result::Success(written.into()),
            Outcome::Rejected(Rejected::WrongExpectedVersion { current }) => {
                append_resp::Result::WrongExpectedVersion(wrong_version(expected, current))
            }
            Outcome::Rejected(Rejected::StreamDeleted) => return Err(refusals::stream_deleted(&stream)),
            Outcome::Rejected(Rejected::TooLarge { most }) => return Err(refusals::too_large(most)),
            other => return Err(unhandled(&other)),
        };
        Ok(Response::new(AppendResp { result: Some(result) }))
    }

    pub async fn delete(&self, request: Request<DeleteReq>) -> Result<Response<DeleteResp>, Status> {
        use delete_resp::{Position, PositionOption};
        let (asking, _, asked) = request.into_parts();
        let options = asked.options.ok_or_else(no_expectation)?;
        let expected = options.expected_stream_revision.ok_or_else(no_expectation)?.into();
        let at = self.remove(&asking, options.stream_identifier, expected, false).await?;
        let position = PositionOption::Position(Position { commit_position: at, prepare_position: at });
        Ok(Response::new(DeleteResp { position_option: Some(position) }))
    }

    pub async fn tombstone(&self, request: Request<TombstoneReq>) -> Result<Response<TombstoneResp>, Status> {
        use tombstone_resp::{Position, PositionOption};
        let (asking, _, asked) = request.into_parts();
        let options = asked.options.ok_or_else(no_expectation)?;
        let expected = options.expected_stream_revision.ok_or_else(no_expectation)?.into();
        let at = self.remove(&asking, options.stream_identifier, expected, true).await?;
        let position = PositionOption::Position(Position { commit_position: at, prepare_position: at });
        Ok(Response::new(TombstoneResp { position_option: Some(position) }))
    }

    pub async fn batch_append(
        &self,
        request: Request<Streaming<BatchAppendReq>>,
    ) -> Result<Response<Answers<BatchAppendResp>>, Status> {
        let (asking, _, requests) = request.into_parts();
        self.node.admits(&asking)?;
        let (service, insists, begun) = (self.clone(), insists(&asking), Arc::new(Mutex::new(HashMap::new())));
        // It lives and dies with the connection: what waits when that ends is not stored.
        let answers = requests
            .filter_map(move |request| {
                let complete = request.map(|request| complete(&begun, request)).transpose();
                std::future::ready(complete)
            })
            .map(move |complete| {
                let service = service.clone();
                async move { service.batched(insists, complete?).await }
            })
            .buffer_unordered(TOGETHER);
        Ok(Response::new(Box::pin(answers)))
    }
}

/// An append of a session, all of whose parts have come.
struct Complete {
    correlation: Option<Uuid>,
    options: batch_append_req::Options,
    events: Vec<batch_append_req::ProposedMessage>,
}

type Begun = Mutex<HashMap<Option<uuid::Uuid>, Complete>>;

/// Takes a part of an append; none while others are to come.
fn complete(begun: &Begun, request: BatchAppendReq) -> Option<Complete> {
    let id = request.correlation_id.as_ref().and_then(Uuid::read);
    let mut begun = begun.lock().unwrap();
    if let Some(options) = request.options {
        let correlation = request.correlation_id;
        begun.entry(id).or_insert(Complete { correlation, options, events: Vec::new() });
    }
    begun.get_mut(&id)?.events.extend(request.proposed_messages);
    if request.is_final { begun.remove(&id) } else { None }
}

impl Service {
    /// One append of a session. An error of the whole session is what a client can't be told of one append.
    async fn batched(&self, insists: bool, complete: Complete) -> Result<BatchAppendResp, Status> {
        use batch_append_resp::Result as Answer;
        let Complete { correlation, options, events } = complete;
        let identifier = options.stream_identifier.clone();
        let answer = |result| {
            Ok(BatchAppendResp {
                correlation_id: correlation.clone(),
                stream_identifier: identifier.clone(),
                result: Some(result),
                expected_stream_position: None,
            })
        };
        let bad = |message: &str| answer(Answer::Error(batched::bad_request(message)));
        let Some(stream) = options.stream_identifier.map(|stream| stream.name()) else {
            return bad("Required field StreamIdentifier not set.");
        };
        let Some(expected) = options.expected_stream_position.map(Expected::from) else {
            return bad("no expectation");
        };
        if let Some(batch_append_req::options::DeadlineOption::Deadline(deadline)) = options.deadline_option
            && (deadline.seconds, deadline.nanos) <= (0, 0)
        {
            return answer(Answer::Error(batched::timed_out()));
        }
        let events =
            events.into_iter().map(|event| proposed(event.id, event.metadata, event.data, event.custom_metadata));
        let events = match events.collect::<Result<Vec<_>, _>>() {
            Ok(events) => events,
            Err(status) => return bad(status.message()),
        };
        match self.node.store(insists, &stream, expected, events).await {
            Outcome::Written(written) => answer(Answer::Success(written.into())),
            Outcome::Rejected(Rejected::WrongExpectedVersion { current }) => {
                answer(Answer::Error(batched::wrong_version(expected, current)))
            }
            Outcome::Rejected(Rejected::StreamDeleted) => answer(Answer::Error(batched::stream_deleted(&stream))),
            Outcome::Rejected(Rejected::TooLarge { most }) => answer(Answer::Error(batched::too_large(most))),
            Outcome::TimedOut => answer(Answer::Error(batched::timed_out())),
            Outcome::Denied => answer(Answer::Error(batched::access_denied())),
            Outcome::NotReady => answer(Answer::Error(batched::not_handled("Server Is Not Ready"))),
            Outcome::TooBusy => answer(Answer::Error(batched::not_handled("Server Is Busy"))),
            Outcome::NotLeader(leader) => Err(refusals::not_leader(leader)),
        }
    }

    /// Deletes a stream; answers where that stands.
    async fn remove(
        &self,
        asking: &MetadataMap,
        stream: Option<StreamIdentifier>,
        expected: Expected,
        for_good: bool,
    ) -> Result<u64, Status> {
        self.node.admits(asking)?;
        let stream = named(stream)?;
        let delete = |log: &mut crate::log::Log| log.delete(&stream, expected, for_good);
        match self.node.write(insists(asking), &stream, &[], delete).await {
            Outcome::Written(written) => Ok(written.position.unwrap_or_default()),
            Outcome::Rejected(Rejected::WrongExpectedVersion { current }) => {
                Err(refusals::wrong_version("Delete", &stream, expected, current))
            }
            Outcome::Rejected(Rejected::StreamDeleted) => Err(refusals::stream_deleted(&stream)),
            other => Err(unhandled(&other)),
        }
    }
}

fn unhandled(outcome: &Outcome) -> Status {
    match outcome {
        Outcome::NotLeader(leader) => refusals::not_leader(*leader),
        Outcome::Denied => refusals::access_denied(),
        Outcome::NotReady => refusals::not_ready(),
        Outcome::TooBusy => refusals::too_busy(),
        Outcome::TimedOut => refusals::timed_out(),
        Outcome::Written(_) | Outcome::Rejected(_) => Status::unknown("it was handled"),
    }
}

fn named(stream: Option<StreamIdentifier>) -> Result<String, Status> {
    let name = stream.map(|stream| stream.name()).filter(|name| !name.is_empty());
    name.ok_or_else(|| Status::invalid_argument("a stream has a name"))
}

fn no_expectation() -> Status {
    Status::invalid_argument("'None' is not a valid expectation")
}

fn proposed(
    id: Option<Uuid>,
    mut metadata: HashMap<String, String>,
    data: bytes::Bytes,
    custom: bytes::Bytes,
) -> Result<Proposed, Status> {
    let id = id.and_then(|id| id.read()).ok_or_else(|| Status::unknown("an event has an id"))?;
    let event_type = metadata.remove("type").ok_or_else(|| refusals::missing("type"))?;
    let content = metadata.remove("content-type").ok_or_else(|| refusals::missing("content-type"))?;
    Ok(Proposed { id, event_type, json: content == "application/json", data, metadata: custom })
}

/// The same four expectations stand in four messages.
macro_rules! expectation {
    ($($wire:path, $exact:ident;)*) => {
        $(impl From<$wire> for Expected {
            fn from(wire: $wire) -> Self {
                use $wire as Wire;
                match wire {
                    Wire::$exact(revision) => Expected::Exact(revision),
                    Wire::NoStream(()) => Expected::NoStream,
                    Wire::Any(()) => Expected::Any,
                    Wire::StreamExists(()) => Expected::StreamExists,
                }
            }
        })*
    };
}
expectation! {
    append_req::options::ExpectedStreamRevision, Revision;
    delete_req::options::ExpectedStreamRevision, Revision;
    tombstone_req::options::ExpectedStreamRevision, Revision;
    batch_append_req::options::ExpectedStreamPosition, StreamPosition;
}

impl From<Written> for append_resp::Success {
    fn from(written: Written) -> Self {
        use append_resp::success::{CurrentRevisionOption as Revision, PositionOption};
        let position = |at| append_resp::Position { commit_position: at, prepare_position: at };
        Self {
            current_revision_option: Some(written.revision.map_or(Revision::NoStream(()), Revision::CurrentRevision)),
            position_option: Some(match written.position {
                Some(at) => PositionOption::Position(position(at)),
                None => PositionOption::NoPosition(()),
            }),
        }
    }
}

impl From<Written> for batch_append_resp::Success {
    fn from(written: Written) -> Self {
        use batch_append_resp::success::{CurrentRevisionOption as Revision, PositionOption};
        let position = |at| common::AllStreamPosition { commit_position: at, prepare_position: at };
        Self {
            current_revision_option: Some(written.revision.map_or(Revision::NoStream(()), Revision::CurrentRevision)),
            position_option: Some(match written.position {
                Some(at) => PositionOption::Position(position(at)),
                None => PositionOption::NoPosition(()),
            }),
        }
    }
}

/// In the answer of old servers and in that of new ones, as a server gives both.
fn wrong_version(expected: Expected, current: Option<u64>) -> append_resp::WrongExpectedVersion {
    use append_resp::wrong_expected_version::*;
    let (old, new) = match expected {
        Expected::Any => (ExpectedRevisionOption2060::Any2060(()), ExpectedRevisionOption::ExpectedAny(())),
        Expected::StreamExists => {
            (ExpectedRevisionOption2060::StreamExists2060(()), ExpectedRevisionOption::ExpectedStreamExists(()))
        }
        Expected::NoStream => {
            (ExpectedRevisionOption2060::ExpectedRevision2060(u64::MAX), ExpectedRevisionOption::ExpectedNoStream(()))
        }
        Expected::Exact(revision) => (
            ExpectedRevisionOption2060::ExpectedRevision2060(revision),
            ExpectedRevisionOption::ExpectedRevision(revision),
        ),
    };
    let (old_current, new_current) = match current {
        None => (CurrentRevisionOption2060::NoStream2060(()), CurrentRevisionOption::CurrentNoStream(())),
        Some(revision) => {
            (CurrentRevisionOption2060::CurrentRevision2060(revision), CurrentRevisionOption::CurrentRevision(revision))
        }
    };
    append_resp::WrongExpectedVersion {
        current_revision_option_20_6_0: Some(old_current),
        expected_revision_option_20_6_0: Some(old),
        current_revision_option: Some(new_current),
        expected_revision_option: Some(new),
    }
}
