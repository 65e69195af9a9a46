//! Counts of guests who become members, for taking away.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use chrysalis::app::analytics::export::{Width, to_csv};
use chrysalis::app::analytics::parquet::to_parquet;
use chrysalis::app::analytics::range::{self, Unfit};
use chrysalis::app::analytics::{Analytics, overview, report};
use chrysalis::config::Config;
use chrysalis::followers::models;
use chrysalis::log::Store;
use chrysalis::log::analysts::LetRead;
use chrysalis::open::{Opened, open};
use chrysalis::serve::{Ports, StartError};
use chrysalis_domain::Timestamp;
use chrysalis_projections::conversion::VIEWS;

use super::ports;
use crate::{Analytics as Asked, AnalyticsFormat, Partitions, Report};

pub async fn run(config: &Config, what: Asked) -> Result<ExitCode, StartError> {
    let ports = ports();
    let Opened { store, .. } = open(config, &ports, Arc::new(())).await?;
    match what {
        Asked::Export { format, out, partition, from, to } => {
            let width = match partition {
                Partitions::Day => Width::Day,
                Partitions::Month => Width::Month,
            };
            export(&counted(&store, &ports).await?, format, &out, width, from, to).await
        }
        Asked::Report(report) => draw(&counted(&store, &ports).await?, report).await,
        Asked::Role { name } => let_read(store.as_ref(), &name).await,
    }
}

/// All that happened so far.
async fn counted<'s>(store: &'s Arc<dyn Store>, ports: &Ports) -> Result<Analytics<'s>, StartError> {
    models::fold_the_rest(store.clone()).await?;
    Ok(Analytics { log: store.as_ref(), now: ports.clock.now() })
}

async fn export(
    analytics: &Analytics<'_>,
    format: AnalyticsFormat,
    out: &Path,
    width: Width,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
) -> Result<ExitCode, StartError> {
    let Some((first, last)) = analytics.counted().await? else {
        println!("nothing was counted yet");
        return Ok(ExitCode::SUCCESS);
    };
    let begins = |at: i64| {
        let at = Timestamp::from_millis(at * 1_000);
        from.is_none_or(|from| at >= from) && to.is_none_or(|to| at < to)
    };
    let (mut files, mut rows) = (0, 0);
    for partition in width.partitions(first, last).iter().filter(|partition| begins(partition.from)) {
        for view in VIEWS {
            let found = analytics.partition(view, partition).await?;
            if found.is_empty() {
                continue;
            }
            let (extension, file) = match format {
                AnalyticsFormat::Csv => ("csv", to_csv(view, &found).into_bytes()),
                AnalyticsFormat::Parquet => ("parquet", to_parquet(view, &found).map_err(std::io::Error::other)?),
            };
            let folder = out.join(view.name);
            std::fs::create_dir_all(&folder)?;
            replace(&folder, &format!("{}.{extension}", partition.name), &file)?;
            (files, rows) = (files + 1, rows + found.len());
        }
    }
    println!("{rows} rows in {files} files below {}", out.display());
    Ok(ExitCode::SUCCESS)
}

async fn draw(analytics: &Analytics<'_>, asked: Report) -> Result<ExitCode, StartError> {
    let Report { from, to, grain, time_zone, out } = asked;
    let unfit = |Unfit { field, message }: Unfit| {
        let flag = if field == "timeZone" { "time-zone" } else { field };
        StartError::Other(format!("--{flag}: {message}"))
    };
    let range = range::Asked { from, to, grain, time_zone }.read(analytics.now).map_err(unfit)?;
    overview::fits(&range).map_err(unfit)?;
    let page = report::page(&analytics.overview(&range).await?, analytics.now);
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = out.file_name().ok_or_else(|| StartError::Other("--out: is no file".to_owned()))?;
    replace(folder, &name.to_string_lossy(), page.as_bytes())?;
    println!("{} bytes in {}", page.len(), out.display());
    Ok(ExitCode::SUCCESS)
}

/// Lets a role of the database's read the views, and says how, where there are no roles.
async fn let_read(store: &dyn Store, role: &str) -> Result<ExitCode, StartError> {
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

/// Whoever reads the file meanwhile has the old one or the new one, and nothing in between. It is for whom the umask lets
/// read it: there is nothing of a person in it.
fn replace(folder: &Path, name: &str, content: &[u8]) -> std::io::Result<()> {
    let as_ever = std::fs::Permissions::from_mode(0o666);
    let mut file = tempfile::Builder::new().permissions(as_ever).tempfile_in(folder)?;
    file.write_all(content)?;
    file.persist(folder.join(name))?;
    Ok(())
}
