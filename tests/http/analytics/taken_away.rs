//! The tables, for elsewhere: read where they are, or taken away as files.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{Lives, SETUP};
use crate::support::{App, fresh_schema, on_postgres};

#[tokio::test]
async fn a_role_is_let_read_where_there_are_roles() {
    let app = App::with(&SETUP).await;
    app.program().arrive().await;
    let role = fresh_schema();
    let said = app.command(&["analytics", "role", &role]);
    if !on_postgres() {
        assert!(said.contains("SQLite knows no roles") && said.contains("?mode=ro"), "{said}");
        return;
    }
    assert!(said.contains("made, without a password") && said.contains(".analytics_days: granted"), "{said}");
    let again = app.command(&["analytics", "role", &role]);
    assert!(again.contains("was there") && !again.contains(": granted"), "{again}");
    crate::postgres::execute(crate::postgres::shared(), &format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

/// They hold what is answered.
#[tokio::test]
async fn the_counts_are_taken_away_as_files() {
    let Lives { app, .. } = Lives::lived().await;
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let said = app.command(&["analytics", "export", "--format", "csv", "--out", out]);
    assert!(said.contains(" files below "), "{said}");
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let days = read("analytics_days/2027-01.csv");
    let mut lines = days.lines();
    assert!(lines.next().unwrap().starts_with("at,guests,converted,converted_verified,upgrades,verified,signups,"));
    assert!(lines.next().unwrap().starts_with("1799971200,5,2,1,1,0,0,"), "{days}");
    assert!(read("analytics_entry_days/2027-01.csv").contains("1799971200,campaign,spring,2,1,0,1,0"));
    assert!(read("analytics_method_days/2027-01.csv").contains(",magic_link,"));
    app.command(&["analytics", "export", "--out", out, "--format", "parquet"]);
    let file = std::fs::read(folder.path().join("analytics_days/2027-01.parquet")).unwrap();
    assert!(file.starts_with(b"PAR1") && file.ends_with(b"PAR1"));
    app.command(&["analytics", "export", "--out", out, "--partition", "day", "--from", "2027-01-16"]);
    assert!(!folder.path().join("analytics_days/2027-01-15.csv").exists());
    assert_eq!(read("analytics_days/2027-01-16.csv").lines().count(), 2);
    // Whoever may read a file that is made here otherwise may read these.
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let (other, report) = (folder.path().join("other"), folder.path().join("report.html"));
    std::fs::write(&other, "").unwrap();
    app.command(&["analytics", "report", "--out", report.to_str().unwrap()]);
    for file in [report, folder.path().join("analytics_days/2027-01.csv")] {
        assert_eq!(mode(&file), mode(&other), "{}", file.display());
    }
}
