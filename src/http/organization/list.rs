//! Lists of organizations, members and invitations. Three clients want three shapes, so verb and credential decide
//! (CONTRACT 6).

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::which;
use crate::app::organization::{Page, Pages, Which};
use crate::http::admin::list_users::Direction;
use crate::http::forms::unfit;
use crate::wire::error::ApiError;

/// Rows of a page where nothing is said, and at the most.
const LIMIT: u32 = 100;
const LIMIT_MAX: u32 = 200;

/// Which part of a list.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = organization::ListForm)]
pub struct ListForm {
    organization_id: Option<String>,
    organization_slug: Option<String>,
    /// Of members.
    pub(super) role: Option<String>,
    /// Of invitations.
    pub(super) status: Option<String>,
    /// At most 200; 100 where nothing is said.
    limit: Option<u32>,
    /// In a session: how many members come before.
    pub(super) offset: Option<u32>,
    /// By key: the page behind this id …
    after: Option<String>,
    /// … or before it, in the list's order.
    before: Option<String>,
    /// By key: `desc`, the newest first, or `asc`.
    order: Option<Direction>,
    filter_field: Option<String>,
    sort_by: Option<String>,
}

impl ListForm {
    /// What is not understood is refused: a filter that is dropped lists everybody.
    pub(super) fn plain(self) -> Result<Self, ApiError> {
        if self.filter_field.is_some() || self.sort_by.is_some() {
            return Err(unfit("filterField", "members are listed by role alone, the oldest membership first"));
        }
        Ok(self)
    }

    pub(super) fn limit(&self) -> u32 {
        self.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX)
    }

    pub(super) fn pages<I: FromStr>(&self) -> Result<Pages<I>, ApiError> {
        let id = |field: &str, text: &Option<String>| {
            let parsed = text.as_deref().map(|text| text.parse().map_err(|_| unfit(field, "is no id of this list")));
            parsed.transpose()
        };
        let (after, before) = (id("after", &self.after)?, id("before", &self.before)?);
        if after.is_some() && before.is_some() {
            return Err(unfit("before", "goes without `after`"));
        }
        Ok(Pages { limit: self.limit(), after, before, ascending: self.order == Some(Direction::Asc) })
    }

    pub(super) fn which(self) -> Which {
        which(self.organization_id, self.organization_slug)
    }
}

/// A list as whoever asks reads it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Listed<T> {
    /// In a session.
    Bare(Vec<T>),
    /// Members by GET, in a session.
    Counted { members: Vec<T>, total: i64 },
    /// By key.
    #[serde(rename_all = "camelCase")]
    Page { data: Vec<T>, list_metadata: ListMetadata },
}

/// Where the pages beside this one begin.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = organization::ListMetadata)]
pub struct ListMetadata {
    before: Option<String>,
    /// `null` on the last page.
    after: Option<String>,
}

impl<T> From<Page<T>> for Listed<T> {
    fn from(page: Page<T>) -> Self {
        Self::Page { data: page.rows, list_metadata: ListMetadata { before: page.before, after: page.after } }
    }
}
