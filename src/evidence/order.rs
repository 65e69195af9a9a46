//! Which line stands where another belongs. Positions are dense: whatever is missing, too many or moved shows.

use super::finding::{Fault, Finding};
use crate::log::Position;

/// Where a line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Where it belongs.
    Here,
    /// Where this position belongs.
    Instead(Position),
    /// Between two that follow each other, or in front of what follows those before it.
    Extra,
    /// Behind some that are missing: from this one on.
    Behind(Position),
}

/// Walks through the positions of an export. One line is looked ahead: it tells a line that was put in from one that was
/// taken out.
pub struct Order {
    next: Position,
    last: Position,
    missing: Vec<Missing>,
    displaced: Vec<Displaced>,
    /// What was not kept: who removes every other line of a million need not be told each.
    unlisted: u64,
}

#[derive(Clone, Copy)]
struct Missing {
    from: Position,
    to: Position,
    /// The line in front of which they belong.
    line: u64,
}

#[derive(Clone, Copy)]
struct Displaced {
    line: u64,
    position: Position,
    /// The position that belongs there.
    instead: Option<Position>,
    behind: Position,
}

/// Places that are kept of each kind.
const MOST: usize = 1_000;

impl Order {
    /// From a first position to a last one.
    pub fn new(first: Position, last: Position) -> Self {
        Self { next: first, last, missing: Vec::new(), displaced: Vec::new(), unlisted: 0 }
    }

    /// The position that belongs to the next line.
    pub fn next(&self) -> Position {
        self.next
    }

    /// Where a line stands. No position: it could not be read. `following` is that of the line behind it.
    pub fn fit(&mut self, line: u64, position: Option<Position>, following: Option<Position>) -> Fit {
        let next = self.next;
        let fit = match position {
            Some(position) if position == next => Fit::Here,
            _ if following == Some(next) || next > self.last => Fit::Extra,
            // Nothing can be read that says otherwise.
            None => Fit::Instead(next),
            Some(_) if following.is_some() && following == next.checked_add(1) => Fit::Instead(next),
            Some(position) if position > self.last => Fit::Instead(next),
            Some(position) if position > next => Fit::Behind(next),
            Some(_) => Fit::Extra,
        };
        let behind = next.saturating_sub(1);
        match (fit, position) {
            (Fit::Here, _) | (Fit::Instead(_), None) => self.next = next.saturating_add(1),
            (Fit::Instead(_), Some(position)) => {
                self.misses(Missing { from: next, to: next, line });
                self.displaces(Displaced { line, position, instead: Some(next), behind });
                self.next = next.saturating_add(1);
            }
            (Fit::Extra, Some(position)) => {
                self.displaces(Displaced { line, position, instead: None, behind });
            }
            (Fit::Behind(_), Some(position)) => {
                self.misses(Missing { from: next, to: position - 1, line });
                self.next = position.saturating_add(1);
            }
            (Fit::Extra | Fit::Behind(_), None) => {}
        }
        fit
    }

    fn misses(&mut self, missing: Missing) {
        if self.missing.len() < MOST { self.missing.push(missing) } else { self.unlisted += 1 }
    }

    fn displaces(&mut self, displaced: Displaced) {
        if self.displaced.len() < MOST { self.displaced.push(displaced) } else { self.unlisted += 1 }
    }

    /// What came of it, where the last line was this one; and how many more there are than are listed. Where nobody knows
    /// which position is the last one, nothing is missing at the end.
    pub fn findings(mut self, file: usize, end: u64) -> (Vec<Finding>, u64) {
        if self.next <= self.last && self.last < Position::MAX {
            self.missing.push(Missing { from: self.next, to: self.last, line: end + 1 });
        }
        let last = self.last;
        let mut found = Vec::new();
        let mut say = |line, fault| found.push(Finding { file, line, fault });
        // First who is found elsewhere, so that whoever stands in that place is not taken for it.
        let moved = |missing: &mut Vec<Missing>, displaced: &Displaced| take(missing, displaced.position);
        let (was_moved, others): (Vec<_>, Vec<_>) =
            self.displaced.drain(..).partition(|displaced| moved(&mut self.missing, displaced));
        for Displaced { line, position, behind, .. } in was_moved {
            say(line, Fault::Moved { position, behind });
        }
        for Displaced { line, position, instead, .. } in others {
            match instead.filter(|instead| take(&mut self.missing, *instead)) {
                Some(instead) => say(line, Fault::Instead { position, instead }),
                None => say(line, Fault::Inserted { position }),
            }
        }
        for Missing { from, to, line } in self.missing {
            let at_the_end = to == last && line > end;
            say(line, if at_the_end { Fault::CutOff { from, to } } else { Fault::Missing { from, to } });
        }
        (found, self.unlisted)
    }
}

/// Takes a position out of those that are missing, if it is one of them.
fn take(missing: &mut Vec<Missing>, position: Position) -> bool {
    let Some(at) = missing.iter().position(|one| (one.from..=one.to).contains(&position)) else { return false };
    let one = missing.swap_remove(at);
    if one.from < position {
        missing.push(Missing { to: position - 1, ..one });
    }
    if one.to > position {
        missing.push(Missing { from: position + 1, ..one });
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The faults of positions 1 to `last` when they stand so. The first of them is on line 2.
    fn faults(last: Position, positions: &[Position]) -> Vec<(u64, Fault)> {
        let mut order = Order::new(1, last);
        for (at, position) in positions.iter().enumerate() {
            order.fit(at as u64 + 2, Some(*position), positions.get(at + 1).copied());
        }
        let mut found: Vec<_> = order
            .findings(0, positions.len() as u64 + 1)
            .0
            .into_iter()
            .map(|found| (found.line, found.fault))
            .collect();
        found.sort_by_key(|(line, _)| *line);
        found
    }

    #[test]
    fn what_was_done_is_said() {
        use Fault::{CutOff, Inserted, Instead, Missing, Moved};
        let all = |last| (1..=last).collect::<Vec<_>>();
        assert_eq!(faults(9, &all(9)), []);
        assert_eq!(faults(9, &[1, 2, 3, 5, 6, 7, 8, 9]), [(5, Missing { from: 4, to: 4 })]);
        assert_eq!(faults(9, &[4, 5, 6, 7, 8, 9]), [(2, Missing { from: 1, to: 3 })]);
        assert_eq!(faults(9, &[1, 2, 3, 8, 9]), [(5, Missing { from: 4, to: 7 })]);
        assert_eq!(faults(9, &[1, 2, 3]), [(5, CutOff { from: 4, to: 9 })]);
        assert_eq!(faults(9, &[]), [(2, CutOff { from: 1, to: 9 })]);
        assert_eq!(faults(6, &[1, 2, 4, 3, 5, 6]), [(4, Moved { position: 4, behind: 2 })]);
        assert_eq!(
            faults(9, &[1, 7, 3, 4, 5, 6, 2, 8, 9]),
            [(3, Moved { position: 7, behind: 1 }), (8, Moved { position: 2, behind: 6 })]
        );
        assert_eq!(faults(5, &[1, 2, 3, 2, 4, 5]), [(5, Inserted { position: 2 })]);
        assert_eq!(faults(5, &[1, 2, 3, 3, 4, 5]), [(5, Inserted { position: 3 })]);
        assert_eq!(faults(5, &[1, 2, 3, 4, 5, 5]), [(7, Inserted { position: 5 })]);
        assert_eq!(faults(5, &[1, 2, 9, 4, 5]), [(4, Instead { position: 9, instead: 3 })]);
        assert_eq!(faults(5, &[1, 2, 3, 4, 9]), [(6, Instead { position: 9, instead: 5 })]);
        assert_eq!(faults(5, &[1, 2, 5, 4, 5]), [(4, Instead { position: 5, instead: 3 })]);
        assert_eq!(faults(5, &[5, 1, 2, 3, 4]), [(2, Moved { position: 5, behind: 0 })]);
    }

    proptest! {
        /// Whatever is done to a row of lines.
        #[test]
        fn nothing_is_done_unnoticed(last in 1u64..12, deeds in proptest::collection::vec((0..3u8, 0..12usize, 0..12usize), 0..5)) {
            let mut row: Vec<Position> = (1..=last).collect();
            for (deed, one, other) in deeds {
                if row.is_empty() {
                    break;
                }
                let (one, other) = (one % row.len(), other % row.len());
                match deed {
                    0 => drop(row.remove(one)),
                    1 => row.swap(one, other),
                    _ => row.insert(one, row[other]),
                }
            }
            let whole = row.iter().copied().eq(1..=last);
            prop_assert_eq!(faults(last, &row).is_empty(), whole, "{:?}", row);
        }
    }
}
