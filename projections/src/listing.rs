//! Which users, in which order: a question to [`directory`](crate::directory) whose text is made for it.
//!
//! Every condition is a comparison of one column, so that a filter that is understood is a filter that is applied; what
//! can't be said this way can't be asked. A page is found by the last id of the page before it, so it stays right while
//! rows come, change and go.

use chrysalis_domain::id::{OrganizationId, UserId};
use chrysalis_domain::{Span, Timestamp};
use ulid::Ulid;

use crate::directory;
use crate::table::{Cursor, Row, Value, id, sealed};
use crate::users::{self, UserRow, user_columns};

/// Which users, in which order, from where on.
#[derive(Clone, Debug)]
pub struct Listing {
    pub conditions: Vec<Condition>,
    pub order: Order,
    pub from: From,
    pub limit: u32,
    /// Bans end by themselves: what counts as banned is a matter of the time.
    pub at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    pub by: Field,
    pub ascending: bool,
}

impl Order {
    pub const NEWEST_FIRST: Order = Order { by: Field::CreatedAt, ascending: false };
}

/// Where a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    Start,
    /// Behind this user, in the listing's order. Only in the order of creation.
    After(UserId),
    /// The page that ends before this user. Only in the order of creation.
    Before(UserId),
    Offset(u32),
}

/// What can be asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Id,
    Role,
    EmailVerified,
    Banned,
    IsAnonymous,
    CreatedAt,
    UpdatedAt,
    LastActiveAt,
}

/// One comparison. All of them hold for every user of the listing.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// A flag is as given.
    Flag(Field, bool),
    /// Has the role, or does not.
    Role(String, bool),
    /// Is one of these users, or is none of them.
    Among(Vec<UserId>, bool),
    /// Is a member of the organization.
    Member(OrganizationId),
    /// A time stands so to this one.
    Time(Field, Compare, Timestamp),
    /// An id stands so to this one.
    Id(Compare, UserId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    Is,
    IsNot,
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Compare {
    pub fn holds<T: PartialOrd>(self, one: T, other: T) -> bool {
        match self {
            Compare::Is => one == other,
            Compare::IsNot => one != other,
            Compare::Less => one < other,
            Compare::AtMost => one <= other,
            Compare::More => one > other,
            Compare::AtLeast => one >= other,
        }
    }

    const fn sql(self) -> &'static str {
        match self {
            Compare::Is => "=",
            Compare::IsNot => "<>",
            Compare::Less => "<",
            Compare::AtMost => "<=",
            Compare::More => ">",
            Compare::AtLeast => ">=",
        }
    }
}

impl Field {
    const fn column(self) -> &'static str {
        match self {
            // An id begins with the time of its creation.
            Field::Id | Field::CreatedAt => "d.user_id",
            Field::Role => "d.role",
            // The stores differ in where what is missing stands.
            Field::EmailVerified => "COALESCE(d.verified, 0)",
            Field::Banned => "COALESCE(d.banned_until, 0)",
            Field::IsAnonymous => "d.guest",
            Field::UpdatedAt => "d.updated_at",
            Field::LastActiveAt => "d.last_active_at",
        }
    }
}

/// A question with its parameters.
#[derive(Clone, Debug)]
pub struct Statement {
    pub sql: String,
    pub parameters: Vec<Value>,
}

/// Text and parameters, as they grow.
#[derive(Default)]
struct Builder {
    conditions: Vec<String>,
    parameters: Vec<Value>,
}

impl Builder {
    fn bind(&mut self, value: impl Into<Value>) -> String {
        self.parameters.push(value.into());
        format!("?{}", self.parameters.len())
    }

    fn compare(&mut self, column: &str, compare: Compare, value: impl Into<Value>) {
        let parameter = self.bind(value);
        self.conditions.push(format!("{column} {} {parameter}", compare.sql()));
    }

    fn condition(&mut self, condition: &Condition, at: Timestamp) {
        match condition {
            Condition::Flag(Field::Banned, true) => self.compare("d.banned_until", Compare::More, at),
            Condition::Flag(Field::Banned, false) => {
                let now = self.bind(at);
                self.conditions.push(format!("(d.banned_until IS NULL OR d.banned_until <= {now})"));
            }
            Condition::Flag(Field::EmailVerified, true) => self.conditions.push("d.verified = 1".to_owned()),
            Condition::Flag(Field::EmailVerified, false) => self.conditions.push("d.verified IS NULL".to_owned()),
            Condition::Flag(_, flag) => self.compare("d.guest", Compare::Is, *flag),
            // Nearly everybody has it, so it has no rows of its own.
            Condition::Role(role, has) if role == directory::EVERYBODY => {
                let not = if *has { "" } else { "NOT " };
                self.conditions.push(format!("',' || d.role || ',' {not}LIKE '%,{role},%'"));
            }
            Condition::Role(role, has) => {
                let (not, role) = (if *has { "" } else { "NOT " }, self.bind(role.clone()));
                let holders = format!("SELECT r.user_id FROM directory_roles r WHERE r.role = {role}");
                self.conditions.push(format!("d.user_id {not}IN ({holders})"));
            }
            Condition::Among(users, among) => {
                let (not, users): (_, Vec<_>) =
                    (if *among { "" } else { "NOT " }, users.iter().map(|user| self.bind(id(user))).collect());
                // Nobody is among none.
                let users = if users.is_empty() { "NULL".to_owned() } else { users.join(", ") };
                self.conditions.push(match (among, users.as_str()) {
                    (false, "NULL") => "1 = 1".to_owned(),
                    _ => format!("d.user_id {not}IN ({users})"),
                });
            }
            Condition::Member(organization) => {
                let organization = self.bind(id(organization));
                let members = format!("SELECT m.user_id FROM members m WHERE m.organization_id = {organization}");
                self.conditions.push(format!("d.user_id IN ({members})"));
            }
            Condition::Time(Field::CreatedAt, compare, time) => self.created(*compare, *time),
            Condition::Time(field, compare, time) => {
                self.compare(field.column(), *compare, *time);
                // Nobody was active before they came: the index of ids passes by who came later. A day's grace for a
                // clock that was set back.
                if *field == Field::LastActiveAt && matches!(compare, Compare::Less | Compare::AtMost) {
                    let bound = first_of(*time + Span::from_days(1));
                    self.compare("d.user_id", Compare::Less, id(bound));
                }
            }
            Condition::Id(compare, user) => self.compare("d.user_id", *compare, id(*user)),
        }
    }

    /// By the id, which begins with that time: the order of both is one.
    fn created(&mut self, compare: Compare, time: Timestamp) {
        let (first, next) = (first_of(time), first_of(time + Span::from_millis(1)));
        match compare {
            Compare::Less => self.compare("d.user_id", Compare::Less, id(first)),
            Compare::AtMost => self.compare("d.user_id", Compare::Less, id(next)),
            Compare::More => self.compare("d.user_id", Compare::AtLeast, id(next)),
            Compare::AtLeast => self.compare("d.user_id", Compare::AtLeast, id(first)),
            Compare::Is => {
                self.compare("d.user_id", Compare::AtLeast, id(first));
                self.compare("d.user_id", Compare::Less, id(next));
            }
            Compare::IsNot => self.compare("d.created_at", Compare::IsNot, time),
        }
    }

    fn conditions(&self) -> String {
        if self.conditions.is_empty() { String::new() } else { format!(" WHERE {}", self.conditions.join(" AND ")) }
    }
}

/// The first id of a millisecond.
fn first_of(time: Timestamp) -> UserId {
    UserId::from_ulid(Ulid::from_parts(u64::try_from(time.as_millis()).unwrap_or(0), 0))
}

/// The rows of a page, and one more that tells whether another page follows; in the listing's order, but for the page
/// before a user, which comes backwards.
pub fn page(listing: &Listing) -> Statement {
    let mut builder = Builder::default();
    listing.conditions.iter().for_each(|condition| builder.condition(condition, listing.at));
    let mut ascending = listing.order.ascending;
    let mut offset = String::new();
    match listing.from {
        From::Start => {}
        From::After(user) => {
            let behind = if ascending { Compare::More } else { Compare::Less };
            builder.compare("d.user_id", behind, id(user));
        }
        From::Before(user) => {
            ascending = !ascending;
            let behind = if ascending { Compare::More } else { Compare::Less };
            builder.compare("d.user_id", behind, id(user));
        }
        From::Offset(rows) => offset = format!(" OFFSET {}", builder.bind(i64::from(rows))),
    }
    let direction = if ascending { "ASC" } else { "DESC" };
    let sorted = listing.order.by.column();
    let order = match sorted {
        "d.user_id" => format!("d.user_id {direction}"),
        column => format!("{column} {direction}, d.user_id {direction}"),
    };
    let limit = builder.bind(i64::from(listing.limit) + 1);
    // Only the rows of the page are joined, however many were passed by. Who is gone since leaves an empty place: a page
    // that is short on that account is not the last.
    let sql = format!(
        "SELECT d.user_id, {columns} FROM (
             SELECT d.user_id, {sorted} AS sorted FROM directory d{conditions} ORDER BY {order} LIMIT {limit}{offset}
         ) d LEFT JOIN users u ON u.user_id = d.user_id ORDER BY d.sorted {direction}, d.user_id {direction}",
        columns = user_columns!(),
        conditions = builder.conditions(),
    );
    Statement { sql, parameters: builder.parameters }
}

/// How many there are, counted no further than `most`.
pub fn count(listing: &Listing, most: u32) -> Statement {
    let mut builder = Builder::default();
    listing.conditions.iter().for_each(|condition| builder.condition(condition, listing.at));
    let conditions = builder.conditions();
    let most = builder.bind(i64::from(most));
    let sql = format!("SELECT COUNT(*) FROM (SELECT 1 FROM directory d{conditions} LIMIT {most}) counted");
    Statement { sql, parameters: builder.parameters }
}

/// A place on a page.
#[derive(Clone, Debug)]
pub struct Place {
    pub id: UserId,
    /// The user, and their last activity; none who is gone since.
    pub user: Option<UserRow>,
}

pub fn read(row: &dyn Row) -> Option<Place> {
    let mut cursor = Cursor::new(row);
    let id = cursor.parse()?;
    Some(Place { id, user: users::read(&mut cursor) })
}
