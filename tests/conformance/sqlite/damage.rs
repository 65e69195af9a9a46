//! A damaged file: a fault that says so, and never an acknowledgement of something that is not there.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};

use chrysalis::log::{AppendError, Expected, LogFault, Recorded, StreamId};

use crate::conformance::run;
use crate::conformance::store::{ROOMY, Sqlite};
use crate::conformance::world::{Seeded, World, bare, clock};
use crate::long;

const PAGE: u64 = 4096;

/// A closed store of some thousand events.
async fn grown() -> (Sqlite, Vec<Recorded>) {
    let store = Sqlite::fresh();
    let world = World::on(&store).await;
    for number in 0..40 {
        world.arrival().await;
        world.append(bare(&format!("s{number}"), Expected::NoStream, 50)).await.unwrap();
    }
    let all = world.log.read_all(0, 10_000).await.unwrap();
    (store, all)
}

/// The pages that hold a table's rows, in their order.
fn pages(store: &Sqlite, table: &str) -> Vec<u64> {
    let connection = store.connection();
    let mut statement =
        connection.prepare("SELECT pageno FROM dbstat WHERE name = ?1 AND pagetype = 'leaf' ORDER BY path").unwrap();
    let pages = statement.query_map([table], |row| row.get(0)).unwrap();
    pages.collect::<Result<_, _>>().unwrap()
}

fn spoil(store: &Sqlite, at: u64, bytes: &[u8]) {
    let mut file = File::options().write(true).open(store.path()).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(bytes).unwrap();
    file.sync_all().unwrap();
}

#[test]
fn a_damaged_page_of_the_log_is_a_fault_for_who_reads_it() {
    run(async {
        let (store, all) = grown().await;
        let pages = pages(&store, "events");
        spoil(&store, (pages[pages.len() / 2] - 1) * PAGE, &[0xFF; PAGE as usize]);
        let log = store.open(&clock(), ROOMY);

        let mut whole = 0;
        let fault = loop {
            match log.read_all(all[whole].position - 1, 1).await {
                Ok(read) => assert_eq!(read, all[whole..=whole]),
                Err(fault) => break fault,
            }
            whole += 1;
        };
        let LogFault::Damaged(why) = fault else { panic!("{fault:?}") };
        assert!(why.contains("restore the file from a backup"), "{why}");
        assert!(whole > 0, "what stands before the damage can be read");
        assert!(matches!(log.read_all(0, 10_000).await, Err(LogFault::Damaged(_))));

        // Behind the damage the log goes on, or says why not.
        let answer = log.append(bare("behind", Expected::NoStream, 2)).await;
        let stored = log.read_stream(&StreamId::from_stored("behind".to_owned()), 0, 10).await.unwrap();
        assert_eq!(stored.len(), if answer.is_ok() { 2 } else { 0 });
    });
}

#[test]
fn a_log_whose_end_is_damaged_does_not_open() {
    run(async {
        let (store, _) = grown().await;
        spoil(&store, (pages(&store, "events").last().unwrap() - 1) * PAGE, &[0xFF; PAGE as usize]);
        assert!(matches!(store.try_open(&clock()).map(|_| ()), Err(LogFault::Damaged(_))));
    });
}

#[test]
fn a_guest_whose_row_can_t_be_written_is_not_acknowledged() {
    run(async {
        let (store, all) = grown().await;
        for page in pages(&store, "users") {
            spoil(&store, (page - 1) * PAGE, &[0xFF; PAGE as usize]);
        }
        let world = World::seeded(&store, 2).await;
        let (_, ask) = world.guest();
        let answer = world.execute(ask).await;
        let fault = match answer {
            Err(chrysalis::log::cqrs::ExecuteError::Append(AppendError::Fault(fault))) => fault,
            other => panic!("{other:?}"),
        };
        assert!(matches!(fault, LogFault::Damaged(_)), "{fault:?}");
        assert_eq!(world.log.read_all(0, 10_000).await.unwrap(), all, "nor is the event there without its row");
    });
}

/// What SQLite says of a file when it looks at all of it.
fn sound(store: &Sqlite) -> bool {
    store
        .connection()
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get::<_, String>(0))
        .is_ok_and(|said| said == "ok")
}

/// Bytes spoiled anywhere. SQLite keeps no checksums: what it can't notice in passing its integrity check finds, or the
/// Merkle tree. Here: every fault says that the file is damaged, and what is acknowledged on such a file reads back, or
/// a fault or the integrity check says why not.
#[test]
fn bytes_spoiled_anywhere_are_damage_or_do_no_harm() {
    run(async {
        let (store, _) = grown().await;
        let whole = std::fs::read(store.path()).unwrap();
        let mut met = 0;
        for seed in 0..if long() { 2_000 } else { 60 } {
            let chance = Seeded::new(seed);
            std::fs::write(store.path(), &whole).unwrap();
            for _ in 0..=chance.below(8) {
                let bytes: Vec<u8> =
                    (0..=chance.below(600)).map(|_| u8::try_from(chance.below(256)).unwrap()).collect();
                // Past the first page: without its header it is no database at all.
                let at = usize::try_from(PAGE).unwrap()
                    + chance.below(whole.len() - usize::try_from(PAGE).unwrap() - bytes.len());
                spoil(&store, at as u64, &bytes);
            }
            let damaged = |fault: &LogFault| assert!(matches!(fault, LogFault::Damaged(_)), "seed {seed}: {fault:?}");
            let log = match store.try_open(&clock()) {
                Ok(log) => log,
                Err(fault) => {
                    damaged(&fault);
                    met += 1;
                    continue;
                }
            };
            if let Err(fault) = log.read_all(0, 10_000).await {
                damaged(&fault);
                met += 1;
            }
            let group = bare("after", Expected::NoStream, 2);
            let ids: Vec<_> = group.appends[0].events.iter().map(|event| event.id.to_string()).collect();
            match log.append(group).await {
                Ok(appended) => match log.read_all(appended.first - 1, 2).await {
                    Ok(read) => {
                        let there = read.into_iter().map(|event| event.event_id).eq(ids);
                        assert!(there || !sound(&store), "seed {seed}: lost, and nothing shows it");
                    }
                    Err(fault) => damaged(&fault),
                },
                Err(AppendError::Fault(fault)) => damaged(&fault),
                Err(other) => panic!("seed {seed}: {other:?}"),
            }
        }
        assert!(met > 10, "too little was spoiled");
    });
}
