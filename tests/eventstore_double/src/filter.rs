//! What a reader of all events wants to see of them.

use regex::Regex;

use crate::log::Recorded;
use crate::wire::streams::read_req::options::FilterOptions;
use crate::wire::streams::read_req::options::filter_options::{Expression, Filter as Wanted, Window};

/// A server looks at so many records at a time, where nothing else is asked for.
const WINDOW: u64 = 32;

pub struct Filter {
    on: On,
    /// Records that are looked at in one go.
    pub window: u64,
    /// Records after which a subscriber is told how far it is; none where it is not told.
    pub interval: Option<u64>,
}

enum On {
    Everything,
    Stream(Rule),
    Type(Rule),
}

enum Rule {
    Prefixes(Vec<String>),
    Regex(Regex),
}

impl Filter {
    pub fn none() -> Self {
        Self { on: On::Everything, window: u64::MAX, interval: None }
    }

    pub fn of(options: FilterOptions) -> Result<Self, String> {
        let on = match options.filter.ok_or("a filter without an expression")? {
            Wanted::StreamIdentifier(expression) => On::Stream(Rule::of(expression)?),
            Wanted::EventType(expression) => On::Type(Rule::of(expression)?),
        };
        let window = match options.window.ok_or("a filter without a window")? {
            Window::Max(most) => u64::from(most.max(1)),
            Window::Count(()) => WINDOW,
        };
        let interval = u64::from(options.checkpoint_interval_multiplier.max(1)) * window;
        Ok(Self { on, window, interval: Some(interval) })
    }

    pub fn allows(&self, event: &Recorded) -> bool {
        // Shown to nobody.
        if event.stream.as_ref() == "$epoch-information" {
            return false;
        }
        match &self.on {
            On::Everything => true,
            On::Stream(rule) => rule.holds(&event.stream),
            On::Type(rule) => rule.holds(&event.event_type),
        }
    }
}

impl Rule {
    fn of(expression: Expression) -> Result<Self, String> {
        if expression.regex.is_empty() {
            return Ok(Self::Prefixes(expression.prefix));
        }
        Regex::new(&expression.regex).map(Self::Regex).map_err(|error| error.to_string())
    }

    fn holds(&self, text: &str) -> bool {
        match self {
            Self::Prefixes(prefixes) => prefixes.iter().any(|prefix| text.starts_with(prefix.as_str())),
            Self::Regex(regex) => regex.is_match(text),
        }
    }
}
