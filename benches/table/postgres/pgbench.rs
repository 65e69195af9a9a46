//! What PostgreSQL does by itself: the rows of one guest, one transaction, 64 clients, statements prepared and sent in
//! one go. Positions come from a sequence: nobody waits for anybody, and nothing is checked.

use std::process::Command;
use std::time::Duration;

use crate::servers::{Cluster, ask, execute};
use crate::{CONNECTIONS, Result};

/// Tables with the columns that must be new in each row, and what they are made from.
const ROWS: [(&str, &[(&str, &str)]); 5] = [
    ("person_keys", &[("person_id", "per_")]),
    ("sealed", &[("sealed_id", "sea_"), ("person_id", "per_")]),
    ("users", &[("user_id", "usr_"), ("person_id", "per_")]),
    ("sessions", &[("session_id", "ses_"), ("user_id", "usr_"), ("locator", "")]),
    ("events", &[("stream", "user-usr_"), ("event_id", "evt_")]),
];

/// Guests in a second, into the tables of the schema `guest`, of which one guest's rows are the pattern.
pub fn rate(cluster: &Cluster, time: Duration) -> Result<f64> {
    execute(
        &cluster.url(),
        "DROP SCHEMA IF EXISTS pgbench CASCADE; CREATE SCHEMA pgbench; CREATE SEQUENCE pgbench.positions",
    );
    for (table, _) in ROWS {
        execute(&cluster.url(), &format!("CREATE TABLE pgbench.{table} (LIKE guest.{table} INCLUDING ALL)"));
    }
    let script = cluster.folder().join("pgbench.sql");
    std::fs::write(&script, text(cluster)?)?;
    let mut command: Command = cluster.command("pgbench");
    command.args(["-n", "-M", "prepared", "-c", &CONNECTIONS.to_string(), "-j", "1", "-D", "i=0"]);
    command.args(["-T", &time.as_secs().to_string(), "-f"]).arg(&script).arg(cluster.url());
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let tps = said.lines().find_map(|line| line.strip_prefix("tps = ")).and_then(|rest| rest.split(' ').next());
    let tps = tps.ok_or_else(|| format!("pgbench: {said}{}", String::from_utf8_lossy(&output.stderr)))?;
    Ok(tps.parse()?)
}

fn text(cluster: &Cluster) -> Result<String> {
    let mut text = "\\set i :i + 1\n\\set n :client_id * 100000000 + :i\n\\startpipeline\nBEGIN;\n".to_owned();
    for (table, new) in ROWS {
        // One guest is a row in each table, and two events.
        let pattern = if table == "events" { "ORDER BY position LIMIT 2" } else { "LIMIT 1" };
        let columns = ask(
            &cluster.url(),
            &format!(
                "SELECT attname FROM pg_attribute WHERE attrelid = 'guest.{table}'::regclass AND attnum > 0 ORDER BY attnum"
            ),
        );
        let columns: Vec<String> = columns.into_iter().flatten().flatten().collect();
        let quoted: Vec<_> = columns.iter().map(|column| format!("quote_nullable({column})")).collect();
        let rows = ask(&cluster.url(), &format!("SELECT {} FROM guest.{table} {pattern}", quoted.join(", ")));
        let row = |row: Vec<Option<String>>| {
            let cells =
                columns.iter().zip(row).map(|(column, value)| match new.iter().find(|(name, _)| name == column) {
                    Some((_, prefix)) => format!("'{prefix}' || lpad(:n::text, 26, '0')"),
                    None if column == "position" => "nextval('pgbench.positions')".to_owned(),
                    None => value.unwrap_or_else(|| "NULL".to_owned()),
                });
            format!("({})", cells.collect::<Vec<_>>().join(", "))
        };
        let rows: Vec<_> = rows.into_iter().map(row).collect();
        text += &format!("INSERT INTO pgbench.{table} ({}) VALUES {};\n", columns.join(", "), rows.join(", "));
    }
    Ok(text + "COMMIT;\n\\endpipeline\n")
}
