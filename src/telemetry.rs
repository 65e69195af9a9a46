//! Logs: for people on a terminal, JSON otherwise, on standard error.
//!
//! No line holds a token, a password, or an address of a person, be it of mail or network. Ids of users and requests
//! are no secrets and stand in lines so that they can be found.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, Logging};

/// Whatever is asked for: below this these write down the parameters of statements, names and addresses among them.
const SILENT: [&str; 2] = ["tokio_postgres=info", "tokio_postgres::query=info"];
/// EventStoreDB's client calls every attempt an error while there is no server, and every race that is lost. That a store is
/// away is said once, in `outage`.
const LOUD: &str = "eventstore";

/// Starts logging for the process. A second call does nothing.
pub fn start(config: &Logging) {
    let filter = EnvFilter::try_new(&config.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let quiet = (!config.filter.contains(LOUD)).then(|| format!("{LOUD}=off"));
    let directives = SILENT.into_iter().chain(quiet.as_deref());
    let filter = directives.filter_map(|directive| directive.parse().ok()).fold(filter, EnvFilter::add_directive);
    let human = match config.format {
        LogFormat::Auto => std::io::stderr().is_terminal(),
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // Whoever reads them may have seen enough: what it would say of that goes the same way, and panics.
    let subscriber = subscriber.log_internal_errors(false);
    let _ = if human {
        subscriber.try_init()
    } else {
        subscriber.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
    };
    std::panic::set_hook(Box::new(|panic| {
        // The place and nothing of the payload: it may hold what somebody typed.
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic: a program error; please report it with this place");
    }));
}
