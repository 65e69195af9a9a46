//! A role that may read what analysts read, and nothing else, keeps that through every rebuild; and none that may do more is
//! taken for one.

use chrysalis::followers::models::rebuild;
use chrysalis::log::analysts::LetRead;
use chrysalis_projections::ASYNC;
use chrysalis_projections::conversion::VIEWS;

use crate::conformance::run;
use crate::conformance::store::{Postgres, Store};
use crate::conformance::world::{World, clock};

/// A store with a guest in it.
async fn counted(store: &Postgres) -> World {
    let clock = clock();
    let world = World::around(store.open_with(&clock, &ASYNC).await, clock, 1).await;
    world.arrival().await;
    world
}

async fn let_read(world: &World, role: &str) -> LetRead {
    let views: Vec<_> = VIEWS.iter().map(|view| view.name).collect();
    world.log.let_read(role, &views).await.unwrap()
}

/// What PostgreSQL says to a role that asks for something.
async fn as_role(store: &Postgres, role: &str, sql: &str) -> Result<(), String> {
    let (client, connection) = tokio_postgres::connect(crate::postgres::shared(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let schema = store.options().schema;
    client.batch_execute(&format!("SET search_path = {schema}; SET SESSION AUTHORIZATION \"{role}\"")).await.unwrap();
    client.batch_execute(sql).await.map_err(|error| error.as_db_error().unwrap().message().to_owned())
}

async fn gone(store: &Postgres, role: &str) {
    store.behind(&format!("DROP OWNED BY \"{role}\"")).await;
    store.behind(&format!("DROP ROLE \"{role}\"")).await;
}

#[test]
fn a_role_reads_what_it_was_granted_and_nothing_else() {
    run(async {
        let store = Postgres::fresh();
        let world = counted(&store).await;
        // A name that has to be quoted.
        let role = format!("{}\" Analyst-é", store.options().schema);
        let LetRead::Reads { made: true, grants } = let_read(&world, &role).await else { panic!("not made") };
        assert_eq!((grants.len(), grants.iter().all(|(_, fresh)| *fresh)), (VIEWS.len() + 1, true));
        let LetRead::Reads { made: false, grants } = let_read(&world, &role).await else { panic!("not known") };
        assert!(grants.len() == VIEWS.len() + 1 && grants.iter().all(|(_, fresh)| !fresh));
        let quoted = role.replace('"', "\"\"");
        for _ in 0..3 {
            for view in VIEWS {
                as_role(&store, &quoted, &format!("SELECT * FROM {}", view.name)).await.unwrap();
            }
            for sql in [
                "SELECT * FROM users",
                "SELECT * FROM sealed",
                "SELECT * FROM person_keys",
                "SELECT * FROM keys",
                "SELECT * FROM events",
                "SELECT * FROM sessions",
                "SELECT * FROM search",
                "SELECT * FROM conversion_counts",
                "SELECT * FROM conversion_guests",
                "INSERT INTO analytics_sessions VALUES (0, 0, 0)",
                "UPDATE analytics_days SET guests = 0",
                "DELETE FROM analytics_days",
                "DELETE FROM events",
                "CREATE TABLE mine (x int)",
                "DROP VIEW analytics_days",
            ] {
                let said = as_role(&store, &quoted, sql).await.expect_err(sql);
                let fits = ["permission denied", "must be owner", "cannot insert", "cannot update"];
                assert!(fits.iter().any(|fit| said.contains(fit)), "{sql}: {said}");
            }
            rebuild(world.log.clone(), &mut |_| {}).await.unwrap();
        }
        assert_eq!(store.seen("SELECT cast(sum(guests) AS text) FROM analytics_days").await, "1");
        gone(&store, &quoted).await;
    });
}

#[test]
fn a_role_that_may_do_more_is_left_as_it_is() {
    run(async {
        let store = Postgres::fresh();
        let world = counted(&store).await;
        let schema = store.options().schema;
        let reads = async |role: &str| {
            let sql = format!("SELECT has_table_privilege('{role}', '{schema}.analytics_days', 'SELECT')::text");
            store.seen(&sql).await == "true"
        };
        // By itself, column by column, or by somebody whose part it can take.
        let [writer, column, member, maker] =
            ["writer", "column", "member", "maker"].map(|end| format!("{schema}_{end}"));
        for (role, attributes) in [(&writer, ""), (&column, ""), (&member, "NOINHERIT"), (&maker, "CREATEROLE")] {
            store.behind(&format!("CREATE ROLE {role} {attributes}")).await;
        }
        store.behind(&format!("GRANT INSERT ON events TO {writer}")).await;
        store.behind(&format!("GRANT SELECT (email) ON users TO {column}")).await;
        store.behind(&format!("GRANT {writer} TO {member}")).await;
        for (role, more) in [
            (&writer, "INSERT on events"),
            (&column, "SELECT on users"),
            (&member, "INSERT on events"),
            (&maker, "CREATEROLE"),
        ] {
            assert_eq!(let_read(&world, role).await, LetRead::MayMore(vec![more.to_owned()]), "{role}");
            assert!(!reads(role).await, "{role}");
        }
        let owner = store.seen("SELECT current_user::text").await;
        assert!(matches!(let_read(&world, &owner).await, LetRead::MayMore(_)));
        let long = "x".repeat(64);
        for name in ["", "public", "none", "pg_monitor", "a\0b", long.as_str()] {
            assert_eq!(let_read(&world, name).await, LetRead::NoName, "{name:?}");
        }
        for role in [&member, &writer, &column, &maker] {
            gone(&store, role).await;
        }
    });
}
