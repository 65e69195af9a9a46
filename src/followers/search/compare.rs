//! Whether what users are searched by is what they are called. No event makes these rows, so nothing is folded anew: everybody
//! is opened, as when the table is built, and held against what stands.
//!
//! A server may write meanwhile. A row that differs is looked at once more, and counts only where nothing happened to its
//! user behind the place up to which the table is kept. What is readable is not repeated: a difference tells how long a text is.

use std::cmp::Ordering;
use std::vec::IntoIter;

use chrysalis_domain::Subject;
use chrysalis_domain::id::UserId;
use chrysalis_projections::Question;
use chrysalis_projections::search::{self, Called, EVENTS, MODEL, SEARCH, TextField, Texts};
use chrysalis_projections::table;

use super::{Indexer, PAGE};
use crate::log::follow::{Generation, Stage};
use crate::log::refold::{Difference, NULL, Report};
use crate::log::{LogFault, Position, Store, ask, ask_one};

/// A table that is further behind is being built, or nobody keeps it: there is nothing to compare yet.
const MOST_BEHIND: Position = 100_000;

impl Indexer {
    /// Adds to a report what differs, or that the table can't be compared.
    pub async fn compare(&self, report: &mut Report) -> Result<(), LogFault> {
        let Some(live) = self.live().await? else { return Ok(()) };
        let head = self.store.end().await?;
        let stands = live.is_ours() && (live.position > 0 || head == 0);
        if self.enabled && (!stands || head.saturating_sub(live.position) > MOST_BEHIND) {
            report.unlike.push(MODEL.name);
            return Ok(());
        }
        let everybody = if self.enabled { Walk::by(&search::WHOEVER) } else { Walk::over(&search::WHOEVER) };
        let (mut called, mut stored) = (everybody, Walk::by(&search::ROWS));
        // Who can't be read for the moment is looked at again.
        let read = |called: &Called| Some(self.read(called).unwrap_or_default()).filter(is_anything);
        let name =
            |row: Option<(String, Option<Called>)>| row.map(|(user, called)| (user, called.as_ref().and_then(read)));
        loop {
            let one = called.peek(self.store.as_ref(), name).await?.cloned();
            let other =
                stored.peek(self.store.as_ref(), |row| row.map(|(user, texts)| (user, Some(texts)))).await?.cloned();
            let (order, user) = match (&one, &other) {
                (None, None) => {
                    // Of `users` the refold says so.
                    if stored.unread {
                        let nobodys = ["an id that is no text".to_owned()];
                        report.differs([Difference::unfounded(SEARCH.name, &nobodys, &[])]);
                    }
                    return Ok(());
                }
                (Some((user, _)), None) => (Ordering::Less, user),
                (None, Some((user, _))) => (Ordering::Greater, user),
                (Some((one, _)), Some((other, _))) => (one.cmp(other), one.min(other)),
            };
            let same = order.is_eq() && one == other;
            let differs = if same { Vec::new() } else { self.look_again(user).await? };
            if !differs.is_empty() {
                report.differs(differs);
            }
            if order.is_le() {
                called.step();
            }
            if order.is_ge() {
                stored.step();
                report.rows += 1;
            }
        }
    }

    async fn live(&self) -> Result<Option<Generation>, LogFault> {
        let all = self.store.generations().await?;
        Ok(all.into_iter().find(|one| one.stage == Stage::Live && one.model.name == MODEL.name))
    }

    /// What differs of one row, where that is no matter of time. The order of these questions counts: what happened before
    /// the first is in the table, and what happened up to the last is looked for.
    async fn look_again(&self, name: &str) -> Result<Vec<Difference>, LogFault> {
        let Some(live) = self.live().await? else { return Ok(Vec::new()) };
        let (user, id) = (name.parse::<UserId>().ok(), table::id(name));
        let called = match user.filter(|_| self.enabled) {
            Some(_) => match ask_one(self.store.as_ref(), &search::CALLED, std::slice::from_ref(&id)).await {
                // A row of `users` that does not read: that is where it differs.
                Err(LogFault::Damaged(_)) => return Ok(Vec::new()),
                called => called?,
            },
            None => None,
        };
        let should = match called.map(|called| self.read(&called)).transpose() {
            Err(LogFault::Damaged(_)) => return Ok(Vec::new()),
            should => should?.filter(is_anything),
        };
        let stands = ask_one(self.store.as_ref(), &search::LIVE, &[id]).await?;
        let passing = should == stands
            || match user {
                Some(user) => self.moved_on(user, live.position).await?,
                None => false,
            };
        Ok(if passing { Vec::new() } else { differences(name, should.as_ref(), stands.as_ref()) })
    }

    /// Whether anything happened to a user, behind a place, by which they may be called otherwise.
    async fn moved_on(&self, user: UserId, mut after: Position) -> Result<bool, LogFault> {
        let head = self.store.end().await?;
        loop {
            let page = self.store.read_types(&EVENTS, after, head, PAGE).await?;
            if page.iter().any(|event| event.stream.subject() == Some(Subject::User(user))) {
                return Ok(true);
            }
            match page.last() {
                Some(last) if page.len() == PAGE => after = last.position,
                _ => return Ok(false),
            }
        }
    }
}

fn is_anything(texts: &Texts) -> bool {
    *texts != Texts::default()
}

fn differences(user: &str, should: Option<&Texts>, stands: Option<&Texts>) -> Vec<Difference> {
    let key = [user.to_owned()];
    let row = |texts: &Texts| FIELDS.map(|field| (field.column(), shape("a", texts.of_field(field))));
    match (stands, should) {
        (None, None) => Vec::new(),
        (Some(stands), None) => vec![Difference::unfounded(SEARCH.name, &key, &row(stands))],
        (None, Some(should)) => vec![Difference::missing(SEARCH.name, &key, &row(should))],
        (Some(stands), Some(should)) => {
            let other = FIELDS.into_iter().filter(|field| should.of_field(*field) != stands.of_field(*field));
            let differ = other.map(|field| {
                let (stands, should) = (stands.of_field(field), should.of_field(field));
                let (stands, should) = (shape("a", stands), shape("another", should));
                Difference::of_column(SEARCH.name, &key, field.column(), &stands, &should)
            });
            differ.collect()
        }
    }
}

const FIELDS: [TextField; 2] = [TextField::Email, TextField::Name];

/// As much of a text as may be told.
fn shape(which: &str, text: Option<&str>) -> String {
    text.map_or_else(|| NULL.to_owned(), |text| format!("{which} text of {} characters", text.chars().count()))
}

/// A user by their id, and what they are called.
type Named = (String, Option<Texts>);

/// Goes through users in the order of their ids.
struct Walk<T: 'static> {
    question: &'static Question<T>,
    page: IntoIter<T>,
    /// The last of the pages so far.
    behind: String,
    next: Option<Named>,
    /// There was a row whose id is no text.
    unread: bool,
    ended: bool,
}

impl<T: Send + 'static> Walk<T> {
    fn by(question: &'static Question<T>) -> Self {
        Self { question, page: Vec::new().into_iter(), behind: String::new(), next: None, unread: false, ended: false }
    }

    /// Nobody at all.
    fn over(question: &'static Question<T>) -> Self {
        Self { ended: true, ..Self::by(question) }
    }

    /// The next of whom there is anything.
    async fn peek(
        &mut self,
        store: &dyn Store,
        named: impl Fn(T) -> Option<Named>,
    ) -> Result<Option<&Named>, LogFault> {
        let mut stuck = false;
        while self.next.is_none() && !self.ended {
            for one in self.page.by_ref() {
                let Some((user, texts)) = named(one).filter(|(user, _)| *user > self.behind) else {
                    self.unread = true;
                    continue;
                };
                self.behind.clone_from(&user);
                stuck = false;
                if texts.is_some() {
                    self.next = Some((user, texts));
                    break;
                }
            }
            if self.next.is_none() {
                let parameters = [self.behind.clone().into(), i64::try_from(PAGE).unwrap_or(i64::MAX).into()];
                let page = ask(store, self.question, &parameters).await?;
                // Behind what is no text nobody gets on.
                self.ended = page.is_empty() || std::mem::replace(&mut stuck, true);
                self.page = page.into_iter();
            }
        }
        Ok(self.next.as_ref())
    }

    fn step(&mut self) {
        self.next = None;
    }
}
