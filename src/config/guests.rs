//! How many guests may come.

use chrysalis_domain::Span;

use super::reader::Reader;

/// Budgets of guests; 0 is unlimited.
#[derive(Clone, Copy, Debug)]
pub struct Guests {
    /// Of one network.
    pub per_minute: u32,
    pub per_hour: u32,
    pub per_day: u32,
    /// Of the whole service.
    pub service_per_hour: u32,
    pub service_per_day: u32,
    /// How long it is kept which network a guest came from; zero: not at all.
    pub origins_kept: Span,
}

/// What a network may get in an hour and a day, as multiples of its minute: a school whose pupils all come in one lesson,
/// and again at home, fits in; a machine that asks all day does not.
const HOUR_OF_MINUTE: u32 = 20;
const DAY_OF_MINUTE: u32 = 100;

pub(super) fn read(r: &mut Reader) -> Guests {
    let per_minute = r.number("guests_per_minute", 0..=MOST);
    let derived = |r: &mut Reader, key, factor| match r.text(key) {
        Some(_) => r.number(key, 0..=MOST),
        None => per_minute.saturating_mul(factor),
    };
    Guests {
        per_minute,
        per_hour: derived(r, "guests_per_hour", HOUR_OF_MINUTE),
        per_day: derived(r, "guests_per_day", DAY_OF_MINUTE),
        service_per_hour: r.number("service_guests_per_hour", 0..=MOST_IN_ALL),
        service_per_day: r.number("service_guests_per_day", 0..=MOST_IN_ALL),
        origins_kept: r.span("origins.keep", Span::ZERO..=Span::from_days(400)),
    }
}

const MOST: u32 = 1_000_000;
const MOST_IN_ALL: u32 = 1_000_000_000;

impl Guests {
    /// Whether the service as a whole has a budget.
    pub fn service_is_limited(&self) -> bool {
        self.service_per_hour > 0 || self.service_per_day > 0
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.per_minute == 0 && self.per_hour == 0 && self.per_day == 0 {
            warnings.push("guests_per_minute is 0: one address may make any number of guests".to_owned());
        }
        warnings
    }
}
