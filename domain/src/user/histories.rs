//! Random lives of a user, for property tests here and in the crates that fold or store what happens.
//!
//! A [`Step`] names nothing by id. It throws dice, and [`Life`] reads them against what has happened so far: mostly
//! something that is there, sometimes something that was, sometimes something that never was. So any sequence of
//! steps is a life, commands get somewhere and are refused, and a failing life shrinks to a short one.
//!
//! What a command brings into being has a fresh id, as the server makes it; what it refers to may be any.

mod asked;
pub(crate) mod dice;
mod made;
mod referred;
mod steps;

use self::dice::Dice;
pub use self::made::SESSION_LIMIT;
pub use self::steps::{Kind, Step, lives};
pub(crate) use self::steps::{any_step, wait};
use crate::time::{Span, Timestamp};
use crate::user::event::ActivityRecorded;
use crate::user::{User, UserCommand, UserEvent, UserRefusal};

/// What became of one step.
#[derive(Clone, Debug)]
pub struct Turn {
    pub at: Timestamp,
    /// None for a stray event: nobody decided it.
    pub command: Option<UserCommand>,
    pub before: User,
    pub outcome: Result<Vec<UserEvent>, UserRefusal>,
}

/// A user and everything that happened to it, with the time of each decision.
#[derive(Clone, Debug)]
pub struct Life {
    pub user: User,
    pub events: Vec<(Timestamp, UserEvent)>,
    pub now: Timestamp,
    /// The clock ran backwards at some point.
    pub clock_set_back: bool,
    number: u8,
    made: u32,
}

impl Default for Life {
    fn default() -> Self {
        Life::numbered(0)
    }
}

impl Life {
    /// A life that has not begun. Lives of two numbers have no id in common.
    pub fn numbered(number: u8) -> Self {
        let now = Timestamp::from_millis(1_800_000_000_000);
        Self { user: User::default(), events: Vec::new(), now, clock_set_back: false, number, made: 0 }
    }

    /// Asks for what the step says, and lets happen what follows.
    pub fn live(&mut self, step: &Step) -> Turn {
        self.now = self.now + step.wait;
        self.clock_set_back |= step.wait < Span::ZERO;
        let (at, before) = (self.now, self.user.clone());
        let mut dice = Dice::new(step.dice);
        let (command, outcome) = if step.kind == Kind::StrayActivity {
            (None, self.stray(&mut dice))
        } else {
            let command = self.command(step.kind, &mut dice);
            (Some(command.clone()), self.user.decide(command, at))
        };
        for event in outcome.iter().flatten() {
            self.user.apply(event);
            self.events.push((at, event.clone()));
        }
        Turn { at, command, before, outcome }
    }

    /// Asks for one thing now.
    pub fn ask(&mut self, command: UserCommand) -> Result<Vec<UserEvent>, UserRefusal> {
        let events = self.user.decide(command, self.now)?;
        for event in &events {
            self.user.apply(event);
            self.events.push((self.now, event.clone()));
        }
        Ok(events)
    }

    fn stray(&mut self, dice: &mut Dice) -> Result<Vec<UserEvent>, UserRefusal> {
        if self.events.is_empty() {
            return Err(UserRefusal::NotFound);
        }
        Ok(vec![ActivityRecorded { session: self.session(dice), carrier: dice.carrier(), at: self.now }.into()])
    }
}
