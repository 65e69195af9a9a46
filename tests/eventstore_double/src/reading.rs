//! Answers to readers: once, or on and on.
//!
//! A subscriber is told what stands, that it has caught up, and then what comes. One that filters is told besides how far it
//! is, at the places and in the numbers that a server tells it: after so many records looked at, by where a page began.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;

use async_stream::try_stream;
use futures_util::Stream;
use tonic::Status;

use crate::filter::Filter;
use crate::log::{Page, Place, Recorded, Shown};
use crate::node::Node;
use crate::refusals;
use crate::wire::streams::ReadResp;
use crate::wire::streams::read_req::Options;
use crate::wire::streams::read_req::options::{
    AllOptions, CountOption, FilterOption, ReadDirection, StreamOption, StreamOptions, all_options, stream_options,
    uuid_option,
};
use crate::wire::streams::read_resp::{self, Content, read_event};
use crate::wire::{StreamIdentifier, Uuid};

/// Events that a server reads in one go.
const PAGE: usize = 32;

type Answers = Pin<Box<dyn Stream<Item = Result<ReadResp, Status>> + Send>>;

/// What a reader is told, and in which form.
#[derive(Clone, Copy)]
struct Form {
    /// Ids as text.
    text: bool,
    /// The reader knows of the places at a stream's ends.
    ends: bool,
}

pub fn answer(node: Arc<Node>, options: Options) -> Result<Answers, Status> {
    let uuids = options.uuid_option.and_then(|uuids| uuids.content);
    let uuids = uuids.ok_or_else(|| Status::invalid_argument("`uuidOption` is a required argument"))?;
    let ends = options.control_option.is_some_and(|control| control.compatibility >= 1);
    let form = Form { text: matches!(uuids, uuid_option::Content::String(())), ends };
    let forwards = options.read_direction == ReadDirection::Forwards as i32;
    let filter = match options.filter_option {
        Some(FilterOption::Filter(filter)) => Some(Filter::of(filter).map_err(Status::unknown)?),
        _ => None,
    };
    if node.shared.faults.hides() && matches!(options.stream_option, Some(StreamOption::All(_))) {
        return Err(refusals::access_denied());
    }
    match (options.stream_option, options.count_option) {
        (Some(StreamOption::Stream(stream)), Some(CountOption::Count(most))) if filter.is_none() => {
            let (name, from) = from_stream(stream, forwards)?;
            Ok(Box::pin(stream_once(node, form, exists(name)?, from, forwards, most)))
        }
        (Some(StreamOption::Stream(stream)), Some(CountOption::Subscription(_))) if filter.is_none() && forwards => {
            let (name, after) = after_stream(stream)?;
            Ok(Box::pin(stream_on(node, form, exists(name)?, after)))
        }
        (Some(StreamOption::All(all)), Some(CountOption::Count(most))) => {
            let from = from_all(&node, all, forwards)?;
            Ok(Box::pin(all_once(node, form, from, forwards, most, filter.unwrap_or_else(Filter::none))))
        }
        (Some(StreamOption::All(all)), Some(CountOption::Subscription(_))) if forwards => {
            let after = after_all(&node, all)?;
            Ok(Box::pin(all_on(node, form, after, filter.unwrap_or_else(Filter::none))))
        }
        _ => Err(Status::invalid_argument("The combination is invalid.")),
    }
}

fn exists(name: String) -> Result<String, Status> {
    if name.is_empty() { Err(Status::invalid_argument("a stream has a name")) } else { Ok(name) }
}

fn from_stream(stream: StreamOptions, forwards: bool) -> Result<(String, u64), Status> {
    use stream_options::RevisionOption as From;
    let name = stream.stream_identifier.map(|stream| stream.name()).unwrap_or_default();
    let from = match stream.revision_option {
        Some(From::Revision(revision)) => revision,
        Some(From::Start(())) => 0,
        Some(From::End(())) => u64::MAX,
        None => return Err(Status::invalid_argument("from where?")),
    };
    // From the end on there is nothing; a server that is asked so answers with nothing.
    Ok((name, if forwards { from } else { from.min(i64::MAX as u64) }))
}

/// After which revision a subscription begins: before all, after one, or after what stands now.
#[derive(Clone, Copy)]
enum After<T> {
    Nothing,
    This(T),
    Now,
}

fn after_stream(stream: StreamOptions) -> Result<(String, After<u64>), Status> {
    use stream_options::RevisionOption as From;
    let name = stream.stream_identifier.map(|stream| stream.name()).unwrap_or_default();
    let after = match stream.revision_option {
        Some(From::Revision(revision)) => After::This(revision),
        Some(From::Start(())) => After::Nothing,
        Some(From::End(())) => After::Now,
        None => return Err(Status::invalid_argument("from where?")),
    };
    Ok((name, after))
}

fn from_all(node: &Node, all: AllOptions, forwards: bool) -> Result<Place, Status> {
    use all_options::AllOption as From;
    match all.all_option {
        Some(From::Position(at)) => known(node, Place { commit: at.commit_position, prepare: at.prepare_position }),
        Some(From::Start(())) if forwards => Ok(Place::START),
        Some(From::Start(())) => Ok(Place::START),
        Some(From::End(())) => Ok(Place::END),
        None => Err(Status::invalid_argument("from where?")),
    }
}

fn after_all(node: &Node, all: AllOptions) -> Result<After<Place>, Status> {
    use all_options::AllOption as From;
    match all.all_option {
        Some(From::Position(at)) => {
            known(node, Place { commit: at.commit_position, prepare: at.prepare_position }).map(After::This)
        }
        Some(From::Start(())) => Ok(After::Nothing),
        Some(From::End(())) => Ok(After::Now),
        None => Err(Status::invalid_argument("from where?")),
    }
}

fn known(node: &Node, place: Place) -> Result<Place, Status> {
    if node.shared.log.lock().unwrap().knows(place) { Ok(place) } else { Err(refusals::no_such_place()) }
}

impl Node {
    /// How many records it shows now.
    fn shown(&self) -> usize {
        *self.seen().borrow()
    }

    fn page(&self, from: Place, most: usize, filter: &Filter) -> Page {
        self.shared.log.lock().unwrap().forwards(self.shown(), from, most, filter.window, filter)
    }

    fn page_back(&self, from: Place, most: usize, filter: &Filter) -> Page {
        self.shared.log.lock().unwrap().backwards(self.shown(), from, most, filter)
    }

    fn stream(&self, name: &str, from: u64, forwards: bool, most: usize) -> Shown {
        self.shared.log.lock().unwrap().stream(self.shown(), name, from, forwards, most)
    }
}

fn stream_once(
    node: Arc<Node>,
    form: Form,
    name: String,
    from: u64,
    forwards: bool,
    most: u64,
) -> impl Stream<Item = Result<ReadResp, Status>> {
    try_stream! {
        let (mut from, mut left) = (from, most);
        loop {
            let page = PAGE.min(usize::try_from(left).unwrap_or(PAGE));
            let (events, last) = match node.stream(&name, from, forwards, page) {
                Shown::NotFound => {
                    let stream_identifier = Some(StreamIdentifier::of(&name));
                    yield Content::StreamNotFound(read_resp::StreamNotFound { stream_identifier }).into();
                    return;
                }
                Shown::Deleted => Err(refusals::stream_deleted(&name))?,
                Shown::Events(events, last) => (events, last),
            };
            let end = match events.last() {
                None => true,
                Some(event) if forwards => event.revision == last,
                Some(event) => event.revision == 0 || events.len() < page,
            };
            left -= events.len() as u64;
            for event in events {
                from = if forwards { event.revision + 1 } else { event.revision.saturating_sub(1) };
                yield shown(form, &event);
            }
            if end || left == 0 {
                if form.ends {
                    yield Content::LastStreamPosition(last).into();
                }
                return;
            }
        }
    }
}

fn all_once(
    node: Arc<Node>,
    form: Form,
    from: Place,
    forwards: bool,
    most: u64,
    filter: Filter,
) -> impl Stream<Item = Result<ReadResp, Status>> {
    try_stream! {
        let (mut from, mut left) = (from, most);
        while left > 0 {
            let size = PAGE.min(usize::try_from(left).unwrap_or(PAGE));
            let page = if forwards { node.page(from, size, &filter) } else { node.page_back(from, size, &filter) };
            left -= page.events.len() as u64;
            for event in &page.events {
                yield shown(form, event);
            }
            if page.end {
                return;
            }
            from = page.next;
        }
    }
}

fn stream_on(
    node: Arc<Node>,
    form: Form,
    name: String,
    after: After<u64>,
) -> impl Stream<Item = Result<ReadResp, Status>> {
    try_stream! {
        let mut seen = node.seen();
        let mut next = match after {
            After::Nothing => 0,
            After::This(revision) => revision.saturating_add(1),
            After::Now => match node.stream(&name, u64::MAX, false, 1) {
                Shown::Events(_, last) => last + 1,
                Shown::NotFound | Shown::Deleted => 0,
            },
        };
        yield confirmed();
        let mut caught_up = false;
        loop {
            seen.borrow_and_update();
            let events = match node.stream(&name, next, true, PAGE) {
                Shown::Deleted => Err(refusals::stream_deleted(&name))?,
                Shown::NotFound => Vec::new(),
                Shown::Events(events, _) => events,
            };
            let full = events.len() == PAGE;
            for event in events {
                next = event.revision + 1;
                yield shown(form, &event);
            }
            if full {
                continue;
            }
            if !std::mem::replace(&mut caught_up, true) {
                yield Content::CaughtUp(read_resp::CaughtUp {}).into();
            }
            if seen.changed().await.is_err() {
                return;
            }
        }
    }
}

fn all_on(
    node: Arc<Node>,
    form: Form,
    after: After<Place>,
    filter: Filter,
) -> impl Stream<Item = Result<ReadResp, Status>> {
    try_stream! {
        let mut seen = node.seen();
        let records = *seen.borrow_and_update();
        node.shared.followed_from.lock().unwrap().push(match after {
            After::This(place) => Some(place.commit),
            After::Nothing => Some(0),
            After::Now => None,
        });
        let mut follows = node.shared.faults.follows();
        let last = node.shared.log.lock().unwrap().last(records);
        yield confirmed();
        // What was told last, an event's place or another.
        let mut told = match after {
            After::Nothing => None,
            After::This(place) => Some(place),
            After::Now => Some(last),
        };
        let mut passed = records;
        if told < Some(last) {
            let (mut from, mut considered, mut checkpoint) = (told.unwrap_or(Place::START), 0, None);
            loop {
                let (page, before) = (node.page(from, PAGE, &filter), told);
                for event in page.events.iter().filter(|event| Some(event.place()) > before) {
                    told = Some(event.place());
                    yield shown(form, event);
                }
                considered += page.considered;
                let due = filter.interval.is_some_and(|interval| page.end || considered >= interval);
                if due {
                    considered %= filter.interval.unwrap_or(1);
                    told = told.max(Some(page.from));
                    if let Some(place) = told.filter(|_| told > checkpoint) {
                        checkpoint = told;
                        yield at(place);
                    }
                }
                if page.end {
                    passed = page.passed;
                    break;
                }
                from = page.next;
            }
        }
        yield Content::CaughtUp(read_resp::CaughtUp {}).into();
        let mut considered = 0;
        loop {
            let coming: Vec<Recorded> = {
                let upto = (*seen.borrow_and_update()).max(passed);
                node.shared.log.lock().unwrap().all()[passed..upto].to_vec()
            };
            passed += coming.len();
            let before = told;
            for event in coming.iter().filter(|event| Some(event.place()) > before) {
                if filter.allows(event) {
                    told = Some(event.place());
                    yield shown(form, event);
                    continue;
                }
                considered += 1;
                if filter.interval.is_some_and(|interval| considered >= interval) {
                    considered = 0;
                    told = Some(event.place());
                    yield at(event.place());
                }
            }
            tokio::select! {
                changed = seen.changed() => if changed.is_err() { return },
                () = follows.ended() => return,
            }
        }
    }
}

fn confirmed() -> ReadResp {
    let subscription_id = uuid::Uuid::new_v4().to_string();
    Content::Confirmation(read_resp::SubscriptionConfirmation { subscription_id }).into()
}

fn at(place: Place) -> ReadResp {
    let checkpoint = read_resp::Checkpoint { commit_position: place.commit, prepare_position: place.prepare };
    Content::Checkpoint(checkpoint).into()
}

fn shown(form: Form, event: &Recorded) -> ReadResp {
    let content = if event.json { "application/json" } else { "application/octet-stream" };
    let metadata = [
        ("type", event.event_type.clone()),
        ("created", event.created.to_string()),
        ("content-type", content.to_owned()),
    ];
    let recorded = read_event::RecordedEvent {
        id: Some(if form.text { Uuid::text(event.id) } else { event.id.into() }),
        stream_identifier: Some(StreamIdentifier::of(&event.stream)),
        stream_revision: event.revision,
        prepare_position: event.at,
        commit_position: event.at,
        metadata: metadata.map(|(key, value)| (key.to_owned(), value)).into_iter().collect::<HashMap<_, _>>(),
        custom_metadata: event.metadata.clone(),
        data: event.data.clone(),
    };
    Content::Event(read_resp::ReadEvent {
        event: Some(recorded),
        link: None,
        position: Some(read_event::Position::CommitPosition(event.at)),
    })
    .into()
}

impl From<Content> for ReadResp {
    fn from(content: Content) -> Self {
        ReadResp { content: Some(content) }
    }
}
