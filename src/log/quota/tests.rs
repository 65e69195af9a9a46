//! Against the plainest model there is: a list of every time at which somebody was let in.

use proptest::prelude::*;

use super::*;

const MINUTE: Span = Span::from_secs(60);
const HOUR: Span = Span::from_hours(1);
const DAY: Span = Span::from_days(1);

fn quota(ceilings: &[(u32, Span)]) -> Quota {
    let ceilings = ceilings.iter().map(|&(limit, span)| Ceiling { limit, span }).collect();
    Quota { key: b"k".to_vec(), ceilings, counting: Counting::Takes }
}

/// Asks for a place at a time; what is stored goes through its bytes, as between two batches.
fn ask(stored: &mut Option<Vec<u8>>, quota: &Quota, now: i64) -> Result<(), Span> {
    let quotas = std::slice::from_ref(quota);
    let now = Timestamp::from_millis(now);
    let mut counts = Counts::default();
    counts.learn(&quota.key, stored.as_deref());
    match counts.room(quotas, now) {
        Ok(()) => {
            counts.take(quotas, now);
            *stored = counts.left().pop().map(|left| left.stamps);
            Ok(())
        }
        Err(Refused::QuotaExceeded { retry_after, .. }) => Err(retry_after),
        Err(other) => panic!("{other:?}"),
    }
}

fn within(admitted: &[i64], from: i64, span: Span) -> usize {
    admitted.iter().filter(|at| **at >= from && **at < from + span.as_millis()).count()
}

/// Pauses as people and bots make them: bursts, trickles, long silences.
fn pauses() -> impl Strategy<Value = Vec<i64>> {
    let pause = prop_oneof![4 => 0..3_000_i64, 3 => 0..120_000_i64, 2 => 0..1_800_000_i64, 1 => 0..40_000_000_i64];
    proptest::collection::vec(pause, 1..400)
}

fn ceilings() -> impl Strategy<Value = Vec<(u32, Span)>> {
    let day = prop_oneof![Just(20), Just(90), Just(200)];
    let hour = prop_oneof![Just(10), Just(65), Just(120)];
    prop_oneof![
        (1..80_u32).prop_map(|limit| vec![(limit, MINUTE)]),
        hour.clone().prop_map(|limit| vec![(limit, HOUR)]),
        (1..12_u32, hour, day).prop_map(|(minute, hour, day)| vec![(minute, MINUTE), (hour, HOUR), (day, DAY)]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_span_at_any_alignment_holds_more_than_the_limit(pauses in pauses(), ceilings in ceilings()) {
        let quota = quota(&ceilings);
        let (mut stored, mut admitted, mut now) = (None, Vec::new(), 1_800_000_000_000);
        for pause in pauses {
            now += pause;
            if ask(&mut stored, &quota, now).is_ok() {
                admitted.push(now);
            }
        }
        for (limit, span) in ceilings {
            for from in &admitted {
                prop_assert!(within(&admitted, *from, span) <= limit as usize);
            }
        }
    }

    /// Whoever is refused would be refused by the model too, but for those who came up to a 64th of a span ago.
    #[test]
    fn nobody_waits_much_longer_than_they_must(pauses in pauses(), ceilings in ceilings()) {
        let quota = quota(&ceilings);
        let (mut stored, mut admitted, mut now) = (None, Vec::<i64>::new(), 1_800_000_000_000);
        for pause in pauses {
            now += pause;
            let full = |slack: bool| ceilings.iter().any(|(limit, span)| {
                let coarse = *limit > 64 || ceilings.len() > 1;
                let more = if slack && coarse { span.as_millis() / 64 } else { 0 };
                let counted = admitted.iter().filter(|at| now - **at < span.as_millis() + more).count();
                counted >= *limit as usize
            });
            match ask(&mut stored, &quota, now) {
                Ok(()) => {
                    prop_assert!(!full(false));
                    admitted.push(now);
                }
                Err(_) => prop_assert!(full(true)),
            }
        }
    }

    #[test]
    fn whoever_waits_as_told_is_let_in(pauses in pauses(), ceilings in ceilings()) {
        let quota = quota(&ceilings);
        let (mut stored, mut now) = (None, 1_800_000_000_000);
        for pause in pauses {
            now += pause;
            if let Err(wait) = ask(&mut stored, &quota, now) {
                now += wait.as_millis();
                prop_assert_eq!(ask(&mut stored, &quota, now), Ok(()));
            }
        }
    }

    #[test]
    fn what_is_stored_stays_small(pauses in pauses()) {
        let quota = Quota { counting: Counting::Notes, ..quota(&[(30, MINUTE), (10_000, HOUR), (100_000, DAY)]) };
        let (mut stored, mut now) = (None, 1_800_000_000_000);
        for pause in pauses {
            now += pause;
            ask(&mut stored, &quota, now).unwrap();
        }
        prop_assert!(stored.unwrap().len() <= 1 + 3 * 66 * MARK);
    }
}

#[test]
fn a_day_full_of_groups_takes_some_kilobytes() {
    let quota = quota(&[(1_000, MINUTE), (60_000, HOUR), (1_000_000, DAY)]);
    let mut stored = None;
    for n in 0..200_000 {
        let _ = ask(&mut stored, &quota, 1_800_000_000_000 + n * 500);
    }
    assert!(stored.as_ref().unwrap().len() < 2_600, "{}", stored.unwrap().len());
}

#[test]
fn what_was_counted_before_marks_still_counts() {
    let stamps = [1_800_000_000_000_i64, 1_800_000_000_001, 1_800_000_030_000];
    let mut stored = Some(stamps.iter().flat_map(|stamp| stamp.to_be_bytes()).collect());
    let three = quota(&[(3, MINUTE)]);
    assert_eq!(ask(&mut stored, &three, 1_800_000_059_999), Err(Span::from_millis(1)));
    assert_eq!(ask(&mut stored, &three, 1_800_000_060_000), Ok(()));
    assert_eq!(ask(&mut stored, &three, 1_800_000_060_000), Err(Span::from_millis(1)));
}

#[test]
fn a_clock_that_stands_still_or_falls_back_lets_nobody_in_twice() {
    let two = quota(&[(2, MINUTE), (100, HOUR)]);
    let mut stored = None;
    for now in [1_800_000_000_000, 1_799_999_999_000] {
        assert_eq!(ask(&mut stored, &two, now), Ok(()));
    }
    assert!(ask(&mut stored, &two, 1_800_000_000_000).is_err());
}
