//! Where in the log a time is. The log's own time never falls as positions rise, so it is found by halving: no index.

use chrysalis_domain::Timestamp;

use super::{Log, LogFault, Position};

/// Now, by the log's own time: it is ahead of a clock that was set back.
pub async fn now(log: &dyn Log, clock: Timestamp) -> Result<Timestamp, LogFault> {
    let head = *log.head().borrow();
    let last = log.read_all(head.saturating_sub(1), 1).await?;
    Ok(last.first().map_or(clock, |last| last.recorded_at.max(clock)))
}

/// Events looked at together at the end of the log.
const PAGE: usize = 256;

/// The last position that was recorded at a time or before; 0 where nothing was.
pub async fn upto(log: &dyn Log, time: Timestamp) -> Result<Position, LogFault> {
    let (mut low, mut high) = (0, *log.head().borrow());
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        // Where a position is missing, the next one answers for it.
        match log.read_all(middle - 1, 1).await?.first() {
            Some(event) if event.recorded_at <= time => low = event.position.max(middle),
            _ => high = middle - 1,
        }
    }
    // Another node may have stored more than this one has heard of.
    loop {
        let page = log.read_all(low, PAGE).await?;
        let within = page.iter().take_while(|event| event.recorded_at <= time).last();
        low = within.map_or(low, |event| event.position);
        if page.len() < PAGE || page.last().is_some_and(|last| last.position > low) {
            return Ok(low);
        }
    }
}
