//! What is exported is what the log holds, whichever store holds it.

use std::sync::Arc;

use chrysalis::evidence::export::{Asked, settle, to_file};
use chrysalis::evidence::frame::Filter;
use chrysalis::evidence::line::Line;
use chrysalis::evidence::verify::{Question, verify};
use chrysalis::log::{Expected, Recorded, Store as WholeStore};
use chrysalis_domain::Span;

use super::history::{ADDRESSES, History};
use super::store::{Postgres, ROOMY, Sqlite, Store};
use super::world::{World, bare, everything};
use super::{every_store, run};

every_store! {
    the_lines_are_the_events,
    some_events_are_asked_for_by_place_time_stream_and_type,
    a_log_of_many_pages_is_exported_whole,
}

/// The lines of an export, header and footer included.
async fn lines(log: &Arc<dyn WholeStore>, asked: &Asked) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("export");
    let header = settle(log.as_ref(), asked).await.unwrap();
    to_file(log.clone(), header, &path, false).await.unwrap();
    let report = verify(&Question { exports: vec![path.clone()], ..Question::default() }).unwrap();
    assert_eq!(report.findings, []);
    std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

fn written(event: &Recorded) -> String {
    let mut out = Vec::new();
    Line::of(&event.fields(), event.leaf()).write(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

async fn the_lines_are_the_events(store: &dyn Store) {
    let history = History::lived(store, 31, 150).await;
    let log = &history.world.log;
    let lines = lines(log, &Asked::default()).await;
    let events = everything(log.as_ref()).await;
    assert!(lines[1..=events.len()].iter().eq(events.iter().map(written).collect::<Vec<_>>().iter()));
    assert_eq!(lines.len(), events.len() + 2);
    let header: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!((&header["format"], &header["complete"]), (&"chrysalis-log".into(), &true.into()));
    let footer: serde_json::Value = serde_json::from_str(&lines[lines.len() - 1]).unwrap();
    assert_eq!(footer["end"]["count"], events.len());
    // Sealed records are not in it: there is nothing of anybody to be read.
    let text = lines.concat();
    assert!(ADDRESSES.iter().all(|address| !text.contains(address)));
    assert!(text.contains("\"commitment\":"));
}

async fn some_events_are_asked_for_by_place_time_stream_and_type(store: &dyn Store) {
    let history = History::lived(store, 32, 120).await;
    let log = &history.world.log;
    let events = everything(log.as_ref()).await;
    let some = &events[events.len() / 2];
    let (stream, time) = (some.stream.as_str().to_owned(), some.recorded_at);
    let (from, to) = (some.position, some.position + 10);
    let by_stream = Filter { stream: Some(stream.clone()), event_type: None };
    let by_type = Filter { stream: None, event_type: Some(some.event_type.clone()) };
    let by_both = Filter { event_type: by_type.event_type.clone(), ..by_stream.clone() };
    let by = |filter: &Filter| Asked { filter: filter.clone(), ..Asked::default() };
    let nothing = Filter { stream: Some("user-nobody".to_owned()), event_type: None };
    type Takes<'t> = Box<dyn Fn(&Recorded) -> bool + 't>;
    let asked: Vec<(Asked, Takes<'_>)> = vec![
        (Asked { from: Some(from), to: Some(to), ..Asked::default() }, Box::new(|e| (from..=to).contains(&e.position))),
        (Asked { since: Some(time), ..Asked::default() }, Box::new(|e| e.recorded_at >= time)),
        (Asked { until: Some(time), ..Asked::default() }, Box::new(|e| e.recorded_at <= time)),
        (Asked { since: Some(time), until: Some(time), ..Asked::default() }, Box::new(|e| e.recorded_at == time)),
        (Asked { since: Some(time + Span::from_days(9)), ..Asked::default() }, Box::new(|_| false)),
        (Asked { until: Some(time - Span::from_days(9)), ..Asked::default() }, Box::new(|_| false)),
        (Asked { from: Some(1_000_000), ..Asked::default() }, Box::new(|_| false)),
        (by(&by_stream), Box::new(|e| e.stream == some.stream)),
        (by(&by_type), Box::new(|e| e.event_type == some.event_type)),
        (by(&by_both), Box::new(|e| e.stream == some.stream && e.event_type == some.event_type)),
        (Asked { from: Some(from), ..by(&by_stream) }, Box::new(|e| e.stream == some.stream && e.position >= from)),
        (by(&nothing), Box::new(|_| false)),
    ];
    for (asked, takes) in &asked {
        let found = lines(log, asked).await;
        let expected: Vec<_> = events.iter().filter(|event| takes(event)).map(written).collect();
        assert_eq!(found[1..found.len() - 1], expected, "{asked:?}");
    }
}

async fn a_log_of_many_pages_is_exported_whole(store: &dyn Store) {
    let world = World::on(store).await;
    for stream in ["one", "two", "three"] {
        for _ in 0..6 {
            world.append(bare(stream, Expected::Any, 500)).await.unwrap();
        }
    }
    assert_eq!(lines(&world.log, &Asked::default()).await.len(), everything(world.log.as_ref()).await.len() + 2);
    let filter = Filter { stream: Some("two".to_owned()), event_type: None };
    assert_eq!(lines(&world.log, &Asked { filter, ..Asked::default() }).await.len(), 3_002);
}

#[test]
fn both_stores_give_the_same_lines() {
    run(async {
        let (embedded, postgres) = (Sqlite::fresh(), Postgres::fresh());
        let history = History::lived(&embedded, 33, 200).await;
        let other = Store::open(&postgres, &history.world.clock, ROOMY).await;
        chrysalis::log::copy::copy(history.world.log.as_ref(), other.as_ref(), false, &mut |_| {}).await.unwrap();
        assert_eq!(lines(&history.world.log, &Asked::default()).await, lines(&other, &Asked::default()).await);
    });
}
