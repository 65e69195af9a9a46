//! The log itself, for auditors: its events as the lines of an export have them, by the page or as they come.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrysalis_domain::id::UserId;
use chrysalis_domain::{Permission, Timestamp};
use http::header::ACCEPT;
use http::{HeaderMap, HeaderName};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::stream;
use crate::app::audit::events::{Reader, Wanted, type_named};
use crate::evidence::line::Line;
use crate::http::forms::{unfit, unprocessable};
use crate::http::state::Http;
use crate::http::who::Who;
use crate::log::{Position, StreamId, times};
use crate::wire::body::Query;
use crate::wire::error::{ApiError, ErrorBody};
use crate::wire::moment::Moment;

/// Events of a page where nothing is said, and at the most.
const LIMIT: u32 = 100;
const LIMIT_MAX: u32 = 1_000;
const TYPES_MAX: usize = 100;
/// Longest name of a stream.
const STREAM_MAX: usize = 100;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// All that is given must hold.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct EventsQuery {
    /// Events behind this position; `next` of the page before. From the first one on, where nothing is said.
    after: Option<u64>,
    /// 100 by default, at most 1000. A stream of events has no limit.
    limit: Option<u32>,
    /// Of this stream alone, such as `settings-proj_00000000000000000000000000`.
    #[param(example = "user-usr_01JD8M4Z5T0123456789ABCDEF")]
    stream: Option<String>,
    /// Of this user's stream alone.
    user: Option<String>,
    /// Of these types alone, with commas between, such as `GuestCreated,GuestUpgraded`.
    #[serde(rename = "type")]
    types: Option<String>,
    /// Recorded at this time or later: RFC 3339, a date, or epoch milliseconds.
    #[param(value_type = Option<String>)]
    from: Option<Moment>,
    /// Recorded at this time or before. A stream of events ends with the first that is later.
    #[param(value_type = Option<String>)]
    to: Option<Moment>,
}

/// A page of the log, oldest first.
#[derive(Serialize, ToSchema)]
pub struct EventPage<'e> {
    /// As the lines of an export: `docs/audit.md` names every field.
    #[schema(value_type = Vec<Object>)]
    events: Vec<Line<'e>>,
    /// Where to go on, now or later.
    next: Position,
    /// Whether there is more now. A page may be short, and not be the last.
    more: bool,
}

/// Events of the log, in its order. With `Accept: text/event-stream` they come as they happen: `id` is the position, and
/// `Last-Event-ID` resumes behind it.
#[utoipa::path(
    get, path = "/events", tag = "audit",
    params(EventsQuery, ("Last-Event-ID" = Option<u64>, Header, description = "Of a stream of events: goes on behind this position")),
    responses(
        (status = 200, description = "A page, or a stream of server-sent events", content((EventPage = "application/json"), (String = "text/event-stream"))),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`: `audit.read`; `FORBIDDEN`", body = ErrorBody),
        (status = 422, description = "`VALIDATION_ERROR`", body = ErrorBody),
        (status = 503, description = "`TOO_MANY_STREAMS`, `SERVICE_UNAVAILABLE`", body = ErrorBody),
    )
)]
pub async fn events(
    State(http): State<Http>,
    who: Who,
    headers: HeaderMap,
    query: Result<Query<EventsQuery>, ApiError>,
) -> Result<Response, ApiError> {
    let authority = who.authority(Permission::AuditRead)?;
    let Query(query) = query.map_err(unprocessable)?;
    let (limit, from, mut after) = (query.limit, query.from, query.after.unwrap_or(0));
    if limit == Some(0) {
        return Err(unprocessable(unfit("limit", "must be at least 1")));
    }
    let wanted = query.wanted().map_err(unprocessable)?;
    let streaming = accepts_stream(&headers);
    if streaming && let Some(last) = last_event(&headers)? {
        after = last;
    }
    if let Some(Moment(from)) = from {
        let before = Timestamp::from_millis(from.as_millis().saturating_sub(1));
        after = after.max(times::upto(http.app.log.as_ref(), before).await?);
    }
    let mut reader = Reader::behind(after, wanted);
    if streaming {
        return stream::open(&http, authority, reader);
    }
    let limit = limit.unwrap_or(LIMIT).min(LIMIT_MAX) as usize;
    let page = reader.next(http.app.log.as_ref(), limit).await?;
    let events = page.events.iter().map(|event| Line::of(&event.fields(), event.leaf())).collect();
    Ok(Json(EventPage { events, next: page.on, more: page.more }).into_response())
}

impl EventsQuery {
    fn wanted(self) -> Result<Wanted, ApiError> {
        if self.after.is_some_and(|after| i64::try_from(after).is_err()) {
            return Err(unfit("after", "is no position"));
        }
        if self.to.is_some_and(|to| self.from.is_some_and(|from| to < from)) {
            return Err(unfit("to", "lies before `from`"));
        }
        let stream = match (self.stream, self.user) {
            (Some(_), Some(_)) => return Err(unfit("user", "goes without `stream`")),
            (Some(stream), None) if stream.len() > STREAM_MAX => return Err(unfit("stream", "is no stream's name")),
            (Some(stream), None) => Some(StreamId::from_stored(stream)),
            (None, Some(user)) => {
                let user: UserId = user.parse().map_err(|_| unfit("user", "is no id of a user"))?;
                Some(StreamId::user(user))
            }
            (None, None) => None,
        };
        let names: Vec<&str> = self.types.as_deref().map_or_else(Vec::new, |types| types.split(',').collect());
        if names.len() > TYPES_MAX {
            return Err(unfit("type", format!("takes at most {TYPES_MAX}")));
        }
        let known =
            |name: &&str| type_named(name.trim()).ok_or_else(|| unfit("type", "names no type of event there is"));
        let types = names.iter().map(known).collect::<Result<_, _>>()?;
        Ok(Wanted { stream, types, to: self.to.map(|to| to.0) })
    }
}

fn accepts_stream(headers: &HeaderMap) -> bool {
    let said = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut kinds = said.flat_map(|value| value.split(','));
    kinds.any(|kind| kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/event-stream"))
}

/// Where a reader that was cut off goes on.
fn last_event(headers: &HeaderMap) -> Result<Option<Position>, ApiError> {
    let Some(said) = headers.get(LAST_EVENT_ID) else { return Ok(None) };
    let read = said.to_str().ok().map(str::trim).filter(|text| !text.is_empty());
    let Some(text) = read else { return Ok(None) };
    let position = text.parse().ok().filter(|position| i64::try_from(*position).is_ok());
    position.map(Some).ok_or_else(|| unprocessable(unfit("Last-Event-ID", "is no position")))
}
