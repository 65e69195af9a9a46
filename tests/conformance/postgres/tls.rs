//! The way to PostgreSQL is protected, and the server has to show who it is.

use std::path::PathBuf;
use std::sync::Arc;

use chrysalis::log::postgres::{Options, PostgresLog};
use chrysalis::log::{Expected, Log, LogFault};

use crate::conformance::run;
use crate::conformance::world::{bare, clock};
use crate::postgres::{Cluster, ask};

async fn open(url: String, root_cert: Option<PathBuf>) -> Result<PostgresLog, LogFault> {
    let options = Options { root_cert, ..Options::at(url) };
    PostgresLog::open(&options, Arc::new(clock()), Arc::new(())).await
}

#[test]
fn tls_is_spoken_with_the_server_that_is_meant_and_no_other() {
    run(async {
        let (cluster, authority) = Cluster::start_with_tls();
        let port = cluster.address().port();
        let at = |host: &str| format!("postgres://chrysalis@{host}:{port}/chrysalis?sslmode=require");
        let log = open(at("localhost"), Some(authority.clone())).await.unwrap();
        log.append(bare("s", Expected::NoStream, 1)).await.unwrap();
        let plain = "SELECT 1 FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'chrysalis' AND NOT ssl";
        assert!(ask(&cluster.url(), plain).is_empty(), "a connection goes in clear");

        // An authority that nobody named, and a name that is not in the certificate.
        for refused in [open(at("localhost"), None).await, open(at("127.0.0.1"), Some(authority)).await] {
            let Err(LogFault::Unavailable(said)) = refused else { panic!("spoke to a stranger") };
            assert!(said.contains("certificate"), "{said}");
        }
    });
}

/// A server that is not on this machine is never spoken to in clear, unless the URL says so.
#[test]
fn a_server_elsewhere_that_has_no_tls_is_refused() {
    run(async {
        let cluster = Cluster::start_with(&[("listen_addresses", "*")]);
        let port = cluster.address().port();
        // This machine by an address that does not say so.
        let elsewhere = |rest: &str| format!("postgres://chrysalis@0.0.0.0:{port}/chrysalis{rest}");
        let Err(refused) = open(elsewhere(""), None).await else { panic!("spoke in clear") };
        let LogFault::Unavailable(said) = refused else { panic!("{refused:?}") };
        assert!(said.contains("TLS"), "{said}");
        open(elsewhere("?sslmode=disable"), None).await.unwrap();
    });
}
