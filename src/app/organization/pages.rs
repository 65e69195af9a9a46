//! Long lists, a page at a time. A page is found by an id of the page beside it, so it stays right while rows come and go.

use std::fmt::Display;

use chrysalis_projections::Value;
use chrysalis_projections::table;
use ulid::Ulid;

/// Which page of a list.
#[derive(Clone, Copy, Debug)]
pub struct Pages<I> {
    pub limit: u32,
    /// The page behind it, in the list's order.
    pub after: Option<I>,
    /// The page that ends before it; where both are said, `after` counts.
    pub before: Option<I>,
    /// The oldest first.
    pub ascending: bool,
}

/// A page, and where those beside it begin.
#[derive(Clone, Debug)]
pub struct Page<T> {
    pub rows: Vec<T>,
    pub before: Option<String>,
    /// None on the last page.
    pub after: Option<String>,
}

/// A stretch of the ids there are.
pub(super) struct Stretch {
    /// Those above the place, the lowest first; otherwise those below, the highest first.
    pub(super) above: bool,
    pub(super) place: Value,
    /// One more than the page has: it tells whether another follows.
    pub(super) rows: Value,
}

impl<I: Copy + Display> Pages<I> {
    /// The first page, newest first.
    pub fn newest(limit: u32) -> Self {
        Self { limit, after: None, before: None, ascending: false }
    }

    fn backwards(&self) -> bool {
        self.after.is_none() && self.before.is_some()
    }

    pub(super) fn stretch(&self, id: fn(Ulid) -> I) -> Stretch {
        let above = self.ascending != self.backwards();
        let end = if above { [u8::MIN; 16] } else { [u8::MAX; 16] };
        let place = self.after.or(self.before).unwrap_or_else(|| id(Ulid::from_bytes(end)));
        Stretch { above, place: table::id(place), rows: (i64::from(self.limit) + 1).into() }
    }

    /// What was found there, as a page.
    pub(super) fn page<T>(&self, mut found: Vec<T>, id: impl Fn(&T) -> I) -> Page<T> {
        let further = found.len() > self.limit as usize;
        found.truncate(self.limit as usize);
        if self.backwards() {
            found.reverse();
        }
        let id = |row: &T| id(row).to_string();
        let (first, last) = (found.first().map(id), found.last().map(id));
        let (before, after) = match (self.after, self.before) {
            (None, None) => (None, last.filter(|_| further)),
            (Some(_), _) => (first, last.filter(|_| further)),
            (None, Some(_)) => (first.filter(|_| further), last),
        };
        Page { rows: found, before, after }
    }
}

impl<T> Page<T> {
    pub fn map<U>(self, with: impl FnMut(T) -> U) -> Page<U> {
        Page { rows: self.rows.into_iter().map(with).collect(), before: self.before, after: self.after }
    }

    pub(super) fn try_map<U, E>(self, with: impl FnMut(T) -> Result<U, E>) -> Result<Page<U>, E> {
        let rows = self.rows.into_iter().map(with).collect::<Result<_, _>>()?;
        Ok(Page { rows, before: self.before, after: self.after })
    }
}
