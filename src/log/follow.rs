//! What a store keeps for the read models that follow the log: their rows, and how far each is folded.
//!
//! A model stands in one generation that is read, and may stand in a second one that is built beside it. Rows and position
//! of a generation change in one transaction, and only from the position that whoever folded had seen: of two who follow
//! at once, one is late, and nothing is folded twice. How the log is followed is in [`crate::followers::models`].

use std::borrow::Cow;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrysalis_domain::Subject;
use chrysalis_projections::model::FOLDED_TO;
use chrysalis_projections::model::{Fold, Pending};
use chrysalis_projections::table::{Table, absorbed, sum_up};
use chrysalis_projections::{Change, Model, Value};

use super::refold::Decoded;
use super::{Log, LogFault, Position, Store, ask_one};

/// The read models of a store that follow its log.
#[async_trait]
pub trait Follow: Send + Sync {
    /// The models that this store was opened with. Their tables are there, empty at first.
    fn models(&self) -> &'static [&'static Model];

    /// Events whose rows are written at a time while others wait for answers.
    fn page(&self) -> usize;

    /// Groups that wait now to be stored by this node, for somebody who waits for an answer.
    fn queued(&self) -> usize;

    /// Every generation of these models.
    async fn generations(&self) -> Result<Vec<Generation>, LogFault>;

    /// Writes what was folded and moves its generation, if it still stands where it stood; else nothing, and `false`.
    async fn fold(&self, folded: Folded) -> Result<bool, LogFault>;

    /// Begins a generation of this program's version beside the live one, unless one is there: that one is gone on with.
    /// Of a model that no fold makes, nobody knows how far that is: it is begun from nothing. `false` where a later version
    /// stands or is built.
    async fn begin(&self, model: &'static Model) -> Result<bool, LogFault>;

    /// Puts the next generation in the place of the live one. `false` where it does not stand as whoever asks saw it, is not as
    /// far as the live one, or readers are in the way.
    async fn flip(&self, next: Generation) -> Result<bool, LogFault>;

    /// Leaves nothing of what was deleted in the store's own files, as far as they are the store's to write.
    async fn scrub(&self) -> Result<(), LogFault>;
}

/// How many events a model lacks of those that had happened when this was asked, once it lacks none or after a while:
/// whoever did something and then looks for it finds it.
pub async fn behind(log: &dyn Log, model: &Model, patience: Duration) -> Result<u64, LogFault> {
    let (head, asked) = (*log.head().borrow(), Instant::now());
    loop {
        let folded = ask_one(log, &FOLDED_TO, &[model.name.into()]).await?.unwrap_or(0);
        if folded >= head || asked.elapsed() >= patience {
            return Ok(head.saturating_sub(folded));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// How far a read model was folded that has seen more than the log has now: then the log's end is gone, and whoever went on
/// from there would give positions out a second time, and the models would pass over what they are given to.
pub async fn beyond_the_end(store: &dyn Store) -> Result<Option<Position>, LogFault> {
    let all = store.generations().await?;
    // Of those that are read: one that is being built may count otherwise meanwhile.
    let furthest = all.iter().filter(|one| one.stage == Stage::Live).map(|one| one.position).max().unwrap_or(0);
    // Asked for later: what was folded was in the log before.
    let end = store.end().await?;
    Ok(Some(furthest).filter(|furthest| *furthest > end))
}

/// Sets a model that has seen more than the log has now back to the log's end, so that what is folded anew, which comes no
/// further, can take its place.
pub async fn draw_back(store: &dyn Store, model: &Model) -> Result<(), LogFault> {
    let (all, end) = (store.generations().await?, store.end().await?);
    let live = all.into_iter().filter(|one| one.stage == Stage::Live && one.model.name == model.name);
    for ahead in live.filter(|one| one.position > end) {
        let (seen, name) = (ahead.position, model.name);
        tracing::warn!(model = name, seen, end, "the end of the log is gone; this read model is made of what is left");
        store.fold(Folded::plain(ahead, end, Vec::new())).await?;
    }
    Ok(())
}

/// Between two looks at how far a model is.
const LOOK: Duration = Duration::from_millis(5);

/// One generation of a read model.
#[derive(Clone, Copy)]
pub struct Generation {
    pub model: &'static Model,
    pub stage: Stage,
    /// The version of the model that it is folded by.
    pub version: u32,
    /// The last event that is in its rows.
    pub position: Position,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The one that is read.
    Live,
    /// The one that is built beside it.
    Next,
}

impl Stage {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Stage::Live => "live",
            Stage::Next => "next",
        }
    }

    /// What a table of it is called.
    pub(super) fn table(self) -> fn(&Table) -> String {
        match self {
            Stage::Live => |table| table.name.to_owned(),
            Stage::Next => |table| format!("{}_next", table.name),
        }
    }
}

impl Generation {
    /// From a row of the table of generations; none of a model that this store was not opened with.
    pub(super) fn read(
        models: &'static [&'static Model],
        model: &str,
        stage: &str,
        version: i64,
        position: Position,
    ) -> Option<Self> {
        let model = models.iter().find(|known| known.name == model)?;
        let stage = [Stage::Live, Stage::Next].into_iter().find(|known| known.name() == stage)?;
        // One that does not fit is none of ours.
        Some(Self { model, stage, version: u32::try_from(version).unwrap_or(u32::MAX), position })
    }

    /// Whether both are the same, wherever they stand.
    pub(crate) fn is(&self, other: &Self) -> bool {
        (self.model.name, self.stage, self.version) == (other.model.name, other.stage, other.version)
    }

    /// Whether this program's folds go on with it.
    pub fn is_ours(&self) -> bool {
        self.version == self.model.version
    }
}

/// What becomes of the keys of a table's rows, whose columns are found by part: who goes, and who comes, in that order.
pub(super) fn come_and_gone<'f>(table: &'static Table, changes: &[&'f Change]) -> (Vec<&'f str>, Vec<&'f str>) {
    let of_table = || changes.iter().filter(move |change| change.table() == table);
    let gone = of_table().filter_map(|change| match change {
        Change::Delete { value, .. } => value.as_text(),
        _ => None,
    });
    let come = of_table().filter_map(|change| match change {
        // The key stands first.
        Change::Insert { values, .. } => values.first()?.as_text(),
        _ => None,
    });
    (gone.collect(), come.collect())
}

/// What a generation's rows become when it moves on.
pub struct Folded {
    pub generation: Generation,
    pub to: Position,
    /// Each with the stream that it follows from. Not yet all of them, where something is pending.
    pub changes: Vec<(Subject, Change)>,
    /// What hangs on rows that the model keeps: whoever writes reads them first.
    pub(super) pending: Option<Pending>,
}

impl Folded {
    /// Changes that hang on nothing.
    pub fn plain(generation: Generation, to: Position, changes: Vec<(Subject, Change)>) -> Self {
        Self { generation, to, changes, pending: None }
    }

    /// Folds the events of a page that the generation has not seen, as far as `to`.
    pub fn from(generation: Generation, page: &[Decoded], to: Position) -> Self {
        let (model, after) = (generation.model, generation.position);
        let mut changes: Vec<(Subject, Change)> = Vec::new();
        let mut fresh = Vec::new();
        let mut pending = match model.fold {
            Fold::Plain(_) => None,
            Fold::Keeping(keeping) => Some(Pending::of(keeping)),
        };
        // Where the changes of the stream at hand begin: what comes behind others must not be written before them.
        let mut begin = 0;
        for entry in page.iter().filter_map(|decoded| decoded.entry.as_ref()) {
            if entry.position <= after || entry.position > to {
                continue;
            }
            let subject = entry.event.subject();
            if changes.last().is_some_and(|(last, _)| *last != subject) {
                begin = changes.len();
            }
            match (model.fold, &mut pending) {
                (Fold::Plain(fold), _) => fold(entry, &mut fresh),
                (Fold::Keeping(_), Some(pending)) => pending.fold(entry, &mut fresh),
                (Fold::Keeping(_), None) => {}
            }
            for change in fresh.drain(..) {
                if !absorbed(changes[begin..].iter_mut().map(|(_, change)| change), &change) {
                    changes.push((subject, change));
                }
            }
        }
        sum_up(&mut changes);
        Self { generation, to, changes, pending }
    }

    /// All changes, with the rows that are kept as they stand.
    pub(super) fn settled(&self, rows: Vec<Vec<Value>>) -> Cow<'_, [(Subject, Change)]> {
        let Some(pending) = &self.pending else { return Cow::Borrowed(&self.changes) };
        let mut changes = self.changes.clone();
        changes.extend(pending.settle(rows));
        sum_up(&mut changes);
        Cow::Owned(changes)
    }
}

/// Changes of a model table by table, each in the order in which they came.
pub(super) fn by_table<'c>(
    model: &'static Model,
    changes: &'c [(Subject, Change)],
) -> impl Iterator<Item = Vec<&'c Change>> {
    model
        .tables
        .iter()
        .map(move |table| changes.iter().map(|(_, change)| change).filter(|change| change.table() == *table).collect())
}

/// What the live generations ought to hold, on a refold's way.
pub(super) struct Following(Vec<Generation>);

impl Following {
    /// Of what stands; with the models whose rows another version of the fold made.
    pub(super) fn of(standing: Vec<Generation>) -> (Self, Vec<&'static str>) {
        let live = standing.into_iter().filter(|one| one.stage == Stage::Live && one.model.is_folded());
        let (ours, others): (Vec<_>, Vec<_>) = live.partition(Generation::is_ours);
        (Self(ours), others.into_iter().map(|generation| generation.model.name).collect())
    }

    /// What follows from a page, for each as far as it had come.
    pub(super) fn fold(&self, page: &[Decoded]) -> impl Iterator<Item = Folded> {
        self.0.iter().map(|live| Folded::from(Generation { position: 0, ..*live }, page, live.position))
    }

    pub(super) fn tables(&self) -> Vec<&'static Table> {
        let models: Vec<_> = self.0.iter().map(|live| live.model).collect();
        tables(&models)
    }
}

/// All tables of those of some models that events are folded into.
pub(super) fn tables(models: &[&'static Model]) -> Vec<&'static Table> {
    let mut all = Vec::new();
    models.iter().filter(|model| model.is_folded()).for_each(|model| all.extend_from_slice(model.tables));
    all
}
