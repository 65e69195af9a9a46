//! Many nodes begin at once, and programs of different age meet.

use chrysalis::followers::search::rebuild;
use chrysalis::log::postgres::{self, PostgresLog};
use chrysalis::log::{Expected, LogFault, Store as WholeStore, list};
use chrysalis_projections::search::{Fit, Sought, TextField};
use std::sync::Arc;
use tokio::task::JoinSet;

use super::nodes;
use crate::conformance::run;
use crate::conformance::search::indexer;
use crate::conformance::store::{Postgres, Store};
use crate::conformance::world::{World, bare, clock, everything};
use crate::postgres::Cluster;

#[test]
fn nodes_that_start_at_once_on_an_empty_database_all_succeed() {
    run(async {
        for _ in 0..if crate::long() { 20 } else { 3 } {
            let store = Postgres::fresh();
            let mut starting = JoinSet::new();
            for _ in 0..8 {
                let options = store.options();
                starting.spawn(async move { PostgresLog::open(&options, Arc::new(clock()), Arc::new(())).await });
            }
            let logs: Vec<_> = starting.join_all().await.into_iter().map(Result::unwrap).collect();
            for (number, log) in logs.iter().enumerate() {
                use chrysalis::log::Log;
                log.append(bare(&format!("s{number}"), Expected::NoStream, 1)).await.unwrap();
            }
            assert_eq!(everything(&logs[0]).await.len(), 8);
        }
    });
}

#[test]
fn a_schema_of_a_later_program_is_refused_by_name() {
    run(async {
        let store = Postgres::fresh();
        drop(nodes(&store, &clock(), 1).await);
        store.behind("UPDATE schema_version SET version = 99").await;
        let refused = PostgresLog::open(&store.options(), Arc::new(clock()), Arc::new(())).await;
        let Err(LogFault::Unavailable(said)) = refused else { panic!("a schema nobody knows was opened") };
        assert!(said.contains("99") && said.contains("later"), "{said}");
    });
}

/// An old node goes on while a new one brings the schema further: what it needs is still there.
#[test]
fn a_node_goes_on_beside_one_that_migrated() {
    run(async {
        let store = Postgres::fresh();
        let log = nodes(&store, &clock(), 1).await.remove(0);
        log.append(bare("s", Expected::NoStream, 1)).await.unwrap();
        store.behind("UPDATE schema_version SET version = 99").await;
        store.behind("ALTER TABLE events ADD COLUMN later text").await;
        log.append(bare("s", Expected::Exact(1), 1)).await.unwrap();
        assert_eq!(everything(log.as_ref()).await.len(), 2);
    });
}

/// `pg_trgm` is a help, and not to be had everywhere: without it nothing but the search for parts is slower.
#[test]
fn a_role_that_may_create_no_extension_serves_all_the_same() {
    let cluster = Cluster::start();
    crate::postgres::execute(&cluster.url(), "CREATE ROLE weak LOGIN");
    crate::postgres::execute(&cluster.url(), "CREATE SCHEMA chrysalis AUTHORIZATION weak");
    run(async {
        let options = postgres::Options::at(cluster.url().replace("chrysalis@", "weak@"));
        let clock = clock();
        let log: Arc<dyn WholeStore> =
            Arc::new(PostgresLog::open(&options, Arc::new(clock.clone()), Arc::new(())).await.unwrap());
        let world = World::around(log, clock, 1).await;
        let guest = world.arrival().await;
        world
            .execute(world.upgrade(guest.user, &guest.person, guest.session, "jane@example.com", false))
            .await
            .unwrap();
        let part = Sought::new(TextField::Email, Fit::Anywhere, "jane").unwrap();
        rebuild(indexer(&world, true).await).await.unwrap();
        assert_eq!(
            world.log.by_part(&part, 10).await.unwrap(),
            None,
            "there is no index, so it says nothing of anybody"
        );
        let whole = Sought::new(TextField::Email, Fit::Beginning, "jane@").unwrap().in_order(10).unwrap();
        assert_eq!(
            list(world.log.as_ref(), whole, |row| row.text(0).map(str::to_owned)).await.unwrap(),
            [guest.user.to_string()]
        );
        // Somebody who may creates it, and the next table has its index.
        crate::postgres::execute(&cluster.url(), "CREATE EXTENSION pg_trgm");
        rebuild(indexer(&world, true).await).await.unwrap();
        assert_eq!(world.log.by_part(&part, 10).await.unwrap(), Some(vec![guest.user]));
    });
}
