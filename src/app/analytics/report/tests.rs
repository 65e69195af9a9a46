use std::collections::BTreeSet;

use super::*;
use crate::app::analytics::spread::{SessionsRow, TimeRow};

fn time(text: &str) -> JsonTime {
    JsonTime::parse(text).unwrap()
}

fn row(step: &str, value: Option<&str>, guests: u64, converted: u64) -> ConversionRow {
    ConversionRow {
        step: step.to_owned(),
        from: time("2027-01-15T00:00:00.000Z"),
        to: time("2027-01-16T00:00:00.000Z"),
        value: value.map(str::to_owned),
        guests,
        converted,
        converted_percent: crate::app::analytics::percent(converted, guests),
        converted_verified: converted / 2,
        converted_verified_percent: crate::app::analytics::percent(converted / 2, guests),
        upgrades: converted,
        verified: converted / 2,
        signups: Some(1),
        verified_signups: Some(0),
        fell_back: Some(0),
        expired: Some(3),
        deleted_guests: Some(0),
        deleted_members: Some(0),
    }
}

fn overview() -> Overview {
    let cohort = |cohort: &str, after, complete| CohortRow {
        cohort: cohort.to_owned(),
        guests: 100,
        after,
        upgrades: 10,
        converted: 10 * (after.unsigned_abs() + 1),
        converted_percent: Some(10.0 * (after as f64 + 1.0)),
        returned: (after > 0).then_some(7),
        returned_percent: (after > 0).then_some(7.0),
        complete,
    };
    Overview {
        from: time("2027-01-15T00:00:00.000Z"),
        to: time("2027-01-17T00:00:00.000Z"),
        time_zone: "Europe/Berlin".to_owned(),
        grain: "day",
        definitions: 1,
        events_behind: 0,
        total: row("2027-01-15", None, 200, 50),
        steps: vec![row("2027-01-15", None, 120, 40), row("2027-01-16", None, 80, 10)],
        methods: vec![row("2027-01-15", Some("password"), 200, 30), row("2027-01-15", Some("social:<b>"), 200, 20)],
        time_to_convert: vec![
            TimeRow {
                seconds: 60,
                below: 64,
                upgrades: 30,
                percent: Some(60.0),
                cumulative: 30,
                cumulative_percent: Some(60.0),
            },
            TimeRow {
                seconds: 81_920,
                below: 90_112,
                upgrades: 20,
                percent: Some(40.0),
                cumulative: 50,
                cumulative_percent: Some(100.0),
            },
        ],
        quantiles: vec![Quantile { quantile: 0.5, at_least: 60, below: 64, seconds: 63.3 }],
        sessions: vec![SessionsRow { sessions: 1, upgrades: 50, percent: Some(100.0) }],
        cohorts: vec![
            cohort("2027-01-04", 0, true),
            cohort("2027-01-04", 1, true),
            cohort("2027-01-11", 0, true),
            cohort("2027-01-11", 1, false),
        ],
    }
}

fn made() -> String {
    page(&overview(), Timestamp::from_millis(1_800_000_000_007))
}

/// The page as it was when somebody last looked at it: after a change, look at it again and keep it (`UPDATE_SNAPSHOTS=1`).
#[test]
fn the_page_is_as_it_was() {
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/src/app/analytics/report/page.html");
    // A tag to a line, so that a difference is one.
    let made = made().replace('>', ">\n");
    #[allow(clippy::disallowed_methods, reason = "tests have no configuration to be read into")]
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(kept, &made).unwrap();
    }
    assert_eq!(made, std::fs::read_to_string(kept).unwrap());
}

#[test]
fn every_picture_says_what_it_shows_and_has_its_numbers_beside_it() {
    let page = made();
    let pictures: Vec<_> = page.split("<svg ").skip(1).collect();
    assert_eq!(pictures.len(), 5);
    let mut names = BTreeSet::new();
    for picture in &pictures {
        let labelled = picture.split("aria-labelledby=\"").nth(1).unwrap().split('"').next().unwrap();
        for id in labelled.split(' ') {
            assert!(names.insert(id) && picture.contains(&format!("id=\"{id}\"")), "{id}");
        }
        assert!(picture.starts_with("viewBox") && picture.contains("role=\"img\""));
    }
    assert_eq!(page.matches("<section>").count(), page.matches("<table>").count());
    assert_eq!(page.matches("<table>").count(), page.matches("<caption>").count());
    for number in ["200", "25.00 %", "50", "12.50 %", "63 seconds"] {
        assert!(page.contains(number), "{number}");
    }
}

/// Whatever providers are called: nothing runs, and nothing is fetched.
#[test]
fn nothing_in_it_is_markup_but_its_own() {
    let page = made();
    assert!(page.contains("social:&lt;b&gt;") && !page.contains("<b>"));
    assert!(!page.contains("<script") && !page.contains("<link") && !page.contains("<img") && !page.contains("url("));
    assert!(!page.replace("http://www.w3.org/2000/svg", "").contains("http://"));
}

#[test]
fn of_nothing_there_is_a_page_too() {
    let nothing = Overview {
        total: row("2027-01-15", None, 0, 0),
        steps: Vec::new(),
        methods: Vec::new(),
        time_to_convert: Vec::new(),
        quantiles: Vec::new(),
        sessions: Vec::new(),
        cohorts: Vec::new(),
        events_behind: 7,
        ..overview()
    };
    let page = page(&nothing, Timestamp::from_millis(0));
    assert!(page.contains("7 events are not counted yet") && !page.contains("NaN") && !page.contains("inf"));
}
