//! What somebody has to show before a guest is made for them, where the operator asks for it: work that was done, or a
//! captcha that was solved. What can't be checked counts as not shown (SECURITY S21).

pub mod captcha;
pub mod work;

use ipnet::IpNet;

use crate::config::{Challenge, ChallengeKind};
use crate::outgoing::{CAPTCHAS, Outgoing, OutgoingError};
use captcha::Captcha;

/// What this server asks for.
pub struct Admission {
    pub kind: Kind,
    /// Of everybody; otherwise only beyond the service's budget of guests.
    pub always: bool,
}

pub enum Kind {
    Nothing,
    /// Rounds of a key derivation that a guest costs on average, in thousands, while the budgets are hardly touched.
    Work {
        effort: u32,
    },
    Captcha(Captcha),
}

impl Admission {
    /// `allowed` are the private networks in which whoever checks captchas may stand.
    pub fn new(config: &Challenge, allowed: &[IpNet]) -> Result<Self, OutgoingError> {
        let kind = match &config.kind {
            ChallengeKind::Off => Kind::Nothing,
            ChallengeKind::Work { effort } => Kind::Work { effort: *effort },
            ChallengeKind::Captcha(captcha) => Kind::Captcha(Captcha::new(captcha, Outgoing::new(allowed, CAPTCHAS)?)),
        };
        Ok(Self { kind, always: config.always })
    }

    pub fn asks(&self) -> bool {
        !matches!(self.kind, Kind::Nothing)
    }
}

/// By how much more work a guest costs, the further a budget is spent: nothing changes for those who come alone, and
/// whoever comes in thousands pays for each of them as for eight.
pub fn times(spent: u64, limit: u32) -> u32 {
    let quarters = spent.saturating_mul(4).checked_div(u64::from(limit)).unwrap_or(0);
    1 << quarters.min(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fuller_a_budget_the_dearer_a_guest() {
        let costs = [(0, 1), (149, 1), (150, 2), (299, 2), (300, 4), (450, 8), (600, 8), (u64::MAX, 8)];
        for (spent, factor) in costs {
            assert_eq!(times(spent, 600), factor, "{spent} of 600");
        }
        assert_eq!(times(1_000_000, 0), 1, "no budget, no level");
        assert_eq!(times(1, 1), 8);
    }
}
