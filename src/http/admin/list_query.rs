//! The stock admin client's way of asking for users: one search, one filter, one order, all as text (CONTRACT 7.2).

use chrysalis_domain::id::UserId;
use chrysalis_projections::listing::{Compare, Condition, Field, From, Order};
use chrysalis_projections::search::{Fit, Sought, TextField};
use serde::Deserialize;

use super::list_users::{Direction, limit, unknown_key};
use crate::app::admin::list_users::ListUsers;
use crate::http::forms::unfit;
use crate::wire::error::ApiError;
use crate::wire::moment::Moment;

/// Values of one `in`, at the most.
const VALUES_MAX: usize = 100;
/// Longest text that is searched for, in characters.
const TEXT_MAX: usize = 255;
/// Rows that may be passed by to get to a page: deeper pages are asked for by filter, or by id in the other form.
const OFFSET_MAX: u32 = 1_000_000;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ListQuery {
    pub limit: Option<u32>,
    pub offset: Option<u32>,
    search_value: Option<String>,
    search_field: Option<SearchField>,
    search_operator: Option<SearchOperator>,
    sort_by: Option<String>,
    sort_direction: Option<Direction>,
    filter_field: Option<String>,
    filter_value: Option<String>,
    filter_operator: Option<Operator>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SearchField {
    Email,
    Name,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SearchOperator {
    Contains,
    StartsWith,
    EndsWith,
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
    Contains,
    StartsWith,
    EndsWith,
}

/// A field as the client names it.
fn named(name: &str) -> Result<Field, ApiError> {
    Ok(match name {
        "id" => Field::Id,
        "email" => Field::Text(TextField::Email),
        "name" => Field::Text(TextField::Name),
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
        let (mut conditions, mut addresses) = (Vec::new(), None);
        match (self.search_value, self.search_field, self.search_operator) {
            // What the stock dashboard sends while its box is empty.
            (None, ..) => {}
            (Some(value), ..) if value.is_empty() => {}
            (Some(value), field, operator) => {
                let field = match field {
                    Some(SearchField::Name) => TextField::Name,
                    Some(SearchField::Email) | None => TextField::Email,
                };
                let fit = match operator {
                    Some(SearchOperator::StartsWith) => Fit::Beginning,
                    Some(SearchOperator::EndsWith) => Fit::End,
                    Some(SearchOperator::Contains) | None => Fit::Anywhere,
                };
                conditions.push(Condition::Text(sought(field, fit, &value, "searchValue")?, true));
            }
        }
        match (self.filter_field, self.filter_value) {
            (None, None) => {}
            (Some(field), Some(value)) => {
                match filter(named(&field)?, self.filter_operator.unwrap_or(Operator::Eq), &value)? {
                    Filter::Condition(condition) => conditions.push(condition),
                    Filter::Addresses(all, held) => addresses = Some((all, held)),
                }
            }
            (Some(_), None) => return Err(unfit("filterValue", "goes with `filterField`")),
            (None, Some(_)) => return Err(unfit("filterField", "goes with `filterValue`")),
        }
        let by = self.sort_by.as_deref().map(named).transpose()?.unwrap_or(Field::CreatedAt);
        // Texts from A on, times from the latest on.
        let ascending = self.sort_direction.map_or(matches!(by, Field::Text(_)), |said| said == Direction::Asc);
        let offset = self.offset.unwrap_or(0);
        if offset > OFFSET_MAX {
            return Err(unfit(
                "offset",
                "takes at most 1000000; ask by `filterField=id`, or in the other form by `after`",
            ));
        }
        Ok(ListUsers {
            addresses,
            conditions,
            order: Order { by, ascending },
            from: From::Offset(offset),
            limit: limit(self.limit),
        })
    }
}

/// A text that is searched for.
fn sought(field: TextField, fit: Fit, value: &str, name: &'static str) -> Result<Sought, ApiError> {
    let short = value.chars().count() <= TEXT_MAX;
    let sought = short.then(|| Sought::new(field, fit, value)).flatten();
    sought.ok_or_else(|| unfit(name, "takes 1 to 255 characters"))
}

enum Filter {
    Condition(Condition),
    /// Who holds one of these, or who does not.
    Addresses(Vec<String>, bool),
}

fn filter(field: Field, operator: Operator, value: &str) -> Result<Filter, ApiError> {
    match field {
        Field::Text(field) => texts(field, operator, value),
        field => condition(field, operator, value).map(Filter::Condition),
    }
}

/// An address is held by one user, which the claim tells; names are many people's.
fn texts(field: TextField, operator: Operator, value: &str) -> Result<Filter, ApiError> {
    let text = |fit, fits| Ok(Filter::Condition(Condition::Text(sought(field, fit, value, "filterValue")?, fits)));
    let several = || value.split(',').map(|one| one.trim().to_owned()).collect::<Vec<_>>();
    let among = |all: Vec<String>, held| match all.len() {
        0..=VALUES_MAX => Ok(Filter::Addresses(all, held)),
        _ => Err(unfit("filterValue", "takes at most 100 values")),
    };
    match (field, operator) {
        (_, Operator::Contains) => text(Fit::Anywhere, true),
        (_, Operator::StartsWith) => text(Fit::Beginning, true),
        (_, Operator::EndsWith) => text(Fit::End, true),
        (TextField::Email, Operator::Eq) => among(vec![value.to_owned()], true),
        (TextField::Email, Operator::Ne) => among(vec![value.to_owned()], false),
        (TextField::Email, Operator::In) => among(several(), true),
        (TextField::Email, Operator::NotIn) => among(several(), false),
        (TextField::Name, Operator::Eq) => text(Fit::Whole, true),
        (TextField::Name, Operator::Ne) => text(Fit::Whole, false),
        _ => Err(unfit("filterOperator", "does not go with this field")),
    }
}

fn condition(field: Field, operator: Operator, value: &str) -> Result<Condition, ApiError> {
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
            let Ok(time) = Moment::parse(value) else {
                return unfit("takes a time of RFC 3339, a date such as 2027-01-15, or epoch milliseconds");
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
        Operator::In | Operator::NotIn | Operator::Contains | Operator::StartsWith | Operator::EndsWith => return None,
    })
}
