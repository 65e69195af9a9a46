//! How far something has come that takes long. Of a copy: a bar on a terminal, a line now and then in a log.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use chrysalis::log::copy::Step;
use indicatif::{ProgressBar, ProgressStyle};

/// So many events are folded.
pub fn folded(events: u64) {
    if events > 0 {
        tracing::info!(events, "folded");
    }
}

/// Between two lines in a log.
const EVERY: Duration = Duration::from_secs(10);

pub struct CopyBar {
    bar: ProgressBar,
    said: Mutex<Instant>,
}

impl CopyBar {
    pub fn new() -> Self {
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{msg:<22} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}")
        {
            bar.set_style(style);
        }
        Self { bar, said: Mutex::new(Instant::now()) }
    }

    pub fn tell(&self, step: Step) {
        match step {
            Step::Events { there, of } => self.show("events".to_owned(), there, of),
            Step::Rows { table, seen } => self.show(format!("rows of {table}"), seen, seen),
            Step::Compared { events, of } => self.show("comparing events".to_owned(), events, of),
        }
    }

    pub fn folded(&self, events: u64, of: u64) {
        self.show("folding".to_owned(), events, of);
    }

    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn show(&self, what: String, done: u64, of: u64) {
        if self.bar.message() != what {
            // Its speed is its own.
            self.bar.reset();
        }
        self.bar.set_message(what.clone());
        self.bar.set_length(of);
        self.bar.set_position(done);
        if self.bar.is_hidden()
            && let Ok(mut said) = self.said.lock()
            && said.elapsed() >= EVERY
        {
            *said = Instant::now();
            tracing::info!(done, of, "{what}");
        }
    }
}
