//! How a quota is counted: by the times of the groups that named it, 8 bytes each, oldest first.

use chrysalis_domain::{Span, Timestamp};

use super::Quota;

/// The stamps that still count, or how long until one no longer does. No span of the quota's length ever holds more
/// than its limit: a stamp counts while less than a whole span has passed.
pub(super) fn count(quota: &Quota, stamps: &[u8], now: Timestamp) -> Result<Vec<i64>, Span> {
    let floor = (now - quota.span).as_millis();
    let stamps = stamps.chunks_exact(8).map(|chunk| i64::from_be_bytes(chunk.try_into().unwrap_or_default()));
    let stamps: Vec<i64> = stamps.filter(|stamp| *stamp > floor).collect();
    let limit = quota.limit as usize;
    if stamps.len() < limit {
        return Ok(stamps);
    }
    // Room comes when enough of the oldest have aged out.
    let blocking = stamps.len().checked_sub(limit.max(1)).map_or(now.as_millis(), |index| stamps[index]);
    Err((Timestamp::from_millis(blocking) + quota.span).since(now).max(Span::from_millis(1)))
}

/// As they are stored, with one more for `now`.
pub(super) fn with(stamps: &[i64], now: Timestamp) -> Vec<u8> {
    stamps.iter().chain([&now.as_millis()]).flat_map(|stamp| stamp.to_be_bytes()).collect()
}
