//! Reads values key by key, and goes on after a mistake so that all of them are told at once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::str::FromStr;

use chrysalis_domain::Span;

use super::ConfigError;
use super::keys::{self, KEYS};
use super::sources::Given;

pub(super) struct Reader {
    given: BTreeMap<String, Given>,
    pub(super) mistakes: Vec<ConfigError>,
}

impl Reader {
    pub(super) fn new(given: BTreeMap<String, Given>, mistakes: Vec<ConfigError>) -> Self {
        Self { given, mistakes }
    }

    pub(super) fn mistake(&mut self, key: &str, problem: impl Into<String>, remedy: impl Into<String>) {
        self.mistakes.push(ConfigError::new(key, problem, remedy));
    }

    /// What was given; nothing for an empty text.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.given.get(key).map(|given| given.text.trim()).filter(|text| !text.is_empty())
    }

    /// What was given, or the table's default.
    pub(super) fn or_default(&self, key: &str) -> String {
        let default = || keys::find(key).map_or("", |known| known.default);
        self.text(key).unwrap_or_else(default).to_owned()
    }

    pub(super) fn parsed<T: FromStr>(&mut self, key: &str, remedy: &str, fallback: T) -> T {
        let text = self.or_default(key);
        text.parse().unwrap_or_else(|_| {
            self.mistake(key, format!("{text:?} does not read"), remedy);
            fallback
        })
    }

    pub(super) fn switch(&mut self, key: &str) -> bool {
        let text = self.or_default(key);
        match text.to_ascii_lowercase().as_str() {
            "on" | "true" | "1" | "yes" => true,
            "off" | "false" | "0" | "no" => false,
            _ => {
                self.mistake(key, format!("{text:?} is neither on nor off"), "write on or off");
                false
            }
        }
    }

    pub(super) fn number<T: FromStr + PartialOrd + std::fmt::Display + Copy>(
        &mut self,
        key: &str,
        within: RangeInclusive<T>,
    ) -> T {
        let text = self.or_default(key);
        match text.parse::<T>() {
            Ok(number) if within.contains(&number) => number,
            _ => {
                let remedy = format!("write a whole number from {} to {}", within.start(), within.end());
                self.mistake(key, format!("{text:?} does not fit"), remedy);
                *within.start()
            }
        }
    }

    pub(super) fn span(&mut self, key: &str, within: RangeInclusive<Span>) -> Span {
        let text = self.or_default(key);
        match parse_span(&text) {
            Some(span) if within.contains(&span) => span,
            _ => {
                let secs = |span: &Span| span.as_secs_ceil();
                let remedy = format!(
                    "write a time such as 90s, 15m, 24h or 7d, from {} to {} seconds",
                    secs(within.start()),
                    secs(within.end())
                );
                self.mistake(key, format!("{text:?} does not fit"), remedy);
                *within.start()
            }
        }
    }

    pub(super) fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> T {
        let text = self.or_default(key);
        match choices.iter().find(|(name, _)| *name == text) {
            Some((_, choice)) => *choice,
            None => {
                let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
                self.mistake(
                    key,
                    format!("{text:?} is none of the choices"),
                    format!("write one of {}", names.join(", ")),
                );
                choices[0].1
            }
        }
    }

    /// The parts between commas.
    pub(super) fn list(&self, key: &str) -> Vec<String> {
        let parts = self.text(key).unwrap_or_default().split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(str::to_owned).collect()
    }

    /// The ids that stand for the `*` in the keys below `prefix`, in order.
    pub(super) fn ids(&self, prefix: &str) -> Vec<String> {
        let id =
            |name: &String| name.strip_prefix(prefix)?.strip_prefix('.')?.split_once('.').map(|(id, _)| id.to_owned());
        let ids: BTreeSet<String> = self.given.keys().filter_map(id).collect();
        ids.into_iter().collect()
    }

    /// Each key with its value as it holds and where it came from; secrets hidden.
    pub(super) fn effective(&self) -> Vec<(String, String, String)> {
        let line = |name: &str, key: &keys::Key| match self.given.get(name) {
            Some(given) if key.secret => (name.to_owned(), "(hidden)".to_owned(), given.source.clone()),
            Some(given) => (name.to_owned(), without_password(&given.text), given.source.clone()),
            None => (name.to_owned(), key.default.to_owned(), "default".to_owned()),
        };
        let plain = KEYS.iter().filter(|key| !key.name.contains('*')).map(|key| line(key.name, key));
        let of_ids = self.given.keys().filter_map(|name| {
            let key = keys::find(name).filter(|key| key.name.contains('*'))?;
            Some(line(name, key))
        });
        plain.chain(of_ids).collect()
    }
}

/// A URL with its password hidden; anything else as it is.
fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let hidden = match rest.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((user, _)) => format!("{user}:(hidden)@{host}"),
            None => format!("{user}@{host}"),
        },
        None => rest.to_owned(),
    };
    match hidden.split_once("password=") {
        Some((before, _)) => format!("{scheme}://{before}password=(hidden)"),
        None => format!("{scheme}://{hidden}"),
    }
}

/// `90s`, `15m`, `24h`, `7d`; a plain number is seconds.
pub fn parse_span(text: &str) -> Option<Span> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: i64 = digits.parse().ok()?;
    let seconds = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    (number >= 0)
        .then(|| number.checked_mul(seconds))
        .flatten()
        .filter(|secs| *secs < 1_000_000_000_000)
        .map(Span::from_secs)
}
