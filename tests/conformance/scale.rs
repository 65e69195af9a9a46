//! A million events (by default a tenth of them): written in batches, read in pages.

use std::sync::Arc;

use chrysalis::log::{Expected, StreamId};
use tokio::task::JoinSet;

use super::every_store;
use super::store::{ROOMY, Store};
use super::world::{bare, clock};
use crate::long;

every_store! { a_million_events, }

const GROUP: usize = 100;
const WRITERS: usize = 8;
const PAGE: usize = 1_000;

async fn a_million_events(store: &dyn Store) {
    let total = if long() { 1_000_000 } else { 100_000 };
    let clock = clock();
    let log = store.open(&clock, ROOMY).await;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let log = Arc::clone(&log);
        writers.spawn(async move {
            for number in 0..total / GROUP / WRITERS {
                let expected = if number == 0 { Expected::NoStream } else { Expected::Exact((number * GROUP) as u64) };
                log.append(bare(&format!("w{writer}"), expected, GROUP)).await.unwrap();
            }
        });
    }
    while let Some(ended) = writers.join_next().await {
        ended.unwrap();
    }
    drop(log);

    let log = store.open(&clock, ROOMY).await;
    let (mut last, mut count) = (0, 0);
    loop {
        // One page at a time is all that is ever held.
        let page = log.read_all(last, PAGE).await.unwrap();
        assert!(page.len() <= PAGE);
        for event in &page {
            assert!(event.position > last);
            assert!(!store.dense() || event.position == last + 1);
            last = event.position;
        }
        count += page.len();
        if page.is_empty() {
            break;
        }
    }
    assert_eq!(count, total);
    assert_eq!(*log.head().borrow(), last);
    let end =
        log.read_stream(&StreamId::from_stored("w3".to_owned()), (total / WRITERS - 5) as u64, PAGE).await.unwrap();
    assert_eq!(end.len(), 5);
}
