//! What every command can be told: where its configuration comes from, and what holds before it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrysalis::config::{Config, ConfigErrors, Overrides};
use clap::Args;

/// Flags come before the environment (CHRYSALIS_…), which comes before the file.
#[derive(Debug, Args)]
pub struct Flags {
    /// TOML file to read; without it, chrysalis.toml if there is one.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address and port to listen on.
    #[arg(long, global = true, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Where the log is kept: sqlite:PATH, postgres://… or esdb://….
    #[arg(long, global = true, value_name = "URL")]
    store: Option<String>,
    /// Folder of the embedded store, the secret and the outbox.
    #[arg(long, global = true, value_name = "FOLDER")]
    data_dir: Option<String>,
    /// Public URL as browsers see it.
    #[arg(long, global = true, value_name = "URL")]
    base_url: Option<String>,
    /// Any other key of the configuration, as key=value; may be given several times.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", value_parser = key_and_value)]
    set: Vec<(String, String)>,
}

impl Flags {
    /// # Errors
    /// Every mistake in it.
    pub fn config(&self) -> Result<Config, ConfigErrors> {
        Config::load(&self.overrides())
    }

    /// The same, but for one key.
    pub fn config_but(&self, key: &str, value: &str) -> Result<Config, ConfigErrors> {
        let mut overrides = self.overrides();
        overrides.values.insert(key.to_owned(), value.to_owned());
        Config::load(&overrides)
    }

    fn overrides(&self) -> Overrides {
        let flags = [
            ("listen", &self.listen),
            ("store", &self.store),
            ("data_dir", &self.data_dir),
            ("base_url", &self.base_url),
        ];
        let mut values: BTreeMap<_, _> = self.set.iter().cloned().collect();
        values.extend(flags.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.clone()?))));
        Overrides { file: self.config.clone(), values }
    }
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .ok_or_else(|| "write key=value".to_owned())
}
