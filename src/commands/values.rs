//! Values, as they are written on the command line.

use chrysalis::config::parse_span;
use chrysalis::wire::moment::Moment;
use chrysalis_domain::{Span, Timestamp};

pub fn time(text: &str) -> Result<Timestamp, String> {
    Moment::parse(text).map(|time| time.0).map_err(|_| {
        "write a date YYYY-MM-DD, a time of RFC 3339 such as 2027-01-15T08:00:00Z, or epoch milliseconds".to_owned()
    })
}

pub fn span(text: &str) -> Result<Span, String> {
    parse_span(text).ok_or_else(|| "write a time such as 90s, 15m, 24h or 7d".to_owned())
}
