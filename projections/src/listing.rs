//! Which users, in which order: a question to [`directory`](crate::directory) whose text is made for it.
//!
//! Every condition is a comparison of one column, so that a filter that is understood is a filter that is applied; what
//! can't be said this way can't be asked. A page is found by the last id of the page before it, so it stays right while
//! rows come, change and go. What no index finds ([`Condition::is_looked_up`]) is looked at row by row, and no further than
//! whoever asks says: see [`walk`].

use chrysalis_domain::id::{OrganizationId, UserId};
use chrysalis_domain::{Span, Timestamp};
use ulid::Ulid;

use crate::directory;
use crate::search::{Fit, Sought, TextField};
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
    /// To sort by alone: those who have such a text.
    Text(TextField),
}

/// One comparison. All of them hold for every user of the listing.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// A flag is as given.
    Flag(Field, bool),
    /// Has one of the roles, or none of them.
    Role(Vec<String>, bool),
    /// Has a role of which this is such a part.
    RolePart(Fit, String),
    /// Is one of these users, or is none of them.
    Among(Vec<UserId>, bool),
    /// Is a member of the organization.
    Member(OrganizationId),
    /// A time stands so to this one.
    Time(Field, Compare, Timestamp),
    /// An id stands so to this one.
    Id(Compare, UserId),
    /// A text fits, or does not.
    Text(Sought, bool),
    /// Has no such text.
    Without(TextField),
}

impl Condition {
    /// Whether each row has to be looked at for it.
    pub const fn is_looked_up(&self) -> bool {
        matches!(self, Condition::Text(..) | Condition::Without(_))
    }
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
            Field::Text(TextField::Email) => "t.email",
            Field::Text(TextField::Name) => "t.name",
        }
    }
}

impl Listing {
    /// Whether it asks for what stands in `search`.
    pub fn is_of_texts(&self) -> bool {
        self.conditions.iter().any(Condition::is_looked_up) || matches!(self.order.by, Field::Text(_))
    }

    /// In which tables its rows are found, by what is on one row in both, and which of them is theirs.
    fn source(&self) -> (&'static str, Option<String>, &'static str) {
        let Field::Text(field) = self.order.by else { return ("directory d", None, "d.user_id") };
        // In the order of texts, unless a few are picked out: SQLite takes this for an order of its loops.
        let picked = self.conditions.iter().any(|condition| matches!(condition, Condition::Among(_, true)));
        let tables = if picked { "search t JOIN directory d ON true" } else { "search t CROSS JOIN directory d" };
        (tables, Some(format!("d.user_id = t.user_id AND t.{} IS NOT NULL", field.column())), "t.user_id")
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
            Condition::Role(roles, has) => {
                let (not, mut some) = (if *has { "" } else { "NOT " }, Vec::new());
                if roles.iter().any(|role| role == directory::EVERYBODY) {
                    some.push(has_everybodys());
                }
                let held: Vec<_> = roles.iter().filter(|role| *role != directory::EVERYBODY).collect();
                if !held.is_empty() {
                    let held: Vec<_> = held.into_iter().map(|role| self.bind(role.clone())).collect();
                    let holders =
                        format!("SELECT r.user_id FROM directory_roles r WHERE r.role IN ({})", held.join(", "));
                    some.push(format!("d.user_id IN ({holders})"));
                }
                self.conditions.push(format!("{not}({})", some.join(" OR ")));
            }
            Condition::RolePart(fit, part) => {
                let everybody =
                    if fit.fits(directory::EVERYBODY, part) { has_everybodys() } else { "1 = 0".to_owned() };
                let fits = fit.sql("r.role", &self.bind(part.clone()));
                let holders = format!("SELECT r.user_id FROM directory_roles r WHERE {fits}");
                self.conditions.push(format!("({everybody} OR d.user_id IN ({holders}))"));
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
            Condition::Text(sought, fits) => {
                let fitting = sought.sql(|value| self.bind(value));
                self.look_up(&fitting, *fits);
            }
            Condition::Without(field) => self.look_up(&format!("s.{} IS NOT NULL", field.column()), false),
        }
    }

    /// Counted for each row, which no planner turns into a join: the rows come in their order, and a few of them do.
    fn look_up(&mut self, of_row: &str, there: bool) {
        let there = i32::from(there);
        let rows = format!("SELECT COUNT(*) FROM search s WHERE s.user_id = d.user_id AND {of_row}");
        self.conditions.push(format!("({rows}) = {there}"));
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

/// Nearly everybody has that role, so it has no rows of its own.
fn has_everybodys() -> String {
    format!("',' || d.role || ',' LIKE '%,{},%'", directory::EVERYBODY)
}

/// The first id of a millisecond.
fn first_of(time: Timestamp) -> UserId {
    UserId::from_ulid(Ulid::from_parts(u64::try_from(time.as_millis()).unwrap_or(0), 0))
}

/// The rows of a page, and one more that tells whether another page follows; in the listing's order, but for the page
/// before a user, which comes backwards.
pub fn page(listing: &Listing) -> Statement {
    let mut builder = Builder::default();
    let rows = rows(&mut builder, listing, |_| true);
    let (limit, offset) = cut(&mut builder, listing);
    let inner = format!("{rows} LIMIT {limit}{offset}");
    shown(builder, &inner, listing)
}

/// The same where some conditions are looked at row by row: of so many rows, the first in the listing's order.
pub fn walk(listing: &Listing, rows: u32) -> Statement {
    let mut builder = Builder::default();
    let looked_at = looked_at(&mut builder, listing, rows);
    builder.conditions.clear();
    listing.conditions.iter().filter(|one| one.is_looked_up()).for_each(|one| builder.condition(one, listing.at));
    let (limit, offset) = cut(&mut builder, listing);
    // Not sorted once more, or all of them would be looked at: both stores hand rows on as they find them.
    let inner = format!(
        "SELECT d.user_id, d.sorted FROM ({looked_at}) d{conditions} LIMIT {limit}{offset}",
        conditions = builder.conditions()
    );
    shown(builder, &inner, listing)
}

/// How many there are, counted no further than `most`.
pub fn count(listing: &Listing, most: u32) -> Statement {
    let mut builder = Builder::default();
    let rows = unordered(&mut builder, listing, |_| true);
    let most = builder.bind(i64::from(most));
    let sql = format!("SELECT COUNT(*) FROM (SELECT 1 {rows} LIMIT {most}) counted");
    Statement { sql, parameters: builder.parameters }
}

/// How many of the first rows that [`walk`] looks at there are, and how many of these fit.
pub fn count_walk(listing: &Listing, rows: u32) -> Statement {
    let mut builder = Builder::default();
    let looked_at = looked_at(&mut builder, listing, rows);
    builder.conditions.clear();
    listing.conditions.iter().filter(|one| one.is_looked_up()).for_each(|one| builder.condition(one, listing.at));
    let fit = builder.conditions.join(" AND ");
    let sql = format!("SELECT COUNT(*), COUNT(CASE WHEN {fit} THEN 1 END) FROM ({looked_at}) d");
    Statement { sql, parameters: builder.parameters }
}

fn looked_at(builder: &mut Builder, listing: &Listing, most: u32) -> String {
    let rows = rows(builder, listing, |condition| !condition.is_looked_up());
    format!("{rows} LIMIT {}", builder.bind(i64::from(most)))
}

/// A select of all rows from where the page begins, in the listing's order.
fn rows(builder: &mut Builder, listing: &Listing, which: fn(&Condition) -> bool) -> String {
    let behind = if listing.order.ascending { (Compare::More, Compare::Less) } else { (Compare::Less, Compare::More) };
    match listing.from {
        From::Start | From::Offset(_) => {}
        From::After(user) => builder.compare("d.user_id", behind.0, id(user)),
        From::Before(user) => builder.compare("d.user_id", behind.1, id(user)),
    }
    let (.., user) = listing.source();
    let (sorted, direction) = (listing.order.by.column(), direction(listing));
    let rows = unordered(builder, listing, which);
    let order = match sorted {
        "d.user_id" => format!("d.user_id {direction}"),
        column => format!("{column} {direction}, {user} {direction}"),
    };
    format!("SELECT d.user_id, {sorted} AS sorted {rows} ORDER BY {order}")
}

/// From where, and under which conditions.
fn unordered(builder: &mut Builder, listing: &Listing, which: fn(&Condition) -> bool) -> String {
    let (tables, joined, _) = listing.source();
    builder.conditions.extend(joined);
    listing.conditions.iter().filter(|one| which(one)).for_each(|one| builder.condition(one, listing.at));
    format!("FROM {tables}{}", builder.conditions())
}

fn direction(listing: &Listing) -> &'static str {
    let ascending = listing.order.ascending != matches!(listing.from, From::Before(_));
    if ascending { "ASC" } else { "DESC" }
}

fn cut(builder: &mut Builder, listing: &Listing) -> (String, String) {
    let offset = match listing.from {
        From::Offset(rows) => format!(" OFFSET {}", builder.bind(i64::from(rows))),
        From::Start | From::After(_) | From::Before(_) => String::new(),
    };
    (builder.bind(i64::from(listing.limit) + 1), offset)
}

/// Only the rows of the page are joined, however many were passed by. Who is gone since leaves an empty place: a page that
/// is short on that account is not the last.
fn shown(builder: Builder, inner: &str, listing: &Listing) -> Statement {
    let direction = direction(listing);
    let sql = format!(
        "SELECT d.user_id, {columns} FROM ({inner}) d LEFT JOIN users u ON u.user_id = d.user_id
         ORDER BY d.sorted {direction}, d.user_id {direction}",
        columns = user_columns!(),
    );
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
