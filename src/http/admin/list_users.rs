//! Users, a page at a time, in both client forms (CONTRACT 7.2).
//!
//! A filter that is not understood is refused, never dropped: a clean-up loop over a list whose filter was dropped would
//! go through everybody.

use axum::Json;
use axum::extract::{RawQuery, State};
use chrysalis_domain::Permission;
use chrysalis_domain::id::UserId;
use chrysalis_projections::listing::{Compare, Condition, Field, From, Order};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::AdminUser;
use super::list_query::{ListQuery, once};
use crate::app::admin::list_users::{ListUsers, Page, Total};
use crate::http::authority::not_allowed;
use crate::http::forms::{in_order, unfit};
use crate::http::state::Http;
use crate::http::who::Who;
use crate::wire::body::{AdminBody, Body, Fields, Query};
use crate::wire::error::{ApiError, ErrorBody};
use crate::wire::json_time::JsonTime;

/// Users of a page where nothing is said, and at the most.
const LIMIT: u32 = 100;
const LIMIT_MAX: u32 = 200;

/// Which users. A key that is not among these is refused.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = admin_list_users::ListForm)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListForm {
    #[serde(default)]
    limit: Option<u32>,
    /// Users created before this one, in the order `desc`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    after: Option<UserId>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    before: Option<UserId>,
    /// `desc`, the newest first, or `asc`.
    #[serde(default)]
    order: Option<Direction>,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    role: Option<String>,
    /// Members of this organization.
    #[serde(default)]
    organization_id: Option<String>,
    #[serde(default)]
    filter: FilterForm,
}

/// All that is given must hold.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FilterForm {
    is_anonymous: Option<bool>,
    email_verified: Option<bool>,
    banned: Option<bool>,
    role: Option<String>,
    email: Option<String>,
    /// RFC 3339, a date, or epoch milliseconds.
    created_before: Option<JsonTime>,
    created_after: Option<JsonTime>,
    last_active_before: Option<JsonTime>,
    last_active_after: Option<JsonTime>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    Asc,
    Desc,
}

impl FilterForm {
    /// Whether anybody can be all of this at once.
    pub fn in_order(&self) -> Result<(), ApiError> {
        in_order(("createdAfter", self.created_after), ("createdBefore", self.created_before))?;
        in_order(("lastActiveAfter", self.last_active_after), ("lastActiveBefore", self.last_active_before))
    }

    /// What must hold, and the address of whom it must hold.
    pub fn conditions(self) -> (Vec<Condition>, Option<String>) {
        let flags = [
            (Field::IsAnonymous, self.is_anonymous),
            (Field::EmailVerified, self.email_verified),
            (Field::Banned, self.banned),
        ];
        let flags = flags.into_iter().filter_map(|(field, flag)| Some(Condition::Flag(field, flag?)));
        let times = [
            (Field::CreatedAt, Compare::Less, self.created_before),
            (Field::CreatedAt, Compare::More, self.created_after),
            (Field::LastActiveAt, Compare::Less, self.last_active_before),
            (Field::LastActiveAt, Compare::More, self.last_active_after),
        ];
        let times =
            times.into_iter().filter_map(|(field, compare, time)| Some(Condition::Time(field, compare, time?.0)));
        let role = self.role.map(|role| Condition::Role(vec![role], true));
        (flags.chain(times).chain(role).collect(), self.email)
    }
}

impl ListForm {
    fn into_listing(self) -> Result<ListUsers, ApiError> {
        self.filter.in_order()?;
        let filtered_by_address = self.filter.email.is_some();
        let (mut conditions, filtered) = self.filter.conditions();
        if filtered_by_address && self.email.is_some() && filtered != self.email {
            // Nobody has two addresses.
            conditions.push(Condition::Among(Vec::new(), true));
        }
        conditions.extend(self.role.map(|role| Condition::Role(vec![role], true)));
        // What is no organization has no members.
        let members = |id: String| id.parse().map_or(Condition::Among(Vec::new(), true), Condition::Member);
        conditions.extend(self.organization_id.map(members));
        let from = match (self.after, self.before) {
            (None, None) => From::Start,
            (Some(after), None) => From::After(after),
            (None, Some(before)) => From::Before(before),
            (Some(_), Some(_)) => return Err(unfit("before", "goes without `after`")),
        };
        Ok(ListUsers {
            addresses: self.email.or(filtered).map(|email| (vec![email], true)),
            conditions,
            order: Order { ascending: self.order == Some(Direction::Asc), ..Order::NEWEST_FIRST },
            from,
            limit: limit(self.limit),
        })
    }
}

pub(super) fn limit(asked: Option<u32>) -> u32 {
    asked.unwrap_or(LIMIT).clamp(1, LIMIT_MAX)
}

/// A page of users. `users` and `data` are the same rows, for the two clients there are.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PageBody {
    users: Vec<AdminUser>,
    data: Vec<AdminUser>,
    /// How many there are on all pages.
    total: u64,
    /// There may be more than `total`: no more were counted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    total_is_estimate: bool,
    limit: u32,
    offset: u32,
    list_metadata: ListMetadata,
}

/// Where the pages beside this one begin.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListMetadata {
    #[schema(value_type = Option<String>)]
    before: Option<UserId>,
    /// `null` on the last page.
    #[schema(value_type = Option<String>)]
    after: Option<UserId>,
}

fn body(page: Page, limit: u32, offset: u32) -> PageBody {
    let users: Vec<AdminUser> = page.users.into_iter().map(Into::into).collect();
    let (total, total_is_estimate) = match page.total {
        Total::Exactly(total) => (total, false),
        Total::AtLeast(total) => (total, true),
    };
    let list_metadata = ListMetadata { before: page.before, after: page.after };
    PageBody { data: users.clone(), users, total, total_is_estimate, limit, offset, list_metadata }
}

/// Users, newest first.
#[utoipa::path(
    post, path = "/admin/list-users", tag = "admin",
    request_body = ListForm,
    responses(
        (status = 200, description = "A page", body = PageBody),
        (status = 400, description = "`UNKNOWN_FILTER`, `VALIDATION_ERROR`", body = ErrorBody),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`, `YOU_ARE_NOT_ALLOWED_TO_LIST_USERS`", body = ErrorBody),
    )
)]
pub async fn list(
    State(http): State<Http>,
    who: Who,
    Body(fields): AdminBody<Fields>,
) -> Result<Json<PageBody>, ApiError> {
    let authority = who.authority_or(Permission::UsersRead, || not_allowed("YOU_ARE_NOT_ALLOWED_TO_LIST_USERS"))?;
    let form: ListForm = authority.read(fields).map_err(unknown_filter)?;
    let asked = form.into_listing()?;
    let limit = asked.limit;
    Ok(Json(body(http.app.list_users(asked, who.caller.at).await?, limit, 0)))
}

/// The same for the stock admin client.
#[utoipa::path(
    get, path = "/admin/list-users", tag = "admin",
    params(
        ("limit" = Option<u32>, Query, description = "At most 200, 100 by default"),
        ("offset" = Option<u32>, Query, description = "Users before the page"),
        ("searchValue" = Option<String>, Query, description = "A part of their address or name, at most 255 characters; upper and lower case are one"),
        ("searchField" = Option<String>, Query, description = "`email`, which is the default, or `name`"),
        ("searchOperator" = Option<String>, Query, description = "`contains`, which is the default, `starts_with` or `ends_with`"),
        ("sortBy" = Option<String>, Query, description = "A field of users; by `email` and `name`, who has none comes last"),
        ("sortDirection" = Option<String>, Query, description = "`asc` or `desc`"),
        ("filterField" = Option<String>, Query, description = "A field of users"),
        ("filterValue" = Option<String>, Query, description = "As the field is read; several with commas for `in` and `not_in`"),
        ("filterOperator" = Option<String>, Query, description = "`eq`, `ne`, `lt`, `lte`, `gt`, `gte`, `in`, `not_in`; of `email`, `name` and `role` also `contains`, `starts_with`, `ends_with`"),
    ),
    responses(
        (status = 200, description = "A page", body = PageBody),
        (status = 400, description = "`UNKNOWN_FILTER`, `VALIDATION_ERROR`; `SEARCH_DISABLED`, where `search.enabled` is off; `SEARCH_TOO_WIDE`", body = ErrorBody),
        (status = 401, description = "`UNAUTHORIZED`", body = ErrorBody),
        (status = 403, description = "`YOU_ARE_NOT_ALLOWED_TO_LIST_USERS`", body = ErrorBody),
    )
)]
pub async fn list_by_get(
    State(http): State<Http>,
    who: Who,
    RawQuery(raw): RawQuery,
    query: Result<Query<ListQuery>, ApiError>,
) -> Result<Json<PageBody>, ApiError> {
    who.authority_or(Permission::UsersRead, || not_allowed("YOU_ARE_NOT_ALLOWED_TO_LIST_USERS"))?;
    let Query(query) = query.map_err(unknown_filter)?;
    once(raw.as_deref().unwrap_or_default())?;
    let (limit, offset) = (limit(query.limit), query.offset.unwrap_or(0));
    let asked = query.into_listing()?;
    Ok(Json(body(http.app.list_users(asked, who.caller.at).await?, limit, offset)))
}

/// A key that is not understood is a filter that would be dropped.
pub(super) fn unknown_filter(error: ApiError) -> ApiError {
    match error.body().errors.iter().find(|field| field.code == "UNKNOWN_FIELD") {
        Some(unknown) => unknown_key(&unknown.field),
        None => error,
    }
}

pub(super) fn unknown_key(name: &str) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "UNKNOWN_FILTER", format!("Unknown filter: {name}"))
}
