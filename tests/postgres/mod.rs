//! PostgreSQL servers of the tests' own, started from the installed binaries: one for everybody, and one for each test
//! that does to its server what others would notice.
//!
//! No server outlives the process that started it, however that ends.

mod cluster;
#[cfg(test)]
#[allow(unused_imports, dead_code, reason = "the benches start servers too, and run no test")]
mod tests;

use std::sync::OnceLock;

pub use cluster::{Cluster, sweep};

/// The URL of a server for everybody: that of `TEST_DATABASE_URL`, or one that is started at the first call. Who uses
/// it works in a schema of their own, and [`forget`]s it.
#[allow(clippy::disallowed_methods, reason = "tests have no configuration to be read into")]
pub fn shared() -> &'static str {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| match std::env::var("TEST_DATABASE_URL") {
        Ok(url) => url,
        Err(_) => {
            sweep();
            // What is lost in a crash is lost with the test run: crashes are tested on clusters of their own.
            let forgetful =
                [("fsync", "off"), ("full_page_writes", "off"), ("wal_level", "minimal"), ("max_wal_senders", "0")];
            let sizes = [("max_connections", "500"), ("max_wal_size", "256MB")];
            Cluster::start_in_memory(&[&forgetful[..], &sizes].concat()).stay()
        }
    })
}

/// Drops a schema of the shared server, with all that is in it.
pub fn forget(schema: &str) {
    // Its server may stand still in the middle of a transaction, on the very thread that calls this: nobody needs that.
    let sql = format!(
        "SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
             JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = '{schema}' AND l.pid <> pg_backend_pid();
         DROP SCHEMA IF EXISTS {schema} CASCADE"
    );
    // What is left behind fails no test.
    let _ = std::panic::catch_unwind(|| execute(shared(), &sql));
}

/// Does something to a database, past Chrysalis.
pub fn execute(url: &str, sql: &str) {
    ask(url, sql);
}

/// The rows of an answer, each with its columns as text, as the server's simple protocol gives them.
pub fn ask(url: &str, sql: &str) -> Vec<Vec<Option<String>>> {
    let asked = async {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let messages = client.simple_query(sql).await.unwrap();
        let rows = messages.into_iter().filter_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect())
            }
            _ => None,
        });
        rows.collect()
    };
    // A thread of its own: it is called inside of runtimes and outside.
    let answered = std::thread::scope(|scope| {
        scope
            .spawn(|| tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(asked))
            .join()
    });
    answered.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
