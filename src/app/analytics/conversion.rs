//! Guests who came and became members, step by step: all of them, or told apart by the method or by where they came from.

use std::collections::{BTreeMap, BTreeSet};

use chrysalis_projections::conversion::Split;
use chrysalis_projections::conversion::questions::{self, Counted, Counts, Few, OfDay};
use serde::Serialize;
use utoipa::ToSchema;

use super::range::{Range, Step, Unfit, What, unfit};
use super::{Analytics, Line, cell, percent};
use crate::log::{LogFault, list};
use crate::wire::json_time::JsonTime;

/// Values that are told apart, the largest first; what is left is put together.
const VALUES_MAX: usize = 20;
/// Steps of one answer that tells values apart.
const STEPS_MAX: usize = 1_200;

/// Whom no value was given for, and all beyond [`VALUES_MAX`]: no label can be written so.
const NONE: &str = "(none)";
const OTHERS: &str = "(others)";
/// Rows of days that are told apart by their values as they are read. Whoever makes a guest may say anything: of more rows the
/// largest values are found first.
const ROWS_MAX: i64 = 200_000;

/// Reads `group`.
pub fn group(text: Option<&str>, range: &Range) -> Result<Split, Unfit> {
    let splits = [Split::Method, Split::Channel, Split::Campaign, Split::Referrer];
    let Some(text) = text else { return Ok(Split::All) };
    let split = splits.into_iter().find(|split| split.name() == text);
    let split = split.ok_or_else(|| unfit("group", "takes method, channel, campaign or referrer"))?;
    if split != Split::Method && !range.is_of_utc_days() {
        let field = if range.zone_name == "UTC" { "grain" } else { "timeZone" };
        return Err(unfit(field, format!("`{text}` is counted by whole days of UTC")));
    }
    if range.steps().len() > STEPS_MAX {
        return Err(unfit("grain", format!("gives more than {STEPS_MAX} steps; ask for wider ones or a shorter time")));
    }
    Ok(split)
}

/// What was counted in one step.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConversionRow {
    /// When the step begins, by the clock of the time zone.
    #[schema(example = "2027-01-15")]
    pub step: String,
    pub from: JsonTime,
    /// No part of it.
    pub to: JsonTime,
    /// What it is told apart by. `(none)`: nothing was said; `(others)`: all beyond the twenty largest.
    pub value: Option<String>,
    /// Guests who came; by method, all who came: any of them may have become a member by it.
    pub guests: u64,
    /// Of the guests who came in this step, those who have become members so far …
    pub converted: u64,
    pub converted_percent: Option<f64>,
    /// … and those who have done so and proven an address.
    pub converted_verified: u64,
    pub converted_verified_percent: Option<f64>,
    /// Guests who became members in this step, whenever they came.
    pub upgrades: u64,
    /// Guests who first were members with a proven address in this step.
    pub verified: u64,
    /// Members who came as such, and those who first had a proven address. Null where they are not told apart.
    pub signups: Option<u64>,
    pub verified_signups: Option<u64>,
    /// Members who became guests again, for somebody else proved their address.
    pub fell_back: Option<u64>,
    /// Guests who were deleted by the clean-up, and otherwise; members who were deleted.
    pub expired: Option<u64>,
    pub deleted_guests: Option<u64>,
    pub deleted_members: Option<u64>,
}

impl ConversionRow {
    fn of(step: &Step, split: Split, value: Option<String>, guests: u64, counts: Counts) -> Self {
        let (whole, by_method) = (split == Split::All, split == Split::Method);
        Self {
            step: step.label.clone(),
            from: super::time(step.from),
            to: super::time(step.to),
            value,
            guests,
            converted: counts.converted,
            converted_percent: percent(counts.converted, guests),
            converted_verified: counts.converted_verified,
            converted_verified_percent: percent(counts.converted_verified, guests),
            upgrades: counts.upgrades,
            verified: counts.verified,
            signups: (whole || by_method).then_some(counts.signups),
            verified_signups: (whole || by_method).then_some(counts.verified_signups),
            fell_back: whole.then_some(counts.fell_back),
            expired: whole.then_some(counts.expired),
            deleted_guests: whole.then_some(counts.deleted_guests),
            deleted_members: whole.then_some(counts.deleted_members),
        }
    }
}

impl Line for ConversionRow {
    const COLUMNS: &'static [&'static str] = &[
        "step",
        "from",
        "to",
        "value",
        "guests",
        "converted",
        "convertedPercent",
        "convertedVerified",
        "convertedVerifiedPercent",
        "upgrades",
        "verified",
        "signups",
        "verifiedSignups",
        "fellBack",
        "expired",
        "deletedGuests",
        "deletedMembers",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.step.clone(),
            self.from.to_string(),
            self.to.to_string(),
            cell(self.value.as_ref()),
            self.guests.to_string(),
            self.converted.to_string(),
            cell(self.converted_percent),
            self.converted_verified.to_string(),
            cell(self.converted_verified_percent),
            self.upgrades.to_string(),
            self.verified.to_string(),
            cell(self.signups),
            cell(self.verified_signups),
            cell(self.fell_back),
            cell(self.expired),
            cell(self.deleted_guests),
            cell(self.deleted_members),
        ]
    }
}

/// Counts of every step, and of the whole time.
#[derive(Clone, Debug, PartialEq)]
pub struct Conversion {
    pub rows: Vec<ConversionRow>,
    pub total: ConversionRow,
}

/// Counts by step and value.
type Table = BTreeMap<(i64, String), Counts>;

impl Analytics<'_> {
    pub async fn conversion(&self, range: &Range, split: Split) -> Result<Conversion, LogFault> {
        self.conversion_of(range, split, ROWS_MAX).await
    }

    /// The same, where so many rows are many.
    pub async fn conversion_of(&self, range: &Range, split: Split, many: i64) -> Result<Conversion, LogFault> {
        let all = self.counts(range, Split::All, None).await?;
        let of = |key: i64| all.get(&(key, String::new())).copied().unwrap_or_default();
        let mut sum = Counts::default();
        all.values().for_each(|counts| sum.add(*counts));
        let steps = range.steps();
        let whole = Step { key: 0, from: range.from, to: range.to, label: steps[0].label.clone() };
        let total = ConversionRow::of(&whole, Split::All, None, sum.guests, sum);
        if split == Split::All {
            let row = |step: &Step| ConversionRow::of(step, split, None, of(step.key).guests, of(step.key));
            return Ok(Conversion { rows: steps.iter().map(row).collect(), total });
        }
        let few = self.few(range, split, many).await?;
        let parts = largest(self.counts(range, split, few.as_ref()).await?);
        let mut rows = Vec::new();
        for step in &steps {
            let (whole, mut said) = (of(step.key), Counts::default());
            for ((_, value), counts) in
                parts.range((step.key, String::new())..).take_while(|((key, _), _)| *key == step.key)
            {
                said.add(*counts);
                let guests = if split == Split::Method { whole.guests } else { counts.guests };
                rows.push(ConversionRow::of(step, split, Some(value.clone()), guests, *counts));
            }
            let none = whole.less(said);
            // Nobody becomes a member by nothing.
            if split != Split::Method && (none.guests > 0 || none.upgrades > 0 || none.verified > 0) {
                rows.push(ConversionRow::of(step, split, Some(NONE.to_owned()), none.guests, none));
            }
        }
        Ok(Conversion { rows, total })
    }

    /// The values to tell apart, where there are many of them.
    async fn few(&self, range: &Range, split: Split, many: i64) -> Result<Option<Few>, LogFault> {
        if split == Split::Method {
            return Ok(None);
        }
        let (from, to) = (range.from, range.to);
        let rows = list(self.log, questions::rows_of_days(split, from, to, many), |row| row.integer(0)).await?;
        if rows.first().is_none_or(|rows| *rows < many) {
            return Ok(None);
        }
        let most = i64::try_from(VALUES_MAX).unwrap_or(i64::MAX);
        let asked = questions::largest(split, from, to, most);
        let values = list(self.log, asked, |row| row.text(0).map(str::to_owned)).await?;
        Ok(Some(Few { values, others: OTHERS }))
    }

    async fn counts(&self, range: &Range, split: Split, few: Option<&Few>) -> Result<Table, LogFault> {
        let mut table = Table::new();
        for piece in range.pieces() {
            match piece.what {
                What::Spans(stretch) => {
                    let asked = questions::counts(split, stretch, piece.size, piece.offset, few);
                    for Counted { nth, value, counts } in list(self.log, asked, questions::read_counts).await? {
                        table.entry((range.key(nth, &piece), value)).or_default().add(counts);
                    }
                }
                What::Days(days) => {
                    let found = list(self.log, questions::parted(split, days), questions::read_of_day).await?;
                    let step = |moment: i64| range.key(piece.nth(moment), &piece);
                    // Days first: what is a part of one is taken from it.
                    let (parts, wholes): (Vec<_>, Vec<_>) = found.into_iter().partition(|one| one.is_part);
                    for OfDay { day, value, counts, .. } in wholes {
                        table.entry((step(days.moments(day).1), value)).or_default().add(counts);
                    }
                    for OfDay { day, value, counts, .. } in parts {
                        let (part, rest) = days.moments(day);
                        let rest = table.entry((step(rest), value.clone())).or_default();
                        *rest = rest.less(counts);
                        table.entry((step(part), value)).or_default().add(counts);
                    }
                }
            }
        }
        // Of what was counted in one part of a day alone, nothing is left in the other.
        table.retain(|_, counts| *counts != Counts::default());
        Ok(table)
    }
}

/// The largest values as they are, and the others as one.
fn largest(table: Table) -> Table {
    let mut sizes: BTreeMap<&str, u64> = BTreeMap::new();
    for ((_, value), counts) in table.iter().filter(|((_, value), _)| value != OTHERS) {
        *sizes.entry(value).or_default() += counts.guests + counts.upgrades + counts.signups;
    }
    if sizes.len() <= VALUES_MAX {
        return table;
    }
    let mut by_size: Vec<_> = sizes.into_iter().collect();
    by_size.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    let kept: BTreeSet<String> = by_size.into_iter().take(VALUES_MAX).map(|(value, _)| value.to_owned()).collect();
    let mut few = Table::new();
    for ((key, value), counts) in table {
        let value = if kept.contains(&value) { value } else { OTHERS.to_owned() };
        few.entry((key, value)).or_default().add(counts);
    }
    few
}
