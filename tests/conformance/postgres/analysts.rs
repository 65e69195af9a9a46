//! A role that may read what analysts read, and nothing else, keeps that through every rebuild.

use chrysalis::followers::models::rebuild;
use chrysalis_projections::ASYNC;
use chrysalis_projections::conversion::{MODEL, VIEWS};

use crate::conformance::run;
use crate::conformance::store::{Postgres, Store};
use crate::conformance::world::{World, clock};

#[test]
fn a_role_reads_what_it_was_granted_and_nothing_else() {
    run(async {
        let store = Postgres::fresh();
        let clock = clock();
        let world = World::around(store.open_with(&clock, &ASYNC).await, clock, 1).await;
        world.arrival().await;
        let schema = store.options().schema;
        let role = format!("{schema}_analyst");
        store.behind(&format!("CREATE ROLE {role}")).await;
        store.behind(&format!("GRANT USAGE ON SCHEMA {schema} TO {role}")).await;
        for view in VIEWS {
            store.behind(&format!("GRANT SELECT ON {} TO {role}", view.name)).await;
        }
        let may_read = async |name: &str| {
            let asked = format!("SELECT has_table_privilege('{role}', '{schema}.{name}', 'SELECT')::text");
            store.seen(&asked).await == "true"
        };
        for _ in 0..3 {
            for view in VIEWS {
                assert!(may_read(view.name).await, "{}", view.name);
            }
            for table in MODEL.tables {
                assert!(!may_read(table.name).await, "{}", table.name);
            }
            assert!(!may_read("events").await && !may_read("users").await);
            rebuild(world.log.clone(), &mut |_| {}).await.unwrap();
        }
        assert_eq!(store.seen("SELECT cast(sum(guests) AS text) FROM analytics_days").await, "1");
        store.behind(&format!("DROP OWNED BY {role}")).await;
        store.behind(&format!("DROP ROLE {role}")).await;
    });
}
