//! What is asked in the random life of an organization, and how often.

use proptest::prelude::*;
use proptest::strategy::Union;

use crate::time::Span;
use crate::user::histories::dice::Throw;
use crate::user::histories::{self, Kind, any_step, wait};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    Found,
    Update,
    Add,
    ChangeRole,
    Remove,
    Leave,
    Activate,
    Invite,
    Renew,
    Revoke,
    Accept,
    Reject,
    Expire,
    Delete,
    DeleteUser,
}

/// Endings are rare, so that lives get long.
const WEIGHTS: &[(u32, Doing)] = &[
    (2, Doing::Found),
    (4, Doing::Update),
    (14, Doing::Add),
    (14, Doing::ChangeRole),
    (5, Doing::Remove),
    (5, Doing::Leave),
    (5, Doing::Activate),
    (14, Doing::Invite),
    (5, Doing::Renew),
    (4, Doing::Revoke),
    (10, Doing::Accept),
    (3, Doing::Reject),
    (2, Doing::Expire),
    (1, Doing::Delete),
    (3, Doing::DeleteUser),
];

#[derive(Clone, Debug)]
pub enum Step {
    /// One of the people does something on their own.
    Alone {
        person: u8,
        step: histories::Step,
    },
    Together {
        wait: Span,
        doing: Doing,
        dice: Throw,
    },
}

impl Step {
    pub(super) fn wait(&self) -> Span {
        match self {
            Step::Alone { step, .. } => step.wait,
            Step::Together { wait, .. } => *wait,
        }
    }
}

/// People arrive, an organization is made, and up to a few hundred things happen.
pub fn lives() -> impl Strategy<Value = Vec<Step>> {
    let dice = || prop::array::uniform12(any::<u8>());
    let arrive = (0..6u8, prop::bool::ANY, dice()).prop_map(|(person, guest, dice)| Step::Alone {
        person,
        step: histories::Step {
            wait: Span::ZERO,
            kind: if guest { Kind::CreateAnonymous } else { Kind::SignUp },
            dice,
        },
    });
    let doing = Union::new_weighted(WEIGHTS.iter().map(|(weight, doing)| (*weight, Just(*doing))).collect());
    let together = (wait(), doing, dice()).prop_map(|(wait, doing, dice)| Step::Together { wait, doing, dice });
    let alone = (0..6u8, any_step()).prop_map(|(person, step)| Step::Alone { person, step });
    let life = prop::collection::vec(prop_oneof![1 => arrive.clone(), 2 => alone, 12 => together], 0..250);
    (prop::collection::vec(arrive, 3..12), life).prop_map(|(arrivals, life)| arrivals.into_iter().chain(life).collect())
}
