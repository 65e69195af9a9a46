//! Choices of a random life, thrown beforehand and read one after another.

use crate::time::Span;
use crate::value::Carrier;

pub type Throw = [u8; 12];

/// Dice that were thrown beforehand. Low numbers are the ordinary case, so that shrinking leads there.
pub struct Dice {
    dice: Throw,
    next: usize,
}

impl Dice {
    pub fn new(dice: Throw) -> Self {
        Self { dice, next: 0 }
    }

    pub fn throw(&mut self) -> u8 {
        let thrown = self.dice[self.next % self.dice.len()];
        self.next += 1;
        // Past the last die they go round, turned, so that two decisions don't hang together for ever.
        thrown.rotate_left(u32::try_from(self.next / self.dice.len()).unwrap_or(0) * 3)
    }

    pub fn flag(&mut self) -> bool {
        self.throw() >= 128
    }

    pub fn one_in(&mut self, n: u8) -> bool {
        self.throw() > 255 - 255 / n
    }

    pub fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.throw()) * choices.len() / 256]
    }

    pub fn carrier(&mut self) -> Carrier {
        self.of(&[Carrier::Bearer, Carrier::Cookie, Carrier::Replay])
    }

    pub fn grace(&mut self) -> Span {
        self.of(&[Span::from_secs(60), Span::ZERO])
    }

    /// Mostly something that is there, sometimes something that was, sometimes none of them.
    pub fn refer<T: Copy>(&mut self, current: &[T], past: &[T]) -> Option<T> {
        let from = match self.throw() {
            0..=207 => current,
            208..=239 => past,
            _ => &[],
        };
        let which = usize::from(self.throw());
        from.get(which.checked_rem(from.len())?).copied()
    }
}
