//! The stock admin client's way of asking for users: one filter, one order, all as text (CONTRACT 7.2).

use chrysalis_domain::id::UserId;
use chrysalis_projections::listing::{Compare, Condition, Field, From, Order};
use serde::Deserialize;

use super::list_users::{Direction, limit, unknown_key};
use crate::app::admin::list_users::ListUsers;
use crate::http::forms::unfit;
use crate::wire::error::ApiError;
use crate::wire::json_time::JsonTime;

/// Values of one `in`, at the most.
const VALUES_MAX: usize = 100;
/// Rows that may be passed by to get to a page: deeper pages are asked for by filter, or by id in the other form.
const OFFSET_MAX: u32 = 1_000_000;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ListQuery {
    pub limit: Option<u32>,
    pub offset: Option<u32>,
    sort_by: Option<String>,
    sort_direction: Option<Direction>,
    filter_field: Option<String>,
    filter_value: Option<String>,
    filter_operator: Option<Operator>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Operator {
    Eq,
    Ne,
    Lt,
    Lte,
    Gt,
    Gte,
    In,
    NotIn,
}

/// A field as the client names it.
fn named(name: &str) -> Result<Field, ApiError> {
    Ok(match name {
        "id" => Field::Id,
        "role" => Field::Role,
        "emailVerified" => Field::EmailVerified,
        "banned" => Field::Banned,
        "isAnonymous" => Field::IsAnonymous,
        "createdAt" => Field::CreatedAt,
        "updatedAt" => Field::UpdatedAt,
        "lastActiveAt" => Field::LastActiveAt,
        other => return Err(unknown_key(other)),
    })
}

impl ListQuery {
    pub fn into_listing(self) -> Result<ListUsers, ApiError> {
        let mut conditions = Vec::new();
        match (self.filter_field, self.filter_value) {
            (None, None) => {}
            (Some(field), Some(value)) => {
                conditions.push(filter(named(&field)?, self.filter_operator.unwrap_or(Operator::Eq), &value)?);
            }
            (Some(_), None) => return Err(unfit("filterValue", "goes with `filterField`")),
            (None, Some(_)) => return Err(unfit("filterField", "goes with `filterValue`")),
        }
        let by = self.sort_by.as_deref().map(named).transpose()?.unwrap_or(Field::CreatedAt);
        let ascending = self.sort_direction == Some(Direction::Asc);
        let offset = self.offset.unwrap_or(0);
        if offset > OFFSET_MAX {
            return Err(unfit(
                "offset",
                "takes at most 1000000; ask by `filterField=id`, or in the other form by `after`",
            ));
        }
        Ok(ListUsers {
            email: None,
            conditions,
            order: Order { by, ascending },
            from: From::Offset(offset),
            limit: limit(self.limit),
        })
    }
}

fn filter(field: Field, operator: Operator, value: &str) -> Result<Condition, ApiError> {
    let unfit = |what: &str| Err(self::unfit("filterValue", what));
    let wrong = || Err(self::unfit("filterOperator", "does not go with this field"));
    match field {
        Field::Id => {
            let ids = value.split(',').map(|id| id.trim().parse::<UserId>());
            let Ok(ids) = ids.collect::<Result<Vec<_>, _>>() else { return unfit("takes ids of users") };
            if ids.len() > VALUES_MAX {
                return unfit("takes at most 100 values");
            }
            match (operator, ids.as_slice()) {
                (Operator::In, _) => Ok(Condition::Among(ids, true)),
                (Operator::NotIn, _) => Ok(Condition::Among(ids, false)),
                (operator, [id]) => compare(operator).map_or_else(wrong, |compare| Ok(Condition::Id(compare, *id))),
                _ => unfit("takes one id"),
            }
        }
        Field::Role => match operator {
            Operator::Eq => Ok(Condition::Role(value.to_owned(), true)),
            Operator::Ne => Ok(Condition::Role(value.to_owned(), false)),
            _ => wrong(),
        },
        field @ (Field::EmailVerified | Field::Banned | Field::IsAnonymous) => {
            let Ok(flag) = value.parse::<bool>() else { return unfit("takes `true` or `false`") };
            match operator {
                Operator::Eq => Ok(Condition::Flag(field, flag)),
                Operator::Ne => Ok(Condition::Flag(field, !flag)),
                _ => wrong(),
            }
        }
        field => {
            let Ok(time) = JsonTime::parse(value) else {
                return unfit("takes a date YYYY-MM-DDTHH:MM:SS.mmmZ or epoch milliseconds");
            };
            compare(operator).map_or_else(wrong, |compare| Ok(Condition::Time(field, compare, time.0)))
        }
    }
}

const fn compare(operator: Operator) -> Option<Compare> {
    Some(match operator {
        Operator::Eq => Compare::Is,
        Operator::Ne => Compare::IsNot,
        Operator::Lt => Compare::Less,
        Operator::Lte => Compare::AtMost,
        Operator::Gt => Compare::More,
        Operator::Gte => Compare::AtLeast,
        Operator::In | Operator::NotIn => return None,
    })
}
