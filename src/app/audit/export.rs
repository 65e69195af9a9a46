//! A stretch of time of the trail, oldest first. Times are those at which deeds were recorded, which never fall: so where a
//! time stands is found by halving, and a stretch that has ended stays as it is.

use chrysalis_domain::Timestamp;
use chrysalis_projections::audit::{self, AuditRow, Milestone};

use super::Trail;
use super::pages::{Filter, Page, Toward};
use crate::log::{LogFault, ask_one};

/// From one time to another, both included.
#[derive(Clone, Copy, Debug, Default)]
pub struct Period {
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
}

/// Where an export goes on: behind so many of the deeds of a millisecond that fit. On the wire it is one number, the
/// millisecond and a fraction of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub at: Timestamp,
    pub behind: usize,
}

/// Parts that a millisecond has: a number tells four times as many apart until the year 2039 and twice as many until 2109,
/// and readers of JSON may miss the last bit.
const PARTS: u32 = 1_024;

impl Cursor {
    pub fn from_number(number: f64) -> Option<Self> {
        let millis = number.trunc();
        // 9999-12-31 is less; beyond it no number has room for the fraction.
        if !(0.0..=253_402_300_800_000.0).contains(&millis) {
            return None;
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "both are within their bounds")]
        let (at, behind) = (millis as i64, ((number - millis) * f64::from(PARTS)).round() as usize);
        Some(Self { at: Timestamp::from_millis(at), behind })
    }

    pub fn number(self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "milliseconds have room")]
        let millis = self.at.as_millis() as f64;
        millis + f64::from(u32::try_from(self.behind).unwrap_or(PARTS).min(PARTS - 1)) / f64::from(PARTS)
    }
}

impl Trail<'_> {
    /// At most so many, unless more than a number can tell apart fall into one millisecond; and where to go on.
    pub async fn export(
        &self,
        filter: &Filter,
        period: Period,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> Result<(Vec<AuditRow>, Option<Cursor>), LogFault> {
        let from = cursor.map(|cursor| cursor.at).max(period.from);
        let mut skip = cursor.filter(|cursor| Some(cursor.at) == from).map_or(0, |cursor| cursor.behind);
        let Some(mut toward) = self.since(from).await? else { return Ok((Vec::new(), None)) };
        let mut rows: Vec<AuditRow> = Vec::new();
        let mut behind = skip;
        loop {
            let Page { rows: found, on } = self.page(filter, toward, limit).await?;
            let few = found.len() < limit;
            for row in found {
                if period.to.is_some_and(|to| row.recorded_at > to) {
                    return Ok((rows, None));
                }
                if skip > 0 && Some(row.recorded_at) == from {
                    skip -= 1;
                    continue;
                }
                let same = rows.last().map_or(from, |last| Some(last.recorded_at)) == Some(row.recorded_at);
                let before = if same { behind } else { 0 };
                if rows.len() >= limit && before < PARTS as usize {
                    return Ok((rows, Some(Cursor { at: row.recorded_at, behind: before })));
                }
                behind = before + 1;
                rows.push(row);
            }
            let Some(on) = on else { return Ok((rows, None)) };
            toward = Toward::newer_than(on);
            // So much was looked at that the rest is for another time.
            let at = Timestamp::from_millis(i64::try_from(on.ulid().timestamp_ms()).unwrap_or(i64::MAX));
            if few && from.is_none_or(|from| at > from) {
                let same = rows.last().map_or(from, |last| Some(last.recorded_at)) == Some(at);
                return Ok((rows, Some(Cursor { at, behind: if same { behind } else { 0 } })));
            }
        }
    }

    /// What was recorded at a time and since; none where nothing was.
    pub async fn since(&self, time: Option<Timestamp>) -> Result<Option<Toward>, LogFault> {
        let Some(time) = time else { return Ok(Some(Toward::OLDEST)) };
        let ask = async |question, place: u64| ask_one(self.log, question, &[place.cast_signed().into()]).await;
        let (Some(first), Some(last)) = (ask(&audit::FROM, 0).await?, ask(&audit::LAST, 0).await?) else {
            return Ok(None);
        };
        if last.recorded_at < time {
            return Ok(None);
        }
        // Somewhere from `low` to `high` the first deed of that time stands.
        let (mut low, mut high) = (first.place, last.place);
        while low < high {
            let middle = low + (high - low) / 2;
            match ask(&audit::FROM, middle).await? {
                Some(Milestone { place, recorded_at }) if recorded_at < time => low = place + 1,
                _ => high = middle,
            }
        }
        Ok(Some(Toward::Newer(low.saturating_sub(1))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_one_number_and_reads_back() {
        for (millis, behind) in [(0, 0), (1_800_000_000_007, 0), (1_800_000_000_007, 1), (1_800_000_000_007, 1_023)] {
            let cursor = Cursor { at: Timestamp::from_millis(millis), behind };
            let json = serde_json::to_string(&cursor.number()).unwrap();
            assert_eq!(Cursor::from_number(serde_json::from_str(&json).unwrap()), Some(cursor));
        }
        for number in [-1.0, f64::NAN, f64::INFINITY, 1e300] {
            assert_eq!(Cursor::from_number(number), None);
        }
    }
}
