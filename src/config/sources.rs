//! Where values come from: flags before the environment before the TOML file before the defaults.

use std::collections::BTreeMap;
use std::path::Path;

use super::keys::{self, KEYS, variable};
use super::{ConfigError, Overrides};

/// A value as it was written, and where.
#[derive(Clone, Debug)]
pub struct Given {
    pub text: String,
    pub source: String,
}

const DEFAULT_FILE: &str = "chrysalis.toml";

/// Gathers what was given for every key. Names that don't exist are mistakes too: a misspelt key must not be silence.
///
/// Only a variable that looks like a key is a warning: platforms set variables with our prefix too (Kubernetes, for a
/// service of this name).
pub fn gather(
    overrides: &Overrides,
    environment: &BTreeMap<String, String>,
    mistakes: &mut Vec<ConfigError>,
    warnings: &mut Vec<String>,
) -> BTreeMap<String, Given> {
    let mut given = BTreeMap::new();
    from_file(overrides, environment, &mut given, mistakes);
    for (name, text) in environment.iter().filter(|(name, _)| name.starts_with("CHRYSALIS_")) {
        match keys::named_by(name) {
            Some(key) => {
                given.insert(key, Given { text: text.clone(), source: format!("environment {name}") });
            }
            None if name == "CHRYSALIS_CONFIG"
                || name.starts_with("CHRYSALIS_TEST_")
                || name.starts_with("CHRYSALIS_BENCH_") => {}
            None => {
                let known: Vec<String> = KEYS.iter().map(|key| variable(key.name)).collect();
                let near = near(name, known.iter().map(String::as_str));
                warnings.push(format!("{name} is no variable of ours; {near}"));
            }
        }
    }
    for (key, text) in &overrides.values {
        if keys::find(key).is_some() {
            given.insert(key.clone(), Given { text: text.clone(), source: "flag".to_owned() });
        } else {
            mistakes.push(ConfigError::new(key, "there is no such key", near(key, KEYS.iter().map(|key| key.name))));
        }
    }
    given
}

fn from_file(
    overrides: &Overrides,
    environment: &BTreeMap<String, String>,
    given: &mut BTreeMap<String, Given>,
    mistakes: &mut Vec<ConfigError>,
) {
    let named = overrides.file.clone().or_else(|| environment.get("CHRYSALIS_CONFIG").map(Into::into));
    let path = match &named {
        Some(path) => path.as_path(),
        None if Path::new(DEFAULT_FILE).exists() => Path::new(DEFAULT_FILE),
        None => return,
    };
    let source = config::File::from(path).format(config::FileFormat::Toml);
    let read = config::Config::builder()
        .add_source(source)
        .build()
        .and_then(|file| file.try_deserialize::<config::Map<String, config::Value>>());
    match read {
        Ok(tables) => tables.into_iter().for_each(|(name, value)| flatten(name, value, path, given, mistakes)),
        Err(error) => {
            mistakes.push(ConfigError::new("config", error.to_string(), "mend the file, or name another with --config"))
        }
    }
}

fn flatten(
    name: String,
    value: config::Value,
    path: &Path,
    given: &mut BTreeMap<String, Given>,
    mistakes: &mut Vec<ConfigError>,
) {
    if let Ok(table) = value.clone().into_table() {
        for (key, value) in table {
            flatten(format!("{name}.{key}"), value, path, given, mistakes);
        }
        return;
    }
    let text = match value.clone().into_array() {
        // Lists are written as lists in TOML and with commas elsewhere.
        Ok(list) => list.into_iter().filter_map(|item| item.into_string().ok()).collect::<Vec<_>>().join(","),
        Err(_) => value.into_string().unwrap_or_default(),
    };
    if keys::find(&name).is_some() {
        given.insert(name, Given { text, source: path.display().to_string() });
    } else {
        mistakes.push(ConfigError::new(
            &name,
            format!("there is no such key (in {})", path.display()),
            near(&name, KEYS.iter().map(|key| key.name)),
        ));
    }
}

/// The name that was probably meant.
fn near<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let nearest = known.map(|candidate| (distance(name, candidate), candidate)).min();
    match nearest {
        Some((away, candidate)) if away <= 3 => format!("did you mean {candidate}?"),
        _ => "see docs/configuration.md for the keys there are".to_owned(),
    }
}

/// Levenshtein's distance, by rows.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}
