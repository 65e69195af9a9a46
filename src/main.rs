//! The command line.

mod commands;
mod progress;

use std::path::PathBuf;
use std::process::ExitCode;

use chrysalis::app::webhooks::ReplayFrom;
use chrysalis::config::{Config, Overrides, parse_span};
use chrysalis::serve::StartError;
use chrysalis::wire::moment::Moment;
use chrysalis_domain::id::{ApiKeyId, JobId, UserId, WebhookId};
use chrysalis_domain::user::command::ExpiryTerms;
use chrysalis_domain::{Permission, Span, Timestamp};
use clap::{Args, Parser, Subcommand};

/// Guest-first authentication: a guest becomes a member in place.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Flags come before the environment (CHRYSALIS_…), which comes before the file.
#[derive(Debug, Args)]
struct Global {
    /// TOML file to read; without it, chrysalis.toml if there is one.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address and port to listen on.
    #[arg(long, global = true, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Where the log is kept: sqlite:PATH or postgres://….
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

#[derive(Debug, Subcommand)]
enum Command {
    /// Answers requests until it is told to stop.
    Serve {
        /// Shows the development outbox at /dev/mail; on loopback alone.
        #[arg(long)]
        dev: bool,
    },
    /// Holds the log against what was signed of it and sealed records against what events say of them, folds it anew and says
    /// which rows of the read models differ. Exits with 3 when anything does.
    Verify {
        /// A checkpoint of this log that was kept elsewhere, in a file: whoever can write to the store can't make it fit another
        /// history. May be given several times.
        #[arg(long = "checkpoint", value_name = "OLD")]
        checkpoints: Vec<PathBuf>,
    },
    /// What was so at a time, folded anew from the log: the whole system in figures, or a user and what made them so.
    Replay(Replay),
    /// The read models.
    #[command(subcommand)]
    Projections(Projections),
    /// The log.
    #[command(subcommand)]
    Log(Log),
    /// The audit trail, and what is proven of the log.
    #[command(subcommand)]
    Audit(Audit),
    /// Guests, in the store itself: a server may run meanwhile.
    #[command(subcommand)]
    Guests(Guests),
    /// How many guests become members, from the store itself: a server may run meanwhile.
    #[command(subcommand)]
    Analytics(Analytics),
    /// Users one by one, in the store itself: a server may run meanwhile.
    #[command(subcommand)]
    Users(Users),
    /// Sessions, in the store itself: a server may run meanwhile.
    #[command(subcommand)]
    Sessions(Sessions),
    /// The keyring.
    #[command(subcommand)]
    Keys(Keys),
    /// API keys, in the store itself: a server may run meanwhile.
    #[command(subcommand)]
    ApiKey(ApiKey),
    /// Webhook endpoints, in the store itself: a server may run meanwhile.
    #[command(subcommand)]
    Webhooks(Webhooks),
    /// The configuration.
    #[command(subcommand, name = "config")]
    Configuration(Configuration),
}

#[derive(Debug, Args)]
struct Replay {
    /// By the log's own time, what was recorded then or before: RFC 3339, a date (its first moment in UTC), or epoch
    /// milliseconds. Without it, now.
    #[arg(long, value_parser = time)]
    at: Option<Timestamp>,
    /// One user: what they were, and each step that made them so, in words.
    #[arg(long)]
    user: Option<UserId>,
    /// Every user there was, a line of JSON each, instead of figures.
    #[arg(long, conflicts_with = "user")]
    users: bool,
    /// Lines of JSON instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Projections {
    /// Builds the read models anew beside the live ones, then puts them in their place. A server may run meanwhile.
    Rebuild,
}

#[derive(Debug, Subcommand)]
enum Log {
    /// The last position.
    Head,
    /// Events as JSON lines, each as an export has it.
    Show {
        /// Only events after this position.
        #[arg(long, default_value_t = 0)]
        after: u64,
        /// At most this many.
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// Only the event at this position.
        #[arg(long, conflicts_with_all = ["after", "limit"], value_parser = clap::value_parser!(u64).range(1..))]
        position: Option<u64>,
        #[command(flatten)]
        only: Only,
        /// Only what happened to this user.
        #[arg(long, conflicts_with = "stream")]
        user: Option<UserId>,
        /// For reading, not for programs.
        #[arg(long)]
        readable: bool,
    },
    /// Follows the log: every event as it comes, or those that are asked for, until it is told to stop.
    Tail {
        /// A position to begin with, such as the one behind the last that was seen; or now.
        #[arg(long, default_value = "now", value_parser = commands::log::tail_from)]
        from: commands::log::TailFrom,
        #[command(flatten)]
        only: Only,
        /// Only what happens to this user.
        #[arg(long, conflicts_with = "stream")]
        user: Option<UserId>,
        /// For reading, not for programs.
        #[arg(long)]
        readable: bool,
    },
    /// Writes the log as JSON lines: what an auditor is given. See docs/audit.md. Begun again with the same file, it goes
    /// on where it was broken off.
    Export {
        /// The first position.
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
        from: Option<u64>,
        /// The last position. Without it, where the log ends now.
        #[arg(long)]
        to: Option<u64>,
        /// Only what was recorded at this time or later: YYYY-MM-DD, YYYY-MM-DDTHH:MM:SS.mmmZ or epoch milliseconds.
        #[arg(long, value_parser = time)]
        since: Option<Timestamp>,
        /// Only what was recorded at this time or before.
        #[arg(long, value_parser = time)]
        until: Option<Timestamp>,
        #[command(flatten)]
        only: Only,
        /// The file to write, or to go on with. Without it, standard output.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Compresses it, by zstd.
        #[arg(long)]
        compress: bool,
    },
    /// Copies a whole store into another one, which is empty or was copied into before. Can be stopped, and run again;
    /// the source may be served from until the last time. Both ends share the secret.
    Copy {
        /// The store to copy, as `--store` has it.
        #[arg(long)]
        from: String,
        /// The store to copy into.
        #[arg(long)]
        to: String,
    },
}

/// Which events.
#[derive(Debug, Args)]
struct Only {
    /// Only events of this stream, such as user-usr_….
    #[arg(long)]
    stream: Option<String>,
    /// Only events of this type, such as GuestUpgraded.
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Audit {
    /// Verifies an export offline: what was altered, removed, inserted, moved or cut off, and what is proven. Needs no
    /// store and no configuration. Exits with 3 when anything is wrong.
    Verify(Verify),
    /// Who did what to whom, oldest first, one line each.
    Export {
        #[arg(long, value_enum, default_value = "jsonl")]
        format: Format,
        /// Only what was recorded at this time or later: a date, a time of RFC 3339, or epoch milliseconds.
        #[arg(long, value_parser = time)]
        from: Option<Timestamp>,
        /// Only what was recorded at this time or before.
        #[arg(long, value_parser = time)]
        to: Option<Timestamp>,
        /// Only this action, such as user.deleted.
        #[arg(long)]
        action: Option<String>,
    },
    #[command(flatten)]
    Proof(Proof),
}

/// The log as evidence: docs/audit.md says what is proven, and what is not.
#[derive(Debug, Subcommand)]
enum Proof {
    /// Signs what is new in the log, and prints the newest checkpoint: to be kept where the server can't reach it.
    Checkpoint {
        /// Prints the one about exactly so many events instead, and signs nothing.
        #[arg(long)]
        size: Option<u64>,
    },
    /// Prints a proof, with the checkpoint that it is about.
    Prove(Prove),
    /// Checks a proof, or a checkpoint by itself, with nothing but keys: no server and no store is asked. Exits with 3 when it
    /// does not hold.
    CheckProof(CheckProof),
    /// Makes the tree over the log anew, beside the one that stands; one that is not what was signed stays out. A server may run
    /// meanwhile.
    Rebuild,
    /// Prints the keys that checkpoints are checked by, oldest first, one line each: name+number+key.
    Keys {
        /// Prints them as a note that is signed by every one of them: whoever trusts one learns of the others.
        #[arg(long)]
        signed: bool,
    },
}

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["position", "from"])))]
struct Prove {
    /// That the event at this position is in a checkpoint.
    #[arg(long, value_name = "POSITION")]
    position: Option<u64>,
    /// How many events that checkpoint is about; the newest one, where nothing is said.
    #[arg(long, value_name = "EVENTS", conflicts_with = "from")]
    size: Option<u64>,
    /// That a checkpoint only adds to the older one about so many events.
    #[arg(long, value_name = "EVENTS")]
    from: Option<u64>,
    /// How many the newer one is about; the newest one, where nothing is said.
    #[arg(long, value_name = "EVENTS", conflicts_with = "position")]
    to: Option<u64>,
}

#[derive(Debug, Args)]
struct CheckProof {
    /// What `audit prove`, `audit checkpoint` or `users certificate` printed; `-` reads it from the input.
    file: PathBuf,
    /// A key of the log, or a file with some, as `audit keys` prints them; may be given several times.
    #[arg(long = "key", value_name = "KEY", required = true)]
    keys: Vec<String>,
    /// A file with the older checkpoint, for a proof that nothing of it was changed.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Verify {
    /// What `chrysalis log export` wrote; several are one log, one after another.
    #[arg(required = true, value_name = "EXPORT")]
    exports: Vec<PathBuf>,
    /// A key that the log signs with, or a file with some, as `chrysalis audit keys` writes them. Without one nothing is
    /// proven, but that a file agrees with itself.
    #[arg(long = "key", value_name = "PUB")]
    keys: Vec<String>,
    /// A checkpoint that was kept from former times, in a file. May be given several times: each narrows down where
    /// something was changed.
    #[arg(long = "checkpoint", value_name = "OLD", requires = "keys")]
    checkpoints: Vec<PathBuf>,
    /// Another export of the same log, to be told which events differ.
    #[arg(long, value_name = "OTHER")]
    against: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Analytics {
    /// Writes every table that analysts read, as files by day or month of UTC: TABLE/2027-01.csv and so on.
    Export {
        #[arg(long, value_enum, default_value = "csv")]
        format: AnalyticsFormat,
        /// Folder to write to; files of an earlier time are replaced.
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
        #[arg(long, value_enum, default_value = "month")]
        partition: Partitions,
        /// Only files that begin at this time or later: YYYY-MM-DD, YYYY-MM-DDTHH:MM:SS.mmmZ or epoch milliseconds.
        #[arg(long, value_parser = time)]
        from: Option<Timestamp>,
        /// Only files that begin before this time.
        #[arg(long, value_parser = time)]
        to: Option<Timestamp>,
    },
    /// Writes one page of HTML with pictures and their numbers, which needs nothing else.
    Report(Report),
    /// Lets a role of PostgreSQL's read the tables that analysts read, and nothing else; makes it where it is not there. A role
    /// that may do more is left as it is. On SQLite, says how to read the file.
    Role { name: String },
}

#[derive(Debug, Args)]
struct Report {
    /// YYYY-MM-DD, or a moment on a quarter of an hour. Without it, 30 days before the end.
    #[arg(long)]
    from: Option<String>,
    /// No part of it. Without it, the end of today.
    #[arg(long)]
    to: Option<String>,
    /// day, week, month or all.
    #[arg(long)]
    grain: Option<String>,
    /// Such as Europe/Berlin.
    #[arg(long, value_name = "NAME")]
    time_zone: Option<String>,
    /// File to write to.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum AnalyticsFormat {
    Csv,
    Parquet,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Partitions {
    Day,
    Month,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// JSON, a line each.
    Jsonl,
    Csv,
}

fn time(text: &str) -> Result<Timestamp, String> {
    Moment::parse(text).map(|time| time.0).map_err(|_| {
        "write a date YYYY-MM-DD, a time of RFC 3339 such as 2027-01-15T08:00:00Z, or epoch milliseconds".to_owned()
    })
}

#[derive(Debug, Subcommand)]
enum Guests {
    /// Tells whom a maximum age would delete now, and whom it would have deleted had it always been in force. Does nothing.
    DryRun {
        /// Such as 14d or 36h: from 1h to 3650d.
        #[arg(long, value_name = "AGE", value_parser = max_age)]
        max_age: Span,
    },
    #[command(flatten)]
    Cleanup(Cleanup),
    #[command(flatten)]
    Waves(Waves),
}

fn max_age(text: &str) -> Result<Span, String> {
    let age = parse_span(text).filter(|age| ExpiryTerms::MAX_AGE.contains(age));
    age.ok_or_else(|| "write a time such as 36h or 14d, from 1h to 3650d".to_owned())
}

/// Guests who stay away.
#[derive(Debug, Subcommand)]
enum Cleanup {
    /// Who has been away for longest, and when each goes; one line each.
    List {
        /// Only those of whom this is so, in the order in which it ends.
        #[arg(long, value_enum)]
        state: Option<State>,
        /// At most this many.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
    },
    /// Exempts a guest from clean-up until a date.
    Hold {
        user: UserId,
        /// a date, a time of RFC 3339, or epoch milliseconds.
        #[arg(long, value_parser = time)]
        until: Timestamp,
        /// Why; kept as personal data of the guest's.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Ends a hold.
    Release { user: UserId },
    /// Brings back a guest whom a clean-up took out of use, until it is deleted for good.
    Undo { user: UserId },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum State {
    Quiet,
    /// It was told that it goes.
    Expiring,
    Held,
    /// Out of use by a clean-up, and can be brought back.
    Disabled,
}

/// Many guests who came together.
#[derive(Debug, Subcommand)]
enum Waves {
    /// How many guests came from where and when, and what became of them: the largest groups first, one line each.
    Origins {
        /// Who came within this time, such as 90m, 24h or 7d.
        #[arg(long, default_value = "24h", value_parser = span)]
        since: Span,
        /// What is told apart: one width of networks, hours, or both.
        #[arg(long, value_enum, value_delimiter = ',', default_value = "network")]
        by: Vec<GroupedBy>,
        /// At most this many groups.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Takes all guests out of use who came in a time and still are guests: a running server does it. Prints the job.
    DisableWave {
        /// Who came at this time or later: a date, a time of RFC 3339, or epoch milliseconds.
        #[arg(long, value_parser = time)]
        from: Timestamp,
        /// Who came at this time or before.
        #[arg(long, value_parser = time)]
        to: Timestamp,
        /// Only from this network, as `guests origins` names it.
        #[arg(long, allow_hyphen_values = true)]
        network: Option<String>,
    },
    /// Puts back whom that job took out of use: a running server does it. Prints the job.
    RestoreWave { job: JobId },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum GroupedBy {
    /// An IPv4 address, an IPv6 /64.
    Network,
    /// The IPv6 /56 around it.
    Network56,
    /// The IPv6 /48 around it.
    Network48,
    Hour,
}

fn span(text: &str) -> Result<Span, String> {
    parse_span(text).ok_or_else(|| "write a time such as 90s, 15m, 24h or 7d".to_owned())
}

#[derive(Debug, Subcommand)]
enum Sessions {
    /// Ends every session that there is now, of everybody: a running server does it. Prints the job.
    EndAll,
}

#[derive(Debug, Subcommand)]
enum Keys {
    /// Purposes, ids and ages; never the keys themselves.
    List,
    /// Adds a key for a purpose; used from the next start on, while the older ones still open what they made. Of person-kek
    /// the keys of all persons are wrapped anew under it, and the older ones are destroyed; a server may run meanwhile.
    Rotate {
        purpose: String,
        /// For person-kek: how long running nodes get to learn of the new key, such as 60s; 0s where none runs.
        #[arg(long, default_value = "60s", value_parser = span)]
        wait: Span,
    },
}

#[derive(Debug, Subcommand)]
enum Users {
    /// Erases a user, guest or member: the key of all that is personal goes, and whatever was sealed under it.
    Erase { user: UserId },
    /// What the log certifies of an erasure, whoever asked for it: to be checked by `audit check-proof`, with a key and nothing
    /// else.
    Certificate { user: UserId },
    /// Everything that is held of a user, as JSON.
    Export { user: UserId },
}

#[derive(Debug, Subcommand)]
enum ApiKey {
    /// Makes a key and prints its secret, which is shown this once.
    Create {
        #[arg(long)]
        name: String,
        /// What the key may do, such as users.read; may be given several times. Without it, everything.
        #[arg(long = "permission", value_name = "PERMISSION")]
        permissions: Vec<Permission>,
        /// Days after which it ends. Without it, never.
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3650))]
        expires_in: Option<u32>,
        /// A key that begins with sk_test_.
        #[arg(long)]
        test: bool,
    },
    /// Ids, names, starts, permissions and ages; never the secrets.
    List,
    /// Ends a key, for good.
    Revoke { id: ApiKeyId },
}

#[derive(Debug, Subcommand)]
enum Webhooks {
    /// Ids, addresses, and how deliveries went; never the secrets.
    List,
    /// Tells an endpoint everything anew, from somewhere in the log on.
    Replay {
        id: WebhookId,
        /// A position (see `log show`), or a date.
        #[arg(long, value_parser = commands::webhooks::replay_from)]
        from: ReplayFrom,
    },
}

#[derive(Debug, Subcommand)]
enum Configuration {
    /// Reports every mistake, or what holds and where it came from.
    Check,
    /// Every key there is, as a table.
    Keys,
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .ok_or_else(|| "write key=value".to_owned())
}

impl Cli {
    fn overrides(&self) -> Overrides {
        let global = &self.global;
        let flags = [
            ("listen", &global.listen),
            ("store", &global.store),
            ("data_dir", &global.data_dir),
            ("base_url", &global.base_url),
        ];
        let mut values: std::collections::BTreeMap<_, _> = global.set.iter().cloned().collect();
        values.extend(flags.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.clone()?))));
        if let Command::Serve { dev: true } = self.command {
            values.insert("dev".to_owned(), "on".to_owned());
        }
        Overrides { file: global.config.clone(), values }
    }
}

/// A mistake of usage or configuration.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Command::Configuration(Configuration::Keys) = cli.command {
        return ended(commands::config_keys());
    }
    // Whoever checks has neither a server nor its configuration.
    if let Command::Audit(Audit::Proof(Proof::CheckProof(what))) = &cli.command {
        return ended(commands::check_proof(what));
    }
    if let Command::Audit(Audit::Verify(what)) = &cli.command {
        return ended(commands::audit::verify(what));
    }
    let config = match Config::load(&cli.overrides()) {
        Ok(config) => config,
        Err(mistakes) => {
            eprint!("{mistakes}");
            return ExitCode::from(USAGE);
        }
    };
    if let Command::Log(Log::Copy { from, to }) = &cli.command {
        let end = |store: &str| {
            let mut overrides = cli.overrides();
            overrides.values.insert("store".to_owned(), store.to_owned());
            Config::load(&overrides)
        };
        return match (end(from), end(to)) {
            (Ok(from), Ok(to)) => ended(commands::copy(&from, &to)),
            (Err(mistakes), _) | (_, Err(mistakes)) => {
                eprint!("{mistakes}");
                ExitCode::from(USAGE)
            }
        };
    }
    ended(commands::run(cli.command, config))
}

fn ended(outcome: Result<ExitCode, StartError>) -> ExitCode {
    match outcome {
        Ok(code) => code,
        // Whoever read the output has seen enough.
        Err(StartError::Io(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chrysalis: {error}");
            ExitCode::FAILURE
        }
    }
}
