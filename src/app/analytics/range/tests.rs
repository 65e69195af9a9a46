use std::collections::HashSet;

use chrysalis_domain::Timestamp;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_007);

fn asked(from: &str, to: &str, grain: &str, zone: &str) -> Result<Range, Unfit> {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Asked { from: text(from), to: text(to), grain: text(grain), time_zone: text(zone) }.read(NOW)
}

fn field(asked: Result<Range, Unfit>) -> &'static str {
    asked.unwrap_err().field
}

#[test]
fn what_can_not_be_asked_is_told_by_its_field() {
    for (from, to, grain, zone, wrong) in [
        ("2027-01-02", "2027-01-01", "", "", "to"),
        ("2027-01-01", "2027-01-01", "", "", "to"),
        ("2027-02-30", "", "", "", "from"),
        ("yesterday", "", "", "", "from"),
        ("1999-12-31", "", "", "", "from"),
        ("", "2200-01-02", "", "", "to"),
        ("2027-01-01T00:07:00.000Z", "", "", "", "from"),
        ("", "", "fortnight", "", "grain"),
        ("", "", "Day", "", "grain"),
        ("2000-01-01", "2200-01-01", "all", "", "to"),
        ("2027-01-01", "2028-01-01", "quarter", "", "grain"),
        ("2026-01-01", "2027-01-01", "hour", "", "grain"),
        ("", "", "", "Mars/Olympus", "timeZone"),
        ("", "", "", "Etc/Unknown", "timeZone"),
        ("", "", "", "../../etc/passwd", "timeZone"),
    ] {
        assert_eq!(field(asked(from, to, grain, zone)), wrong, "{from} {to} {grain} {zone}");
    }
}

#[test]
fn where_nothing_is_said_it_is_the_last_thirty_days() {
    let range = asked("", "", "", "").unwrap();
    assert_eq!((range.to, range.to - range.from), (1_800_057_600, 30 * DAY));
    assert_eq!(range.steps().len(), 30);
    assert_eq!(range.steps()[0].label, "2026-12-17");
    assert!(range.is_of_utc_days());
}

/// In Berlin the 28th of March 2027 has 23 hours, in Kolkata every midnight is at half past.
#[test]
fn days_are_those_of_the_time_zone() {
    let range = asked("2027-03-27", "2027-03-30", "day", "Europe/Berlin").unwrap();
    let hours: Vec<_> = range.steps().iter().map(|step| (step.label.clone(), (step.to - step.from) / HOUR)).collect();
    let expected = [("2027-03-27", 24), ("2027-03-28", 23), ("2027-03-29", 24)];
    assert_eq!(hours, expected.map(|(label, hours)| (label.to_owned(), hours)));
    let range = asked("2027-03-27", "2027-03-30", "day", "Asia/Kolkata").unwrap();
    assert_eq!(range.from % DAY, DAY - 5 * HOUR - 1_800);
}

/// What years of days cost is a row for each and some hours, in whatever time zone: not 24 of them.
#[test]
fn years_are_days_with_a_few_hours_each() {
    let rows = |zone, grain| -> i64 {
        let range = asked("2027-01-01", "2030-01-01", grain, zone).unwrap();
        let of = |piece: &Piece| match piece.what {
            What::Spans(Stretch { width, from, to }) => (to - from) / width,
            What::Days(days) => {
                let (begin, end) = days.part();
                let (hours, quarters) = ((end - begin) / HOUR, (end - begin) % HOUR / QUARTER);
                (days.to - days.from) / DAY * (1 + hours + quarters)
            }
        };
        assert!(range.pieces().len() < 200, "{zone} {grain}");
        range.pieces().iter().map(of).sum()
    };
    for (zone, most) in
        [("UTC", 1), ("Europe/Berlin", 3), ("America/New_York", 6), ("Asia/Kolkata", 8), ("Australia/Sydney", 13)]
    {
        for grain in ["day", "week", "month"] {
            assert!(rows(zone, grain) <= 1_096 * most + 300, "{zone} {grain}: {}", rows(zone, grain));
        }
    }
}

#[test]
fn weeks_begin_on_monday_and_months_on_the_first() {
    let labels = |grain| {
        let range = asked("2027-01-15", "2027-02-03", grain, "").unwrap();
        range.steps().into_iter().map(|step| step.label).collect::<Vec<_>>()
    };
    assert_eq!(labels("week"), ["2027-01-15", "2027-01-18", "2027-01-25", "2027-02-01"]);
    assert_eq!(labels("month"), ["2027-01-15", "2027-02-01"]);
    assert_eq!(labels("all"), ["2027-01-15"]);
}

/// Whatever is asked for, each quarter of an hour of it is counted once and falls into one of its steps.
#[test]
fn pieces_cover_a_range_and_lead_to_its_steps() {
    for zone in ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Chatham"] {
        for grain in ["quarter", "hour", "day", "week", "month", "all"] {
            for (from, to) in [
                ("2027-03-20", "2027-04-10"),
                ("2027-10-01T05:45:00.000Z", "2027-11-08T23:15:00.000Z"),
                ("2027-10-30T22:15:00.000Z", "2027-10-31T04:30:00.000Z"),
            ] {
                let range = asked(from, to, grain, zone).unwrap();
                let (steps, pieces) = (range.steps(), range.pieces());
                assert_eq!((steps[0].from, steps[steps.len() - 1].to), (range.from, range.to));
                assert!(steps.windows(2).all(|two| two[0].to == two[1].from && two[0].from < two[0].to));
                assert!(steps.windows(2).all(|two| two[0].key != two[1].key), "{zone} {grain}");
                let mut counted = HashSet::new();
                // A span and a moment in it, by which it is counted.
                let mut count = |piece: &Piece, begin: i64, end: i64, moment: i64| {
                    let key = range.key(piece.nth(moment), piece);
                    let step = steps.iter().find(|step| step.key == key).unwrap();
                    assert!(step.from <= begin && end <= step.to, "{zone} {grain} {begin}");
                    for quarter in (begin..end).step_by(900) {
                        assert!(counted.insert(quarter), "{zone} {grain}: {quarter} is counted twice");
                    }
                };
                for piece in pieces {
                    match piece.what {
                        What::Spans(Stretch { width, from, to }) => {
                            assert_eq!(((to - from) % width, from % width), (0, 0));
                            for begin in (from..to).step_by(usize::try_from(width).unwrap()) {
                                count(&piece, begin, begin + width, begin);
                            }
                        }
                        What::Days(days) => {
                            assert_eq!((days.from % DAY, days.to % DAY), (0, 0));
                            let (begin, end) = days.part();
                            assert!(end - begin <= DAY / 2 && begin % QUARTER == 0 && end % QUARTER == 0);
                            for day in (days.from..days.to).step_by(usize::try_from(DAY).unwrap()) {
                                let (part, rest) = days.moments(day);
                                count(&piece, day + begin, day + end, part);
                                let rest_of = if begin == 0 { (day + end, day + DAY) } else { (day, day + begin) };
                                count(&piece, rest_of.0, rest_of.1, rest);
                            }
                        }
                    }
                }
                assert_eq!(counted.len() as i64, (range.to - range.from) / QUARTER);
            }
        }
    }
}
