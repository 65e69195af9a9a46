//! By what rules guests who stay away go.

use std::ops::RangeInclusive;

use crate::id::JobId;
use crate::time::Span;

/// When a guest has been away for too long, and what happens then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpiryTerms {
    /// Version of the settings that say so.
    pub settings_version: u64,
    pub max_age: Span,
    /// How long beforehand it is announced; zero: it is not.
    pub notice: Span,
    /// How long it can be undone; zero: it can't.
    pub undo: Span,
    /// The job that names them; none: the settings do.
    pub job: Option<JobId>,
}

impl ExpiryTerms {
    /// Activity is recorded at least so often: a guest may have been active so much later than is known of it, and nobody is
    /// taken early (CONTRACT 1.7).
    pub const RECORDED_WITHIN: Span = Span::from_hours(1);
    /// What a maximum age may be: a "30" that was meant as days must not erase every guest.
    pub const MAX_AGE: RangeInclusive<Span> = Span::from_hours(1)..=Span::from_days(3650);

    /// How long a guest has been away, as far as is known, that is deleted.
    pub fn away(&self) -> Span {
        self.max_age + Self::RECORDED_WITHIN
    }

    /// The same of a guest that is told so.
    pub fn away_for_notice(&self) -> Span {
        (self.away() - self.notice).max(Self::RECORDED_WITHIN)
    }
}
