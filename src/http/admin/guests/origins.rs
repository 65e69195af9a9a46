//! Where and when guests came: what shows a wave of bots. Networks are named by what is kept of them, which is no address and
//! leads to none.

use axum::Json;
use axum::extract::State;
use chrysalis_domain::id::UserId;
use chrysalis_domain::{Permission, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::admin::waves::{Counted, LATELY};
use crate::http::forms::unfit;
use crate::http::state::Http;
use crate::http::who::Who;
use crate::log::origins::{Grouping, Tally, Width, named};
use crate::wire::body::{AdminBody, Body, Fields};
use crate::wire::error::{ApiError, ErrorBody};
use crate::wire::json_time::JsonTime;

/// Pieces of rows that one answer counts: a million guests.
const PIECES: usize = 20;
/// Groups of a page.
const LIMIT: u32 = 50;
const LIMIT_MAX: u32 = 500;

/// Which guests, and what is told apart. A key that is not among these is refused.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OriginsForm {
    /// Who came at this time or later: RFC 3339, a date, or epoch milliseconds. A day ago by default.
    #[serde(default)]
    from: Option<JsonTime>,
    /// Who came at this time or before. Now by default.
    #[serde(default)]
    to: Option<JsonTime>,
    /// `network` by default. Of the networks one at the most: `network` is an IPv4 address or an IPv6 /64, `network56` and
    /// `network48` put the IPv6 /56 and /48 around it together.
    #[serde(default)]
    by: Option<Vec<By>>,
    /// 50 by default, 500 at the most.
    #[serde(default)]
    limit: Option<u32>,
    /// Groups before the page.
    #[serde(default)]
    offset: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum By {
    Network,
    Network56,
    Network48,
    Hour,
}

impl By {
    const fn width(self) -> Option<Width> {
        match self {
            By::Network => Some(Width::Subscriber),
            By::Network56 => Some(Width::Home),
            By::Network48 => Some(Width::Site),
            By::Hour => None,
        }
    }
}

impl OriginsForm {
    fn grouping(&self) -> Result<Grouping, ApiError> {
        let by = self.by.as_deref().unwrap_or(&[By::Network]);
        let mut widths = by.iter().filter_map(|by| by.width());
        let (network, another) = (widths.next(), widths.next());
        if another.is_some() || by.is_empty() {
            return Err(unfit("by", "takes hour, and one of network, network56 and network48"));
        }
        Ok(Grouping { network, hour: by.contains(&By::Hour) })
    }

    fn span(&self, now: Timestamp) -> Result<(Timestamp, Timestamp), ApiError> {
        let to = self.to.map_or(now, |JsonTime(to)| to.min(now));
        let from = self.from.map_or(to - LATELY, |JsonTime(from)| from);
        if from <= to { Ok((from, to)) } else { Err(unfit("from", "must not be behind `to`, nor in the future")) }
    }
}

/// Guests who came together, as far as they still are users.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OriginGroup {
    /// What `/admin/guests/disable-wave` takes. The same for as long as the look-up key is.
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<String>,
    /// The hour that begins then.
    #[serde(skip_serializing_if = "Option::is_none")]
    hour: Option<JsonTime>,
    /// How many came.
    arrived: u64,
    /// How many of them are guests,
    guests: u64,
    /// became members since,
    upgraded: u64,
    /// or are out of use.
    disabled: u64,
    first_at: JsonTime,
    last_at: JsonTime,
    #[schema(value_type = String)]
    first_user_id: UserId,
    #[schema(value_type = String)]
    last_user_id: UserId,
}

impl From<Tally> for OriginGroup {
    fn from(tally: Tally) -> Self {
        let Tally { key, arrived, guests, upgraded, disabled, first, last } = tally;
        Self {
            network: key.network.as_ref().map(named),
            hour: key.hour.map(Into::into),
            arrived,
            guests,
            upgraded,
            disabled,
            first_at: first.1.into(),
            last_at: last.1.into(),
            first_user_id: first.0,
            last_user_id: last.0,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OriginsBody {
    /// The largest first.
    groups: Vec<OriginGroup>,
    /// Groups on all pages.
    total: usize,
    limit: u32,
    offset: u32,
    /// Who came from this time to that was counted.
    from: JsonTime,
    to: JsonTime,
    /// False: more came in the time that was asked about than one answer counts. `from` is how far it came.
    complete: bool,
}

/// Counts guests by where and when they came. Who was deleted is not counted any more, nor whose origin was forgotten
/// (`origins.keep`).
#[utoipa::path(
    post, path = "/admin/guests/origins", tag = "admin",
    request_body = OriginsForm,
    responses(
        (status = 200, description = "A page of groups", body = OriginsBody),
        (status = 400, description = "`VALIDATION_ERROR`, also for any other key", body = ErrorBody),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`: `guests.manage`; `FORBIDDEN`", body = ErrorBody),
    )
)]
pub async fn count(
    State(http): State<Http>,
    who: Who,
    Body(form): AdminBody<Fields>,
) -> Result<Json<OriginsBody>, ApiError> {
    let authority = who.authority(Permission::GuestsManage)?;
    let form: OriginsForm = authority.read(form)?;
    let (grouping, (from, to)) = (form.grouping()?, form.span(who.caller.at)?);
    let (limit, offset) = (form.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX), form.offset.unwrap_or(0));
    let Counted { groups, down_to } = http.app.waves(&who.caller, &authority).count(grouping, from, to, PIECES).await?;
    let total = groups.len();
    let page = groups.into_iter().skip(offset as usize).take(limit as usize).map(Into::into);
    Ok(Json(OriginsBody {
        groups: page.collect(),
        total,
        limit,
        offset,
        from: down_to.unwrap_or(from).into(),
        to: to.into(),
        complete: down_to.is_none(),
    }))
}
