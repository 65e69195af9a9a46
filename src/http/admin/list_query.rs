//! The stock admin client's way of asking for users: one search, one filter, one order, all as text (CONTRACT 7.2).

use chrysalis_domain::id::UserId;
use chrysalis_domain::role::Roles;
use chrysalis_projections::listing::{Compare, Condition, Field, From, Order};
use chrysalis_projections::search::{Fit, Sought, TextField};
use serde::Deserialize;

use super::list_users::{Direction, limit, unknown_key};
use crate::app::admin::list_users::ListUsers;
use crate::http::forms::unfit;
use crate::wire::error::ApiError;
use crate::wire::moment::Moment;
use crate::wire::uri::pairs;

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
    /// The stock client sends a list as one name that comes again and again.
    filter_value: Option<Vec<String>>,
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

/// The values of a list stand under one name. Of any other that comes twice the first would be dropped.
pub fn once(query: &str) -> Result<(), ApiError> {
    let mut names: Vec<_> = pairs(query.as_bytes()).flatten().map(|(name, _)| name).collect();
    names.retain(|name| name != "filterValue");
    names.sort_unstable();
    names.windows(2).find(|two| two[0] == two[1]).map_or(Ok(()), |two| Err(unfit(&two[0], "is given once")))
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
            (Some(field), Some(values)) => {
                let operator = self.filter_operator.unwrap_or(Operator::Eq);
                match filter(named(&field)?, operator, &given(operator, values)?)? {
                    Filter::Conditions(more) => conditions.extend(more),
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

/// What a filter compares with: one value, or of `in` and `not_in` those that stand between commas, and 100 at the most.
fn given(operator: Operator, values: Vec<String>) -> Result<Vec<String>, ApiError> {
    match operator {
        Operator::In | Operator::NotIn => {
            let all: Vec<_> =
                values.iter().flat_map(|value| value.split(',')).map(|one| one.trim().to_owned()).collect();
            if all.len() > VALUES_MAX {
                return Err(unfit("filterValue", "takes at most 100 values"));
            }
            Ok(all)
        }
        _ if values.len() == 1 => Ok(values),
        _ => Err(unfit("filterValue", "takes one value, but with `in` and `not_in`")),
    }
}

enum Filter {
    /// All of them hold.
    Conditions(Vec<Condition>),
    /// Who holds one of these, or who does not.
    Addresses(Vec<String>, bool),
}

/// Whether one of the values is meant or none of them, where an operator compares for equality.
const fn among(operator: Operator) -> Option<bool> {
    match operator {
        Operator::Eq | Operator::In => Some(true),
        Operator::Ne | Operator::NotIn => Some(false),
        _ => None,
    }
}

fn filter(field: Field, operator: Operator, values: &[String]) -> Result<Filter, ApiError> {
    let wrong = || unfit("filterOperator", "does not go with this field");
    let conditions = match field {
        Field::Text(TextField::Email) => match (among(operator), values) {
            // An address is held by one user, which the claim tells.
            (Some(held), all) => return Ok(Filter::Addresses(all.to_vec(), held)),
            (None, [value]) => vec![text(TextField::Email, part(operator).ok_or_else(wrong)?, value, true)?],
            (None, _) => return Err(wrong()),
        },
        // Names are many people's.
        Field::Text(field) => match (among(operator), values) {
            (Some(true), [value]) => vec![text(field, Fit::Whole, value, true)?],
            (Some(true), _) => return Err(unfit("filterValue", "takes one name")),
            (Some(false), all) => {
                all.iter().map(|value| text(field, Fit::Whole, value, false)).collect::<Result<_, _>>()?
            }
            (None, [value]) => vec![text(field, part(operator).ok_or_else(wrong)?, value, true)?],
            (None, _) => return Err(wrong()),
        },
        Field::Id => vec![ids(operator, values)?],
        Field::Role => match (among(operator), part(operator), values) {
            (Some(has), ..) => vec![Condition::Role(values.to_vec(), has)],
            (None, Some(fit), [value]) => vec![role(fit, value)?],
            _ => return Err(wrong()),
        },
        field @ (Field::EmailVerified | Field::Banned | Field::IsAnonymous) => {
            let flags = values.iter().map(|value| value.parse::<bool>()).collect::<Result<Vec<_>, _>>();
            let Ok(flags) = flags else { return Err(unfit("filterValue", "takes `true` or `false`")) };
            let meant = among(operator).ok_or_else(wrong)?;
            // Whoever means both means everybody, and whoever means neither nobody.
            match ([true, false].map(|flag| flags.contains(&flag) == meant), field) {
                ([true, true], _) => Vec::new(),
                ([false, false], _) => vec![Condition::Among(Vec::new(), true)],
                ([flag, _], field) => vec![Condition::Flag(field, flag)],
            }
        }
        field => {
            let (Some(compare), [value]) = (compare(operator), values) else { return Err(wrong()) };
            let Ok(time) = Moment::parse(value) else {
                let what = "takes a time of RFC 3339, a date such as 2027-01-15, or epoch milliseconds";
                return Err(unfit("filterValue", what));
            };
            vec![Condition::Time(field, compare, time.0)]
        }
    };
    Ok(Filter::Conditions(conditions))
}

fn text(field: TextField, fit: Fit, value: &str, fits: bool) -> Result<Condition, ApiError> {
    Ok(Condition::Text(sought(field, fit, value, "filterValue")?, fits))
}

/// Somebody with a role of which the value is a part; a part of a word has the word's letters.
fn role(fit: Fit, value: &str) -> Result<Condition, ApiError> {
    match Roles::parse(value) {
        Some(one) if one.iter().eq([value]) => Ok(Condition::RolePart(fit, value.to_owned())),
        _ => Err(unfit("filterValue", "takes a part of a role")),
    }
}

const fn part(operator: Operator) -> Option<Fit> {
    match operator {
        Operator::Contains => Some(Fit::Anywhere),
        Operator::StartsWith => Some(Fit::Beginning),
        Operator::EndsWith => Some(Fit::End),
        _ => None,
    }
}

fn ids(operator: Operator, values: &[String]) -> Result<Condition, ApiError> {
    let Ok(ids) = values.iter().map(|id| id.parse::<UserId>()).collect::<Result<Vec<_>, _>>() else {
        return Err(unfit("filterValue", "takes ids of users"));
    };
    match (among(operator), compare(operator), ids.as_slice()) {
        (None, Some(compare), [id]) => Ok(Condition::Id(compare, *id)),
        (Some(among), ..) => Ok(Condition::Among(ids, among)),
        _ => Err(unfit("filterOperator", "does not go with this field")),
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
