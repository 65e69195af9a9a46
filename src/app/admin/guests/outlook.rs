//! What becomes of a guest if nobody comes.

use chrysalis_domain::Timestamp;
use chrysalis_domain::user::command::ExpiryTerms;
use chrysalis_projections::stale_guests::Said;

use super::Policy;

/// How far the clean-up is with a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Nothing was said of it.
    Quiet,
    /// It was told that it goes.
    Expiring,
    /// Somebody who administers wants it to stay.
    Held,
    /// It was taken out of use, and can be brought back.
    Disabled,
}

impl Stage {
    pub const ALL: [Stage; 4] = [Stage::Quiet, Stage::Expiring, Stage::Held, Stage::Disabled];

    pub const fn name(self) -> &'static str {
        match self {
            Stage::Quiet => "quiet",
            Stage::Expiring => "expiring",
            Stage::Held => "held",
            Stage::Disabled => "disabled",
        }
    }
}

/// What was said of a guest, and when it goes.
#[derive(Clone, Debug)]
pub struct Outlook {
    pub stage: Stage,
    /// When it is deleted at the earliest; none who stays, as things stand.
    pub due_at: Option<Timestamp>,
    /// When it goes, as it was told.
    pub expires_at: Option<Timestamp>,
    pub held_until: Option<Timestamp>,
    pub hold_reason: Option<String>,
    /// Until when it can be brought back.
    pub final_at: Option<Timestamp>,
}

impl Outlook {
    /// None is said of whoever the clean-up leaves alone.
    pub(super) fn of(said: Option<Said>, hold_reason: Option<String>, policy: &Policy, now: Timestamp) -> Self {
        let due_at = said.and_then(|said| due(&said, policy, now));
        let said = said.unwrap_or_default();
        let held = said.held_until.is_some_and(|until| until > now);
        let stage = match said {
            Said { final_at: Some(_), .. } | Said { barred: true, .. } => Stage::Disabled,
            _ if held => Stage::Held,
            Said { expires_at: Some(_), .. } => Stage::Expiring,
            _ => Stage::Quiet,
        };
        let Said { expires_at, held_until, final_at, .. } = said;
        Self { stage, due_at, expires_at, held_until, hold_reason, final_at }
    }
}

/// As clocks show it: where one jumped, it is later.
fn due(said: &Said, policy: &Policy, now: Timestamp) -> Option<Timestamp> {
    let held = said.held_until.unwrap_or_default();
    if let Some(final_at) = said.final_at {
        return Some(final_at.max(held));
    }
    let away = said.last_active_at + policy.max_age? + ExpiryTerms::RECORDED_WITHIN;
    if said.barred {
        // Who can't come back is not told.
        return Some(away.max(held));
    }
    // Who was not told yet will be first.
    let told = said.expires_at.unwrap_or_else(|| held.max(now) + policy.notice);
    Some(if policy.notice.as_millis() > 0 { away.max(told).max(held) } else { away.max(held) })
}

#[cfg(test)]
mod tests {
    use chrysalis_domain::Span;

    use super::*;

    fn day(days: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000) + Span::from_days(days)
    }

    fn policy(notice: i64) -> Policy {
        Policy { max_age: Some(Span::from_days(30)), notice: Span::from_days(notice), undo: Span::ZERO }
    }

    fn seen(said: Said, policy: &Policy) -> (Stage, Option<Timestamp>) {
        let outlook = Outlook::of(Some(said), None, policy, day(10));
        (outlook.stage, outlook.due_at)
    }

    #[test]
    fn a_guest_goes_an_hour_after_its_time() {
        let said = Said { last_active_at: day(0), ..Said::default() };
        let due = day(30) + Span::from_hours(1);
        assert_eq!(seen(said, &policy(0)), (Stage::Quiet, Some(due)));
        assert_eq!(seen(said, &Policy { max_age: None, ..policy(0) }), (Stage::Quiet, None));
        let outlook = Outlook::of(None, None, &policy(0), day(10));
        assert_eq!((outlook.stage, outlook.due_at), (Stage::Quiet, None), "who was superseded stays");
    }

    #[test]
    fn whoever_is_told_late_goes_late() {
        let said = Said { last_active_at: day(-60), ..Said::default() };
        assert_eq!(seen(said, &policy(3)), (Stage::Quiet, Some(day(13))));
        let told = Said { expires_at: Some(day(12)), ..said };
        assert_eq!(seen(told, &policy(3)), (Stage::Expiring, Some(day(12))));
    }

    #[test]
    fn a_hold_and_a_way_back_come_first() {
        let said = Said { last_active_at: day(0), held_until: Some(day(40)), ..Said::default() };
        assert_eq!(seen(said, &policy(0)), (Stage::Held, Some(day(40))));
        assert_eq!(seen(said, &policy(3)), (Stage::Held, Some(day(43))), "told when the hold is over");
        let over = Said { held_until: Some(day(9)), ..said };
        assert_eq!(seen(over, &policy(0)).0, Stage::Quiet);
        let disabled = Said { final_at: Some(day(15)), ..said };
        assert_eq!(seen(disabled, &policy(0)), (Stage::Disabled, Some(day(40))));
        let barred = Said { barred: true, held_until: None, ..said };
        assert_eq!(seen(barred, &policy(3)), (Stage::Disabled, Some(day(30) + Span::from_hours(1))), "nobody is told");
        let disabled = Said { held_until: None, ..disabled };
        assert_eq!(seen(disabled, &Policy { max_age: None, ..policy(0) }), (Stage::Disabled, Some(day(15))));
    }
}
