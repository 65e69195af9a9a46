//! `chrysalis analytics`: counts of guests who become members, for taking away.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chrysalis::app::analytics::export::{Form, Unwritten, Width};
use chrysalis::app::analytics::range::{self, Unfit};
use chrysalis::app::analytics::{Analytics, overview, report};
use chrysalis::followers::models;
use chrysalis::log::Store;
use chrysalis::log::analysts::LetRead;
use chrysalis::serve::StartError;
use chrysalis_domain::Timestamp;
use chrysalis_projections::conversion::VIEWS;
use clap::{Args, Subcommand, ValueEnum};
use tempfile::NamedTempFile;

use super::values::time;
use super::{Here, Outcome, on_store, ranges};
use crate::flags::Flags;

#[derive(Debug, Subcommand)]
pub enum Words {
    /// Writes every table that analysts read, as files by day or month of UTC: TABLE/2027-01.csv and so on.
    Export {
        #[arg(long, value_enum, default_value = "csv")]
        format: Format,
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
pub struct Report {
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Csv,
    Parquet,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Partitions {
    Day,
    Month,
}

pub fn run(flags: &Flags, words: Words) -> Outcome {
    on_store(flags, async |here| match words {
        Words::Export { format, out, partition, from, to } => {
            ranges::stretch(("--from", from), ("--to", to))?;
            let width = match partition {
                Partitions::Day => Width::Day,
                Partitions::Month => Width::Month,
            };
            export(&counted(&here).await?, format, &out, width, from, to).await
        }
        Words::Report(report) => draw(&counted(&here).await?, report).await,
        Words::Role { name } => let_read(here.store.as_ref(), &name).await,
    })
}

/// All that happened so far.
async fn counted(here: &Here) -> Result<Analytics<'_>, StartError> {
    models::fold_the_rest(here.store.clone()).await?;
    Ok(Analytics { log: here.store.as_ref(), now: here.now() })
}

async fn export(
    analytics: &Analytics<'_>,
    format: Format,
    out: &Path,
    width: Width,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
) -> Outcome {
    let Some((first, last)) = analytics.counted().await? else {
        println!("nothing was counted yet");
        return Ok(ExitCode::SUCCESS);
    };
    let begins = |at: i64| {
        let at = Timestamp::from_millis(at * 1_000);
        from.is_none_or(|from| at >= from) && to.is_none_or(|to| at < to)
    };
    let form = match format {
        Format::Csv => Form::Csv,
        Format::Parquet => Form::Parquet,
    };
    let (mut files, mut rows) = (0, 0);
    for partition in width.partitions(first, last).iter().filter(|partition| begins(partition.from)) {
        for view in VIEWS {
            let folder = out.join(view.name);
            let make = || {
                std::fs::create_dir_all(&folder)?;
                beside(&folder)
            };
            let written = analytics.write(view, partition, form, make).await.map_err(|unwritten| match unwritten {
                Unwritten::Log(fault) => StartError::Log(fault),
                Unwritten::Io(error) => StartError::Io(error),
            })?;
            if let Some((count, file)) = written {
                let name = format!("{}.{}", partition.name, form.extension());
                file.persist(folder.join(name)).map_err(std::io::Error::from)?;
                (files, rows) = (files + 1, rows + count);
            }
        }
    }
    println!("{rows} rows in {files} files below {}", out.display());
    Ok(ExitCode::SUCCESS)
}

async fn draw(analytics: &Analytics<'_>, asked: Report) -> Outcome {
    let Report { from, to, grain, time_zone, out } = asked;
    let unfit = |Unfit { field, message }: Unfit| {
        let flag = if field == "timeZone" { "time-zone" } else { field };
        StartError::Usage(format!("--{flag}: {message}"))
    };
    let range = range::Asked { from, to, grain, time_zone }.read(analytics.now).map_err(unfit)?;
    overview::fits(&range).map_err(unfit)?;
    let page = report::page(&analytics.overview(&range).await?, analytics.now);
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = out.file_name().ok_or_else(|| StartError::Usage("--out: is no file".to_owned()))?;
    let mut file = beside(folder)?;
    file.write_all(page.as_bytes())?;
    file.persist(folder.join(name)).map_err(std::io::Error::from)?;
    println!("{} bytes in {}", page.len(), out.display());
    Ok(ExitCode::SUCCESS)
}

/// Lets a role of the database's read the views, and says how, where there are no roles.
async fn let_read(store: &dyn Store, role: &str) -> Outcome {
    let views: Vec<_> = VIEWS.iter().map(|view| view.name).collect();
    match store.let_read(role, &views).await? {
        LetRead::Reads { made, grants } => {
            if made {
                println!("role {role}: made, without a password; ALTER ROLE … PASSWORD gives it one");
            } else {
                println!("role {role}: was there");
            }
            for (grant, fresh) in &grants {
                println!("{grant}: {}", if *fresh { "granted" } else { "held already" });
            }
            println!("{role} reads these {} views, and nothing else here", views.len());
            Ok(ExitCode::SUCCESS)
        }
        LetRead::MayMore(more) => Err(StartError::Other(format!(
            "{role} may do more than read what analysts read, and was left as it is: {}; name a role of its own",
            more.join(", ")
        ))),
        LetRead::NoName => Err(StartError::Other(format!("no role can be called {role:?}"))),
        LetRead::NoRoles { file } => {
            let file = file.display();
            println!("SQLite knows no roles: whoever may read {file} may read all of it.");
            println!("read-only, beside a server:  sqlite3 'file:{file}?mode=ro'");
            println!("in DuckDB:  ATTACH '{file}' AS chrysalis (TYPE sqlite, READ_ONLY)");
            println!("for those who may not see the rest:  chrysalis analytics export --out FOLDER");
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Where a file is written before it takes its place: whoever reads meanwhile has the old one or the new one, and nothing in
/// between. It is for whom the umask lets read it: there is nothing of a person in it.
fn beside(folder: &Path) -> std::io::Result<NamedTempFile> {
    let as_ever = std::fs::Permissions::from_mode(0o666);
    tempfile::Builder::new().permissions(as_ever).tempfile_in(folder)
}
