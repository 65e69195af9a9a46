//! What a clean-up would do, as it is told.

use std::collections::BTreeMap;

use chrysalis_domain::id::UserId;
use chrysalis_projections::absences::Absent;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::admin::rehearse::Rehearsal;
use crate::wire::json_time::JsonTime;

/// Whom a maximum age would delete now, and whom it would have deleted had it always been in force.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RehearsalBody {
    /// Nothing was done.
    #[schema(example = true)]
    dry_run: bool,
    /// Seconds.
    #[schema(example = 1_209_600)]
    max_age: i64,
    /// Whoever was last active before: the maximum age, and the hour within which activity is recorded.
    last_active_before: JsonTime,
    would_delete: u64,
    /// Away for as long, and held.
    held: u64,
    /// Away for as long, and taken out of use already.
    out_of_use: u64,
    /// Some of those who would be deleted: who was last active longest ago comes first.
    guests: Vec<AbsentGuest>,
    /// Some of those who are held.
    held_guests: Vec<AbsentGuest>,
    hindsight: Hindsight,
    /// Events that are not counted yet: the read model is being folded anew.
    #[serde(skip_serializing_if = "is_none")]
    events_behind: u64,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AbsentGuest {
    #[schema(value_type = String, example = "usr_01JD8M4Z5T0123456789ABCDEF")]
    id: UserId,
    last_active_at: JsonTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    held_until: Option<JsonTime>,
}

/// By how long guests were away so far, holds left aside.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Hindsight {
    would_have_deleted: u64,
    /// Of these, who came back and became a member …
    became_members: u64,
    /// … by the method …
    by_method: BTreeMap<String, u64>,
    /// … who came back and became none …
    came_back: u64,
    /// … and who did not.
    stayed_away: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_none(events: &u64) -> bool {
    *events == 0
}

impl From<Absent> for AbsentGuest {
    fn from(absent: Absent) -> Self {
        let Absent { user, active_at, held_until } = absent;
        Self { id: user, last_active_at: active_at.into(), held_until: held_until.map(Into::into) }
    }
}

impl From<Rehearsal> for RehearsalBody {
    fn from(rehearsal: Rehearsal) -> Self {
        let hindsight = Hindsight {
            would_have_deleted: rehearsal.hindsight.would_have_deleted(),
            became_members: rehearsal.hindsight.became_members(),
            came_back: rehearsal.hindsight.returned,
            stayed_away: rehearsal.hindsight.stayed_away,
            by_method: rehearsal.hindsight.members,
        };
        Self {
            dry_run: true,
            max_age: rehearsal.max_age.as_secs_ceil(),
            last_active_before: rehearsal.cutoff.into(),
            would_delete: rehearsal.would_delete,
            held: rehearsal.held,
            out_of_use: rehearsal.disabled,
            guests: rehearsal.first.into_iter().map(Into::into).collect(),
            held_guests: rehearsal.first_held.into_iter().map(Into::into).collect(),
            hindsight,
            events_behind: rehearsal.behind,
        }
    }
}
