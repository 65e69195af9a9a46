//! What every store promises (`src/log/mod.rs`), as tests written against the port.
//!
//! A theme is a file. Its cases take any [`store::Store`] and are run on each by [`every_store!`]: a new store is one
//! line there. What only one store can show (its files, its faults) stands in a folder of that store.

pub(crate) mod history;
pub(crate) mod store;
pub(crate) mod world;

mod altered;
mod busy;
mod claims;
mod conversion;
mod copy;
mod cqrs;
mod durability;
mod epochs;
mod erasure;
mod eventstore;
mod export;
mod follow;
mod idempotency;
mod inline;
mod kept;
mod order;
mod organizations;
mod origins;
mod postgres;
mod projections;
mod proof;
mod quotas;
mod refold;
mod replay;
mod scale;
mod sealed;
mod search;
mod settings;
mod snapshots;
mod sqlite;
mod versions;

use std::future::Future;
use std::time::Duration;

/// Runs cases on every store.
macro_rules! every_store {
    ($($case:ident,)*) => {
        mod on_sqlite {
            $(#[test] fn $case() { crate::conformance::run(super::$case(&crate::conformance::store::Sqlite::fresh())); })*
        }
        mod on_postgres {
            $(#[test] fn $case() { crate::conformance::run(super::$case(&crate::conformance::store::Postgres::fresh())); })*
        }
        mod on_eventstore {
            $(#[test] fn $case() { crate::conformance::run(super::$case(&crate::conformance::store::EventStore::fresh())); })*
        }
    };
}
use every_store;

/// Longer than any case needs on a slow machine: what takes longer hangs.
const HANGS: Duration = Duration::from_secs(300);

/// Runs a case on several threads, in bounded time.
pub(crate) fn run(case: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    let ended = runtime.block_on(async { tokio::time::timeout(HANGS, case).await });
    ended.expect("the case hangs");
}
