//! Two nodes want what only one can have.

use std::sync::Arc;
use std::time::Duration;

use chrysalis::keys::KeyringClaims;
use chrysalis::log::Refused;
use chrysalis::log::cqrs::{Done, ExecuteError, load};
use chrysalis_domain::user::command::ExpiryTerms;
use chrysalis_domain::user::{Standing, User, UserCommand};
use chrysalis_domain::{Passed, Span};
use chrysalis_projections::search::MODEL;
use tokio::task::JoinSet;
use tokio_postgres::Client;

use super::{nodes, two_worlds};
use crate::conformance::run;
use crate::conformance::store::Postgres;
use crate::conformance::world::{World, clock, refused_by_store};

/// Races that run at the same time: they share batches.
const AT_ONCE: usize = 50;

fn rounds() -> usize {
    if crate::long() { 10_000 / AT_ONCE } else { 8 }
}

async fn assert_sound(world: &World) {
    let report = world.log.verify(&KeyringClaims(&world.keyring), &mut |_| {}).await.unwrap();
    assert_eq!((report.differences, report.gaps, report.misfits), (vec![], vec![], vec![]));
}

#[test]
fn of_two_nodes_that_give_away_one_address_one_does() {
    run(async {
        let store = Postgres::fresh();
        let worlds = two_worlds(&store).await;
        for round in 0..rounds() {
            let mut races = JoinSet::new();
            for number in 0..AT_ONCE {
                races.spawn(for_one_address(worlds.clone(), format!("r{round}n{number}@example.com")));
            }
            races.join_all().await;
        }
        assert_sound(&worlds[0]).await;
    });
}

async fn for_one_address([one, other]: [Arc<World>; 2], address: String) {
    let ((first, _, here), (second, _, there)) = (one.sign_up(&address), other.sign_up(&address));
    let (first_claim, second_claim) = (here.claims[0].claim, there.claims[0].claim);
    let (here, there) = tokio::join!(one.execute(here), other.execute(there));
    let (winner, holder, lost) = match (here, there) {
        (Ok(_), lost) => (first, first_claim, lost),
        (lost, Ok(_)) => (second, second_claim, lost),
        neither => panic!("nobody won: {neither:?}"),
    };
    let Refused::ClaimHeld { by, .. } = refused_by_store(lost) else { panic!("not the claim") };
    assert_eq!(by, holder);
    for world in [&one, &other] {
        assert_eq!(world.holder(&address).await.unwrap().user, winner, "both nodes agree");
    }
}

#[test]
fn an_upgrade_and_an_expiry_at_two_nodes_do_not_both_happen() {
    run(async {
        let store = Postgres::fresh();
        let worlds = two_worlds(&store).await;
        let (mut upgrades, mut expiries) = (0, 0);
        for round in 0..rounds() {
            let mut races = JoinSet::new();
            for number in 0..AT_ONCE {
                races.spawn(against_expiry(worlds.clone(), format!("r{round}n{number}@example.com"), number % 2 == 0));
            }
            for upgraded in races.join_all().await {
                *(if upgraded { &mut upgrades } else { &mut expiries }) += 1;
            }
        }
        assert!(upgrades > 0 && expiries > 0, "{upgrades} upgrades and {expiries} expiries are no race");
        assert_sound(&worlds[0]).await;
    });
}

/// Whether the upgrade won.
async fn against_expiry([one, other]: [Arc<World>; 2], address: String, swapped: bool) -> bool {
    let (one, other) = if swapped { (other, one) } else { (one, other) };
    let guest = one.arrival().await;
    let upgrade = one.upgrade(guest.user, &guest.person, guest.session, &address, false);
    // Whoever came a moment ago has been away for too long.
    let max_age = Span::from_millis(-1) - ExpiryTerms::RECORDED_WITHIN;
    let terms = ExpiryTerms { settings_version: 0, max_age, notice: Span::ZERO, undo: Span::ZERO, job: None };
    let expire = UserCommand::ExpireGuest { terms, passed: Passed::default() };
    let expire = other.ask(guest.user, expire);
    // Neither is always asked first.
    let (upgraded, expired) = if swapped {
        let (expired, upgraded) = tokio::join!(other.execute(expire), one.execute(upgrade));
        (upgraded, expired)
    } else {
        tokio::join!(one.execute(upgrade), other.execute(expire))
    };
    let happened = |outcome: &Result<Done, ExecuteError>| match outcome {
        Ok(done) => done.appended.is_some(),
        Err(ExecuteError::Refused(_)) => false,
        Err(other) => panic!("{other}"),
    };
    let (upgraded, expired) = (happened(&upgraded), happened(&expired));
    assert!(upgraded != expired, "upgraded: {upgraded}, expired: {expired}");
    let (here, there) = (
        load::<User>(one.log.as_ref(), guest.user).await.unwrap(),
        load::<User>(other.log.as_ref(), guest.user).await.unwrap(),
    );
    assert_eq!((here.version, here.state.standing), (there.version, there.state.standing), "both nodes agree");
    assert_eq!(here.state.standing == Standing::Member, upgraded);
    assert_eq!(one.holder(&address).await.is_some(), upgraded);
    upgraded
}

/// How many wait for a connection, or for one that does.
async fn waiting_behind(looks: &Client, pid: i32) -> i64 {
    let waiting = "WITH RECURSIVE waiting(pid) AS (SELECT $1::int UNION SELECT other.pid FROM pg_stat_activity AS other
                       JOIN waiting ON waiting.pid = ANY(pg_blocking_pids(other.pid)))
                   SELECT count(*) - 1 FROM waiting";
    looks.query_one(waiting, &[&pid]).await.unwrap().get(0)
}

/// Both wait for one that takes the place of another just then, and which is another row than the one they waited for.
#[test]
fn of_two_nodes_that_begin_a_generation_one_does_so_behind_the_other() {
    run(async {
        let store = Postgres::fresh();
        let flips = store.connection().await;
        let mut begin = JoinSet::new();
        let nodes = nodes(&store, &clock(), 2).await;
        let flip = format!(
            "BEGIN; DELETE FROM generations WHERE model = '{0}' AND stage = 'live';
             INSERT INTO generations (model, stage, version, position) VALUES ('{0}', 'live', {1}, 0)",
            MODEL.name, MODEL.version
        );
        flips.batch_execute(&flip).await.unwrap();
        for node in nodes {
            begin.spawn(async move { node.begin(&MODEL).await });
        }
        let pid: i32 = flips.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
        let looks = store.connection().await;
        while waiting_behind(&looks, pid).await < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        flips.batch_execute("COMMIT").await.unwrap();
        for begun in begin.join_all().await {
            assert!(begun.unwrap(), "it was not begun");
        }
    });
}
