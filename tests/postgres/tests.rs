//! That the servers of the tests do what the tests take for granted.

use super::{Cluster, ask, execute, shared};

fn count(url: &str) -> Vec<Vec<Option<String>>> {
    ask(url, "SELECT count(*) FROM t")
}

#[test]
fn the_shared_server_answers() {
    assert_eq!(ask(shared(), "SELECT 1"), [[Some("1".to_owned())]]);
}

#[test]
fn a_killed_server_has_what_was_committed() {
    let mut cluster = Cluster::start();
    execute(&cluster.url(), "CREATE TABLE t AS SELECT generate_series(1, 100)");
    cluster.kill();
    cluster.restart();
    assert_eq!(count(&cluster.url()), [[Some("100".to_owned())]]);
}

#[test]
fn a_promoted_standby_has_what_was_committed() {
    let mut primary = Cluster::start();
    let standby = primary.standby();
    primary.wait_for_standby();
    execute(&primary.url(), "CREATE TABLE t AS SELECT generate_series(1, 100)");
    primary.kill();
    standby.promote();
    assert_eq!(count(&standby.url()), [[Some("100".to_owned())]]);
    execute(&standby.url(), "INSERT INTO t VALUES (101)");
}
