//! One page that shows it all: for a browser, a screen reader, or a printer. Counts in, page out; it needs nothing from
//! anywhere, runs nothing, and each picture has its numbers in a table beside it.

mod pictures;

use std::fmt::Write;

use chrysalis_domain::Timestamp;

use super::cohorts::CohortRow;
use super::conversion::ConversionRow;
use super::overview::Overview;
use super::spread::Quantile;
use crate::wire::html::escape;
use crate::wire::json_time::JsonTime;

const STYLE: &str = "\
:root{color-scheme:light}\
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c1c1c;background:#fff}\
h1{margin-bottom:0}figure{margin:1rem 0}svg{width:100%;height:auto}svg text{font:12px system-ui,sans-serif;fill:#1c1c1c}\
table{border-collapse:collapse;font-variant-numeric:tabular-nums}caption{text-align:left;font-weight:600;padding:.3rem 0}\
td,th{padding:.15rem .8rem .15rem 0;text-align:right;border-bottom:1px solid #ddd}th:first-child{text-align:left}\
thead th{border-bottom:2px solid #888}summary{cursor:pointer}\
@media print{body{max-width:none;margin:0}section{break-inside:avoid}summary{display:none}}";

/// Steps that are shown as a table.
const STEPS_MAX: usize = 400;

/// The page, made at a time.
pub fn page(of: &Overview, made_at: Timestamp) -> String {
    let mut page = String::new();
    let title = format!("Guests who became members, {} to {}", day(of.from), day(of.to));
    head(&mut page, &title, of, made_at);
    funnel(&mut page, &of.total);
    over_time(&mut page, of);
    methods(&mut page, of);
    time_to_convert(&mut page, of);
    cohorts(&mut page, &of.cohorts);
    page += "</main></body></html>\n";
    page
}

fn day(time: JsonTime) -> String {
    time.to_string().chars().take(10).collect()
}

/// Writing to a text never fails.
macro_rules! put {
    ($page:expr, $($what:tt)*) => {{
        let _ = write!($page, $($what)*);
    }};
}
use put;

fn head(page: &mut String, title: &str, of: &Overview, made_at: Timestamp) {
    put!(
        page,
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <title>{title}</title><style>{STYLE}</style></head><body><main><h1>{title}</h1>\
         <p>Time zone {zone}; made at {made}; definitions {definitions}. The last day is no part of it.</p>",
        title = escape(title),
        zone = escape(&of.time_zone),
        made = JsonTime(made_at),
        definitions = of.definitions,
    );
    if of.events_behind > 0 {
        put!(page, "<p><strong>{} events are not counted yet.</strong></p>", of.events_behind);
    }
}

/// A picture, with its numbers beneath.
fn section(page: &mut String, heading: &str, picture: &str, table: &str) {
    put!(
        page,
        "<section><h2>{}</h2><figure>{picture}</figure><details open><summary>The numbers</summary>{table}</details></section>",
        escape(heading)
    );
}

/// A table: the first cell of each row says what the row is.
fn table(caption: &str, columns: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = format!("<table><caption>{}</caption><thead><tr>", escape(caption));
    for column in columns {
        put!(table, "<th scope=\"col\">{}</th>", escape(column));
    }
    table += "</tr></thead><tbody>";
    for row in rows {
        table += "<tr>";
        for (nth, cell) in row.iter().enumerate() {
            let cell = escape(cell);
            match nth {
                0 => put!(table, "<th scope=\"row\">{cell}</th>"),
                _ => put!(table, "<td>{cell}</td>"),
            }
        }
        table += "</tr>";
    }
    table + "</tbody></table>"
}

/// A share never stands without what it is a share of.
fn share(percent: Option<f64>) -> String {
    percent.map_or_else(|| "–".to_owned(), |percent| format!("{percent:.2} %"))
}

fn funnel(page: &mut String, total: &ConversionRow) {
    let ConversionRow { guests, converted, converted_verified, .. } = *total;
    let steps = [
        ("Guests who came", guests, super::percent(guests, guests)),
        ("Members so far", converted, total.converted_percent),
        ("With a proven address", converted_verified, total.converted_verified_percent),
    ];
    let rows = steps.map(|(what, count, percent)| vec![what.to_owned(), count.to_string(), share(percent)]);
    let table = table("Of the guests who came in this time", &["", "guests", "of all"], rows);
    section(page, "From guest to member", &pictures::funnel(&steps), &table);
}

fn over_time(page: &mut String, of: &Overview) {
    let columns = ["", "guests", "members so far", "of the guests", "became members", "signed up as such", "expired"];
    let row = |row: &ConversionRow| {
        vec![
            row.step.clone(),
            row.guests.to_string(),
            row.converted.to_string(),
            share(row.converted_percent),
            row.upgrades.to_string(),
            super::cell(row.signups),
            super::cell(row.expired),
        ]
    };
    let shown = of.steps.len().saturating_sub(STEPS_MAX);
    let caption = format!("By {}: guests who came, and what became of them", of.grain);
    let table = table(&caption, &columns, of.steps.iter().skip(shown).map(row));
    section(page, "Over time", &pictures::over_time(&of.steps), &table);
}

fn methods(page: &mut String, of: &Overview) {
    let columns = ["", "became members", "of these", "with a proven address", "signed up as such"];
    let row = |row: &ConversionRow| {
        vec![
            row.value.clone().unwrap_or_default(),
            row.upgrades.to_string(),
            share(super::percent(row.upgrades, of.total.upgrades)),
            row.verified.to_string(),
            super::cell(row.signups),
        ]
    };
    let caption = format!("By method: {} guests who became members in this time", of.total.upgrades);
    put!(page, "<section><h2>By method</h2>{}</section>", table(&caption, &columns, of.methods.iter().map(row)));
}

fn time_to_convert(page: &mut String, of: &Overview) {
    let row = |one: &Quantile| {
        vec![
            format!("{:.0} % of them within", one.quantile * 100.0),
            span(one.seconds),
            format!("{} to {}", span(one.at_least as f64), span(one.below as f64)),
        ]
    };
    let all: u64 = of.time_to_convert.iter().map(|row| row.upgrades).sum();
    let caption = format!("How long it took {all} guests who became members in this time");
    let table = table(&caption, &["", "about", "certainly"], of.quantiles.iter().map(row));
    section(page, "Time to convert", &pictures::time_to_convert(&of.time_to_convert, all), &table);
}

/// In the largest unit of which there is more than one.
#[allow(clippy::cast_precision_loss, reason = "seconds of years have room")]
pub(super) fn span(seconds: f64) -> String {
    let units = [(86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes")];
    let fits = units.into_iter().find(|(length, _)| seconds >= 2.0 * length);
    fits.map_or_else(|| format!("{seconds:.0} seconds"), |(length, name)| format!("{:.1} {name}", seconds / length))
}

fn cohorts(page: &mut String, rows: &[CohortRow]) {
    let row = |row: &CohortRow| {
        let open = if row.complete { "" } else { ", not over" };
        vec![
            format!("{}, week {}{open}", row.cohort, row.after),
            row.guests.to_string(),
            row.converted.to_string(),
            share(row.converted_percent),
            super::cell(row.returned),
            row.returned.map_or_else(String::new, |_| share(row.returned_percent)),
        ]
    };
    let columns = ["", "guests", "members by then", "of the guests", "were there", "of the guests"];
    let table = table("By the week (of UTC) in which guests came", &columns, rows.iter().map(row));
    let pictures = pictures::cohorts(
        "Became members",
        "Share of the guests of each week who were members by the end of each week after",
        rows,
        |row| row.converted_percent,
    ) + &pictures::cohorts(
        "Came back",
        "Share of the guests of each week who were there in each week after",
        rows,
        |row| row.returned_percent,
    );
    section(page, "Cohorts", &pictures, &table);
}

#[cfg(test)]
mod tests;
