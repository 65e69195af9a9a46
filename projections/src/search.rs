//! `search`: what users are called and reached by, in clear, so that they are found by any part of it. It is the one place
//! where such data is readable; docs/security.md says for how long, and how it is switched off.
//!
//! No fold makes it, for events name sealed records and open none. Whoever keeps it (`src/followers/search.rs`) opens what
//! `users` says now of whomever an event is about: so a row is always a user as they are, and of who is gone there is none.

use std::fmt;

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::{PersonId, UserId};
use unicode_normalization::UnicodeNormalization;

use crate::listing::Statement;
use crate::model::{Fold, Model};
use crate::table::{Change, Cursor, Index, Question, Row, Sealed, Table, Value, id, integer, sealed, text};
use crate::users::WrappedKey;

/// Raised also when [`folded`] says something else: it is built anew then.
pub static MODEL: Model =
    Model { name: "search", version: 1, tables: &[&SEARCH, &TRACES], views: &[], fold: Fold::Plain(|_, _| {}) };

pub static SEARCH: Table = Table {
    name: "search",
    key: &["user_id"],
    columns: &[text("user_id"), text("email").optional().found_by_part(), text("name").optional().found_by_part()],
    indexes: &[
        Index { columns: &["email", "user_id"], unique: false, only_present: true },
        Index { columns: &["name", "user_id"], unique: false, only_present: true },
    ],
    shared: false,
    clustered: false,
};

/// Since when texts that were taken out may still be in the pages of the table: one row, or none.
pub static TRACES: Table = Table {
    name: "search_traces",
    key: &["since"],
    columns: &[integer("since")],
    indexes: &[],
    shared: true,
    clustered: false,
};

/// What changes a user's row.
pub static EVENTS: [&str; 4] = ["EmailClaimed", "EmailReleased", "ProfileUpdated", "UserDeleted"];

/// The row of a user; nothing of one of whom nothing is known.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Texts {
    email: Option<String>,
    name: Option<String>,
}

impl Texts {
    /// As they are searched in.
    pub fn of(email: Option<&str>, name: Option<&str>) -> Self {
        let text = |text: Option<&str>| text.map(folded).filter(|text| !text.is_empty());
        Self { email: text(email), name: text(name) }
    }

    pub fn of_field(&self, field: TextField) -> Option<&str> {
        match field {
            TextField::Email => self.email.as_deref(),
            TextField::Name => self.name.as_deref(),
        }
    }

    fn is_empty(&self) -> bool {
        self.email.is_none() && self.name.is_none()
    }
}

/// Characters of a text that are searched in. Names and addresses are no longer; some characters are many in their normal
/// form, and an index takes no key of any length.
const MOST: usize = 256;

/// A text as it is compared: without the difference of upper and lower case, and however it was typed.
pub fn folded(text: &str) -> String {
    // By way of the upper case: there the two sigmas are one, and ß is two letters.
    let folded = text.nfkc().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfkc();
    // Of these one is stored by no store, and the other ends every range of texts.
    folded.filter(|c| !matches!(*c, '\0' | char::MAX)).take(MOST).collect()
}

/// What is to be written of a user whose row says `before`.
pub fn changes(user: UserId, before: &Texts, after: &Texts) -> Vec<Change> {
    let mut changes = Vec::new();
    if before == after {
        return changes;
    }
    if !before.is_empty() {
        changes.push(Change::Delete { table: &SEARCH, by: "user_id", value: id(user) });
    }
    if !after.is_empty() {
        let values = vec![id(user), after.email.clone().into(), after.name.clone().into()];
        changes.push(Change::Insert { table: &SEARCH, values });
    }
    changes
}

/// Something was taken out at that time.
pub fn traced(since: Timestamp) -> Change {
    Change::Insert { table: &TRACES, values: vec![since.into()] }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextField {
    Email,
    Name,
}

impl TextField {
    pub const fn column(self) -> &'static str {
        match self {
            TextField::Email => "email",
            TextField::Name => "name",
        }
    }
}

/// Where in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    Whole,
    Anywhere,
    Beginning,
    End,
}

impl Fit {
    /// Whether a part is so in a text.
    pub(crate) fn fits(self, text: &str, part: &str) -> bool {
        match self {
            Fit::Whole => text == part,
            Fit::Anywhere => text.contains(part),
            Fit::Beginning => text.starts_with(part),
            Fit::End => text.ends_with(part),
        }
    }

    /// The same of a column; the part is not empty.
    pub(crate) fn sql(self, column: &str, text: &str) -> String {
        match self {
            Fit::Whole => format!("{column} = {text}"),
            Fit::Anywhere => format!("replace({column}, {text}, '') <> {column}"),
            Fit::Beginning => format!("substr({column}, 1, length({text})) = {text}"),
            Fit::End => format!("substr({column}, length({column}) - length({text}) + 1) = {text}"),
        }
    }
}

/// What is looked for. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Sought {
    pub field: TextField,
    pub fit: Fit,
    text: String,
}

impl Sought {
    /// None where nothing is left of the text.
    pub fn new(field: TextField, fit: Fit, text: &str) -> Option<Self> {
        let text = folded(text);
        (!text.is_empty()).then_some(Self { field, fit, text })
    }

    /// As it stands in the rows: every character stands for itself.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn fits(&self, texts: &Texts) -> bool {
        texts.of_field(self.field).is_some_and(|text| self.fit.fits(text, &self.text))
    }

    /// Whether a row of `search` called `s` fits, said so that both stores understand it and take no character for another.
    pub fn sql(&self, mut bind: impl FnMut(Value) -> String) -> String {
        self.fit.sql(&format!("s.{}", self.field.column()), &bind(Value::Text(self.text.clone())))
    }

    /// Users whom the order of texts finds, at most so many. None where it is no help.
    pub fn in_order(&self, most: u32) -> Option<Statement> {
        let column = self.field.column();
        let (fits, mut parameters) = match self.fit {
            Fit::Whole => (format!("s.{column} = ?1"), vec![Value::Text(self.text.clone())]),
            Fit::Beginning => {
                let end = format!("{}{}", self.text, char::MAX);
                (format!("s.{column} >= ?1 AND s.{column} < ?2"), vec![Value::Text(self.text.clone()), end.into()])
            }
            Fit::Anywhere | Fit::End => return None,
        };
        parameters.push(i64::from(most).into());
        let limit = parameters.len();
        let sql = format!("SELECT s.user_id FROM search s WHERE {fits} ORDER BY s.{column}, s.user_id LIMIT ?{limit}");
        Some(Statement { sql, parameters })
    }
}

impl fmt::Debug for Sought {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sought({:?}, {:?}, …)", self.field, self.fit)
    }
}

/// `?1` = user id: what the table says of them …
pub static LIVE: Question<Texts> =
    Question { sql: "SELECT s.email, s.name FROM search s WHERE s.user_id = ?1", read: texts };
/// … and the one that is built beside it.
pub static NEXT: Question<Texts> =
    Question { sql: "SELECT s.email, s.name FROM search_next s WHERE s.user_id = ?1", read: texts };

/// Every row, in the order of their users' ids: behind `?1`, at most `?2`. Nothing of one whose id is no text.
pub static ROWS: Question<Option<(String, Texts)>> = Question {
    sql: "SELECT s.user_id, s.email, s.name FROM search s WHERE s.user_id > ?1 ORDER BY s.user_id LIMIT ?2",
    read: |row| {
        let mut c = Cursor::new(row);
        let (user, texts) = (c.text(), Texts { email: c.text(), name: c.text() });
        Some(user.map(|user| (user, texts)))
    },
};

fn texts(row: &dyn Row) -> Option<Texts> {
    let mut c = Cursor::new(row);
    Some(Texts { email: c.text(), name: c.text() })
}

/// Since when there may be traces; none where there are none.
pub static TRACED_SINCE: Question<Timestamp> = Question {
    sql: "SELECT t.since FROM search_traces t ORDER BY t.since LIMIT 1",
    read: |row| Cursor::new(row).time(),
};

/// Whether anybody can be found at all.
pub static ANYBODY: Question<()> = Question { sql: "SELECT 1 FROM search s LIMIT 1", read: |_| Some(()) };

/// A user as far as they are called something, unread.
pub struct Called {
    pub user: UserId,
    pub person: PersonId,
    pub email: Option<Sealed>,
    pub name: Option<Sealed>,
    pub key: Option<WrappedKey>,
}

macro_rules! called_columns {
    () => {
        concat!(
            "u.user_id, u.person_id, ",
            sealed!("u.email"),
            ", ",
            sealed!("u.name"),
            ", u.person_key_epoch, u.person_key"
        )
    };
}

/// `?1` = user id.
pub static CALLED: Question<Called> =
    Question { sql: concat!("SELECT ", called_columns!(), " FROM users u WHERE u.user_id = ?1"), read: called };

/// Everybody, in the order of their ids: behind `?1`, at most `?2`.
pub static EVERYBODY: Question<Called> = Question {
    sql: concat!("SELECT ", called_columns!(), " FROM users u WHERE u.user_id > ?1 ORDER BY u.user_id LIMIT ?2"),
    read: called,
};

/// The same, by what stands there as their ids: nothing of a row that does not read, or whose id is no text.
pub static WHOEVER: Question<Option<(String, Option<Called>)>> = Question {
    sql: concat!("SELECT ", called_columns!(), " FROM users u WHERE u.user_id > ?1 ORDER BY u.user_id LIMIT ?2"),
    read: |row| Some(row.text(0).map(|user| (user.to_owned(), called(row)))),
};

fn called(row: &dyn Row) -> Option<Called> {
    let mut c = Cursor::new(row);
    Some(Called {
        user: c.parse()?,
        person: c.parse()?,
        email: c.sealed(),
        name: c.sealed(),
        key: WrappedKey::read(&mut c),
    })
}

#[cfg(test)]
mod tests {
    use chrysalis_domain::Event;
    use chrysalis_domain::user::histories::{Life, lives};
    use proptest::prelude::*;

    use super::*;
    use crate::users::{self, USERS};

    fn fits(field: TextField, fit: Fit, sought: &str, email: &str, name: &str) -> bool {
        Sought::new(field, fit, sought).is_some_and(|sought| sought.fits(&Texts::of(Some(email), Some(name))))
    }

    #[test]
    fn a_text_is_found_however_it_was_typed() {
        let name = |sought, name| fits(TextField::Name, Fit::Anywhere, sought, "", name);
        assert!(name("STRASSE", "Lange Straße"));
        assert!(name("straße", "LANGE STRASSE"));
        assert!(name("ΟΔΥΣΣΕΥΣ", "Οδυσσευς"));
        assert!(name("zoë", "ZOE\u{308}"));
        assert!(name("ﬁn", "FIN"));
        assert!(name("李", "李明"));
        assert!(!name("jane", "john"));
        assert!(fits(TextField::Email, Fit::End, "@Example.COM", "jane@example.com", ""));
        assert!(!fits(TextField::Email, Fit::Beginning, "ane", "jane@example.com", ""));
        assert!(!fits(TextField::Email, Fit::Whole, "jane", "jane@example.com", ""));
    }

    #[test]
    fn every_character_stands_for_itself() {
        for sought in ["%", "_", "\\", "\"", "'", "*", "100%_"] {
            assert!(!fits(TextField::Name, Fit::Anywhere, sought, "", "Jane Doe"), "{sought}");
            assert!(fits(TextField::Name, Fit::Anywhere, sought, "", "a\"'\\*100%_b"), "{sought}");
        }
    }

    #[test]
    fn texts_are_bounded_and_can_be_stored() {
        assert_eq!(folded(&"\u{fdfa}".repeat(255)).chars().count(), MOST);
        assert_eq!(folded("a\0b\u{10ffff}c"), "abc");
        assert!(Sought::new(TextField::Name, Fit::Anywhere, "\0").is_none());
        let shown = format!("{:?}", Sought::new(TextField::Name, Fit::Anywhere, "secret"));
        assert!(!shown.contains("secret"));
    }

    proptest! {
        /// What the table shows of a user changes with these events and with no other.
        #[test]
        fn nothing_else_changes_what_a_user_is_called(steps in lives()) {
            let mut life = Life::numbered(1);
            for step in &steps {
                let turn = life.live(step);
                for event in turn.outcome.iter().flatten() {
                    let Some(user) = life.user.id else { continue };
                    let mut changes = Vec::new();
                    users::fold(user, event, turn.at, &mut changes);
                    let touches = changes.iter().any(|change| match change {
                        Change::Update { table, set, .. } => *table == &USERS && (set.contains(&"email") || set.contains(&"name")),
                        Change::Delete { table, .. } => *table == &USERS,
                        _ => false,
                    });
                    let named = EVENTS.contains(&Event::User(user, event.clone()).event_type());
                    prop_assert!(named || !touches, "{}", Event::User(user, event.clone()).event_type());
                }
            }
        }
    }
}
