//! What the process looks for, and what it asks.

use super::*;

const DAY: Span = Span::from_days(1);

fn at(days: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000) + Span::from_days(days)
}

fn terms() -> ExpiryTerms {
    ExpiryTerms { settings_version: 3, max_age: Span::from_days(30), notice: Span::ZERO, undo: Span::ZERO, job: None }
}

fn note(expected: Timestamp, seen: Timestamp) -> Vec<ProcessEvent> {
    Expiry::default().decide(ProcessCommand::NoteClock { expected, seen }, seen).unwrap()
}

#[test]
fn a_clock_that_is_set_a_little_has_not_jumped() {
    assert_eq!(note(at(1), at(1) + Span::from_secs(60)), []);
    assert_eq!(note(at(1), at(1) - Span::from_secs(60)), []);
}

#[test]
fn a_jump_is_noted_both_ways() {
    assert_eq!(note(at(1), at(2)), [ClockJumped { from: at(1), to: at(2) }.into()]);
    assert_eq!(note(at(2), at(1)), [ClockJumped { from: at(2), to: at(1) }.into()]);
}

#[test]
fn without_terms_what_was_begun_is_finished_and_nothing_else() {
    let expiry = Expiry::default();
    assert_eq!(expiry.looks(at(40), None), [Look::Disabled { by: at(40) }]);
    let before = at(1);
    let anew =
        [Look::Quiet { before }, Look::Told { by: at(1) }, Look::Lapsed { by: at(1), before }, Look::Barred { before }];
    for look in anew {
        assert!(expiry.command(look, None).is_none());
    }
}

#[test]
fn whoever_was_away_for_an_hour_more_than_they_may_is_looked_for() {
    let before = at(10) - Span::from_hours(1);
    let looks = Expiry::default().looks(at(40), Some(&terms()));
    assert_eq!(
        looks,
        [
            Look::Disabled { by: at(40) },
            Look::Told { by: at(40) },
            Look::Lapsed { by: at(40), before },
            Look::Quiet { before },
            Look::Barred { before }
        ]
    );
    let command = Expiry::default().command(looks[3], Some(&terms()));
    assert!(matches!(command, Some(UserCommand::ExpireGuest { terms: asked, .. }) if asked == terms()));
}

#[test]
fn who_is_to_be_told_is_looked_for_before_that() {
    let terms = ExpiryTerms { notice: DAY, ..terms() };
    let looks = Expiry::default().looks(at(40), Some(&terms));
    assert_eq!(looks[3], Look::Quiet { before: at(11) - Span::from_hours(1) });
    assert_eq!(looks[4], Look::Barred { before: at(10) - Span::from_hours(1) }, "nobody tells them");
    let command = |look| Expiry::default().command(look, Some(&terms));
    assert!(matches!(command(looks[3]), Some(UserCommand::AnnounceExpiry { .. })));
    assert!(matches!(command(looks[1]), Some(UserCommand::ExpireGuest { .. })));
    assert!(matches!(command(looks[0]), Some(UserCommand::FinishExpiry { .. })));
    assert!(matches!(command(looks[4]), Some(UserCommand::ExpireGuest { .. })));
}

#[test]
fn a_day_that_was_skipped_moves_the_look_back_by_a_day() {
    let mut expiry = Expiry::default();
    expiry.apply(&ClockJumped { from: at(38), to: at(39) }.into());
    let looks = expiry.looks(at(40), Some(&terms()));
    assert_eq!(looks[3], Look::Quiet { before: at(9) - Span::from_hours(1) });
}
