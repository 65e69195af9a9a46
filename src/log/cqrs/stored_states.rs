//! Whether the states that decisions load from, instead of replaying a long stream, are what the stream makes of them.

use std::collections::BTreeSet;

use chrysalis_domain::Subject;
use chrysalis_projections::Value as Cell;
use serde_json::{Map, Value};

use super::{
    ApiKey, Challenge, Decider, Expiry, Job, Keyring, Loaded, LogFault, Organization, PAGE, Settings, StreamId, User,
    Version, Webhook, freeze,
};
use crate::log::Store;
use crate::log::refold::{Difference, Report};
use crate::log::transfer::{SNAPSHOTS, SideRow};

/// States that are held at a time.
const STATES: usize = 256;

/// Adds to a report what differs.
pub async fn compare(store: &dyn Store, report: &mut Report) -> Result<(), LogFault> {
    let mut after: Option<SideRow> = None;
    loop {
        let page = store.side_rows(&SNAPSHOTS, after.as_deref(), STATES).await?;
        for row in &page {
            report.rows += 1;
            let differs = differences(store, row).await?;
            if !differs.is_empty() {
                report.differs(differs);
            }
        }
        match page.last() {
            Some(last) if page.len() == STATES => after = Some(last[..SNAPSHOTS.key].to_vec()),
            _ => return Ok(()),
        }
    }
}

async fn differences(store: &dyn Store, row: &[Cell]) -> Result<Vec<Difference>, LogFault> {
    let [Cell::Text(stream), Cell::Integer(version), Cell::Bytes(stored)] = row else {
        return Err(LogFault::Damaged("a row of snapshots does not read".to_owned()));
    };
    let key = [stream.clone()];
    let other =
        |column, live: &str, should: &str| Ok(vec![Difference::of_column(SNAPSHOTS.name, &key, column, live, should)]);
    let before = u64::try_from(*version).ok().and_then(|version| version.checked_sub(1));
    let stands = match before {
        Some(before) => !store.read_stream(&StreamId::from_stored(stream.clone()), before, 1).await?.is_empty(),
        None => false,
    };
    // Whoever loaded from it would pass over what happens up to there.
    if !stands {
        return other("version", &version.to_string(), "one that the stream has");
    }
    let Some(subject) = Subject::of_stream(stream) else { return Ok(Vec::new()) };
    let folded = match folded(store, subject, version.cast_unsigned()).await {
        Ok(Some(folded)) => folded,
        Ok(None) => return Ok(Vec::new()),
        // An event of it, which the refold names.
        Err(LogFault::Damaged(why)) => {
            return other("state", "not compared", &format!("made of what does not read: {why}"));
        }
        Err(fault) => return Err(fault),
    };
    // One of another shape is not loaded from.
    if folded == *stored || folded.first() != stored.first() {
        return Ok(Vec::new());
    }
    let fields = |state: &[u8]| serde_json::from_slice::<Map<String, Value>>(state.get(1..).unwrap_or_default()).ok();
    let (live, should) = (fields(stored).unwrap_or_default(), fields(&folded).unwrap_or_default());
    let shown = |value: Option<&Value>| value.map_or_else(|| "absent".to_owned(), Value::to_string);
    let names: BTreeSet<_> = live.keys().chain(should.keys()).collect();
    let names = names.into_iter().filter(|name| live.get(*name) != should.get(*name));
    let differ = names.map(|name| {
        Difference::of_column(SNAPSHOTS.name, &key, name, &shown(live.get(name)), &shown(should.get(name)))
    });
    let mut differ: Vec<_> = differ.collect();
    if differ.is_empty() {
        differ.push(Difference::of_column(SNAPSHOTS.name, &key, "state", "written otherwise", "as it is written"));
    }
    Ok(differ)
}

/// The state of what a stream is about as its events make it, up to a version; none where nothing is decided about it.
async fn folded(log: &dyn Store, subject: Subject, version: Version) -> Result<Option<Vec<u8>>, LogFault> {
    match subject {
        Subject::User(_) => fold::<User>(log, subject, version).await,
        Subject::Challenge(_) => fold::<Challenge>(log, subject, version).await,
        Subject::Settings(_) => fold::<Settings>(log, subject, version).await,
        Subject::ApiKey(_) => fold::<ApiKey>(log, subject, version).await,
        Subject::Job(_) => fold::<Job>(log, subject, version).await,
        Subject::Webhook(_) => fold::<Webhook>(log, subject, version).await,
        Subject::Organization(_) => fold::<Organization>(log, subject, version).await,
        Subject::Process(_) => fold::<Expiry>(log, subject, version).await,
        Subject::Keyring(_) => fold::<Keyring>(log, subject, version).await,
        Subject::Mail(_) | Subject::Note(_) | Subject::Attempts(_) => Ok(None),
    }
}

async fn fold<D: Decider>(log: &dyn Store, subject: Subject, version: Version) -> Result<Option<Vec<u8>>, LogFault> {
    let (stream, mut loaded) = (StreamId::of(subject), Loaded::<D>::default());
    while loaded.version < version {
        let page = log.read_stream(&stream, loaded.version, PAGE).await?;
        if page.is_empty() {
            break;
        }
        for recorded in page.iter().filter(|recorded| recorded.version <= version) {
            loaded.replay(recorded)?;
        }
        if page.last().is_some_and(|last| last.version >= version) {
            break;
        }
    }
    freeze(&loaded.state).map(Some)
}
