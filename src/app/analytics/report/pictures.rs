//! Pictures as SVG: each has a title and a description for those who don't see it, and no colour says what no number says.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::put;
use crate::app::analytics::cohorts::CohortRow;
use crate::app::analytics::conversion::ConversionRow;
use crate::app::analytics::spread::TimeRow;
use crate::wire::html::escape;

const WIDTH: f64 = 800.0;
const LIGHT: &str = "#b9d3ee";
const DARK: &str = "#1f4e79";

/// A picture of a height; its name tells its title from those of others on the page.
fn picture(name: &str, height: f64, title: &str, description: &str, content: &str) -> String {
    let (title, description) = (escape(title), escape(description));
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"{name}-title {name}-desc\" \
         xmlns=\"http://www.w3.org/2000/svg\"><title id=\"{name}-title\">{title}</title>\
         <desc id=\"{name}-desc\">{description}</desc>{content}</svg>"
    )
}

fn bar(content: &mut String, [x, y, width, height]: [f64; 4], fill: &str) {
    put!(content, "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{fill}\"/>");
}

fn text(content: &mut String, x: f64, y: f64, anchor: &str, said: &str) {
    put!(content, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>", escape(said));
}

/// As a part of the largest.
#[allow(clippy::cast_precision_loss, reason = "counts of guests have room")]
fn part(count: u64, most: u64) -> f64 {
    if most == 0 { 0.0 } else { count as f64 / most as f64 }
}

pub(super) fn funnel(steps: &[(&str, u64, Option<f64>)]) -> String {
    let most = steps.iter().map(|(_, count, _)| *count).max().unwrap_or(0);
    let (mut content, mut said) = (String::new(), Vec::new());
    for (nth, (what, count, percent)) in (0u8..).zip(steps) {
        let y = f64::from(nth) * 44.0;
        let label = format!("{what}: {count} ({})", super::share(*percent));
        text(&mut content, 0.0, y + 14.0, "start", &label);
        bar(&mut content, [0.0, y + 20.0, WIDTH * part(*count, most), 16.0], if nth == 0 { LIGHT } else { DARK });
        said.push(label);
    }
    picture("funnel", 132.0, "From guest to member", &said.join("; "), &content)
}

pub(super) fn over_time(steps: &[ConversionRow]) -> String {
    const HEIGHT: f64 = 220.0;
    const BASE: f64 = 190.0;
    let most = steps.iter().map(|row| row.guests).max().unwrap_or(0);
    #[allow(clippy::cast_precision_loss, reason = "there are few thousand steps")]
    let wide = WIDTH / steps.len().max(1) as f64;
    let (mut content, mut x) = (String::new(), 0.0);
    for row in steps {
        let column = |count| {
            let high = (BASE - 20.0) * part(count, most);
            [x, BASE - high, (wide * 0.85).max(0.2), high]
        };
        let (came, converted) = (column(row.guests), column(row.converted));
        bar(&mut content, came, LIGHT);
        bar(&mut content, converted, DARK);
        x += wide;
    }
    put!(content, "<line x1=\"0\" y1=\"{BASE}\" x2=\"{WIDTH}\" y2=\"{BASE}\" stroke=\"#888\"/>");
    text(&mut content, 0.0, 12.0, "start", &format!("most in one step: {most} guests"));
    if let (Some(first), Some(last)) = (steps.first(), steps.last()) {
        text(&mut content, 0.0, BASE + 18.0, "start", &first.step);
        text(&mut content, WIDTH, BASE + 18.0, "end", &last.step);
    }
    let said = format!(
        "A column for each of {} steps: light, guests who came, {most} at the most; dark, those of them who are members so far",
        steps.len()
    );
    picture("over-time", HEIGHT, "Guests and members over time", &said, &content)
}

/// How many took no longer, on a logarithmic scale from a second to the longest that anybody took.
pub(super) fn time_to_convert(rows: &[TimeRow], all: u64) -> String {
    const HEIGHT: f64 = 240.0;
    const BASE: f64 = 200.0;
    #[allow(clippy::cast_precision_loss, reason = "seconds of years have room")]
    let log = |seconds: i64| (seconds.max(1) as f64).ln();
    let longest = rows.last().map_or(2, |row| row.below.max(2));
    let place = |seconds: i64| WIDTH * log(seconds) / log(longest);
    let (mut content, mut line, mut high) = (String::new(), format!("M0 {BASE}"), BASE);
    for row in rows {
        put!(line, " L{:.1} {high:.1}", place(row.seconds));
        high = BASE - (BASE - 20.0) * part(row.cumulative, all);
        put!(line, " L{:.1} {high:.1}", place(row.below));
    }
    put!(content, "<path d=\"{line}\" fill=\"none\" stroke=\"{DARK}\" stroke-width=\"2\"/>");
    put!(content, "<line x1=\"0\" y1=\"{BASE}\" x2=\"{WIDTH}\" y2=\"{BASE}\" stroke=\"#888\"/>");
    let marks = [(60, "1 minute"), (3_600, "1 hour"), (86_400, "1 day"), (604_800, "1 week"), (2_592_000, "30 days")];
    for (seconds, name) in marks.into_iter().filter(|(seconds, _)| *seconds < longest) {
        let x = place(seconds);
        put!(content, "<line x1=\"{x:.1}\" y1=\"20\" x2=\"{x:.1}\" y2=\"{BASE}\" stroke=\"#ddd\"/>");
        text(&mut content, x, BASE + 18.0, "end", name);
    }
    text(&mut content, 0.0, 12.0, "start", &format!("all {all}"));
    let said = format!(
        "A curve that rises from none to all {all} guests who became members, over the time that it took them, on a \
         logarithmic scale; the table beneath says where it passes which share"
    );
    picture("time-to-convert", HEIGHT, "Time from coming to becoming a member", &said, &content)
}

/// A row for each cohort, a cell for each week after; the darker, the more.
pub(super) fn cohorts(title: &str, said: &str, rows: &[CohortRow], of: fn(&CohortRow) -> Option<f64>) -> String {
    const LEFT: f64 = 150.0;
    const HIGH: f64 = 20.0;
    let mut by_cohort: BTreeMap<&str, Vec<&CohortRow>> = BTreeMap::new();
    for row in rows {
        by_cohort.entry(&row.cohort).or_default().push(row);
    }
    let weeks = by_cohort.values().map(Vec::len).max().unwrap_or(0).max(1);
    #[allow(clippy::cast_precision_loss, reason = "there are few weeks")]
    let wide = ((WIDTH - LEFT) / weeks as f64).min(50.0);
    let most = rows.iter().filter_map(of).fold(0.0, f64::max);
    let (mut content, mut y) = (String::new(), 40.0);
    text(&mut content, 0.0, 12.0, "start", title);
    for (cohort, rows) in by_cohort {
        text(&mut content, 0.0, y + 14.0, "start", &format!("{cohort}: {}", rows.first().map_or(0, |row| row.guests)));
        let mut x = LEFT;
        for row in rows {
            if let Some(percent) = of(row) {
                let depth = if most > 0.0 { percent / most } else { 0.0 };
                put!(
                    content,
                    "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{DARK}\" \
                     fill-opacity=\"{:.2}\"/>",
                    wide - 1.0,
                    HIGH - 1.0,
                    0.05 + 0.95 * depth
                );
                if wide >= 28.0 {
                    let fill = if depth > 0.5 { " style=\"fill:#fff\"" } else { "" };
                    let (middle, low) = (x + wide / 2.0, y + 14.0);
                    put!(
                        content,
                        "<text x=\"{middle:.1}\" y=\"{low:.1}\" text-anchor=\"middle\"{fill}>{percent:.0}</text>"
                    );
                }
            }
            x += wide;
        }
        y += HIGH;
    }
    text(&mut content, LEFT, 32.0, "start", "week 0, 1, 2 … after they came; percent of the guests");
    let name = title.to_lowercase().replace(' ', "-");
    picture(
        &format!("cohorts-{name}"),
        y + 4.0,
        title,
        &format!("{said}; the table beneath has every number"),
        &content,
    )
}
