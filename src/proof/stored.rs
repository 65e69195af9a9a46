//! Whether the log as it is stored is the one that was signed; and if not, from where on.
//!
//! Every event is read and hashed anew, whatever is said of it elsewhere. Signed checkpoints are what is believed; the stored
//! tiles only help to say where exactly something was altered: within what one checkpoint adds to the one before it, the first
//! leaf that differs, if the tiles lead to the signed root.

use std::collections::VecDeque;
use std::fmt;

use chrysalis_projections::tiles::MODEL;

use super::ledger::{self, Signed};
use super::note::{self, Checkpoint, NoteFault, VerifyingKey};
use super::tiles::{Edge, Place, Tree};
use super::tree::Hash;
use crate::log::follow::Stage;
use crate::log::{LogFault, Position, Store};

/// Events read together.
const PAGE: usize = 4_096;
/// Checkpoints read together.
const SIGNED: u32 = 1_024;

/// Something is not as it was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Behind this position something is missing. Nothing behind it was compared.
    Gap(Position),
    /// This is the first event that is not the one that was signed.
    Event(Position),
    /// The first event that is not the one that was signed is behind the first position, and not behind the second; the
    /// tree was altered along with it.
    EventWithin(Position, Position),
    /// So many were signed, and the log ends before.
    CutOff { end: Position, signed: u64 },
    /// The tree took in another event; no checkpoint is about it yet.
    Unsigned(Position),
    /// The log is what was signed; this part of the stored tree is not its tree.
    Tile(Place),
    /// The stored tree is that of more events than there are.
    TreeAhead { end: Position, tree: u64 },
    /// This checkpoint is not as it was signed.
    Checkpoint { size: u64, fault: NoteFault },
    /// Its row and its note say different things.
    CheckpointRow { size: u64 },
    /// So many were signed, and fewer are there.
    Removed { signed: u64, there: u64 },
    /// A checkpoint that was kept elsewhere is not taken.
    Kept { name: String, fault: NoteFault },
    /// The log signed it, and is another now.
    Forked { name: String, size: u64 },
    /// The log signed it, and is shorter now.
    Shorter { name: String, size: u64, end: Position },
}

/// A checkpoint that was kept where the store can't be written to.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Where it is kept.
    pub name: String,
    pub note: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Gap(after) => {
                write!(
                    f,
                    "after position {after} an event is missing; nothing behind it was compared with what was signed"
                )
            }
            Finding::Event(position) => write!(f, "the event at position {position} is not the one that was signed"),
            Finding::EventWithin(after, upto) => write!(
                f,
                "one of the events from position {} to {upto} is not the one that was signed, and the tree was altered along with it",
                after + 1
            ),
            Finding::CutOff { end, signed } => {
                write!(f, "the log ends at position {end}, and {signed} events were signed: the end was cut off")
            }
            Finding::Unsigned(position) => write!(
                f,
                "the event at position {position} is not the one that the tree took in; no checkpoint is about it yet"
            ),
            Finding::Tile(Place { level, number }) => write!(
                f,
                "the log is what was signed, but tile {number} of level {level} of the stored tree is not; `chrysalis audit rebuild` makes it anew"
            ),
            Finding::TreeAhead { end, tree } => {
                write!(
                    f,
                    "the log ends at position {end}, and the tree over it took in {tree} events: the end was cut off"
                )
            }
            Finding::Checkpoint { size, fault } => write!(f, "the checkpoint of {size} events does not hold: {fault}"),
            Finding::CheckpointRow { size } => {
                write!(f, "the checkpoint of {size} events says something else than its row: one of them was altered")
            }
            Finding::Removed { signed, there } => {
                write!(f, "{signed} checkpoints were signed, and {there} are there: the others were removed")
            }
            Finding::Kept { name, fault } => write!(f, "{name}: the checkpoint is not taken: {fault}"),
            Finding::Forked { name, size } => write!(
                f,
                "{name}: the first {size} events are not the ones of this checkpoint: the log was made anew since, or altered"
            ),
            Finding::Shorter { name, size, end } => write!(
                f,
                "{name}: the log ends at position {end}, and this checkpoint is about {size} events: the end was cut off"
            ),
        }
    }
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Events that were hashed.
    pub events: u64,
    /// Checkpoints whose signature and root hold.
    pub checkpoints: u64,
    /// The largest of them: up to here the log is what was signed.
    pub signed: u64,
    /// Checkpoints that were kept elsewhere, and hold.
    pub kept: u64,
    pub findings: Vec<Finding>,
}

/// Compares the log, the stored tree, all that was signed, and what was kept of it elsewhere. A server may run meanwhile.
pub async fn verify(
    store: &dyn Store,
    keys: &[VerifyingKey],
    kept: &[Kept],
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<Verdict, LogFault> {
    // In this order: what was counted is signed, what is signed is in the tree, and what is in the tree is in the log.
    let counted = store.checkpoint(ledger::COUNT).await?;
    let there = ledger::count(store).await?;
    let newest = ledger::latest(store).await?.map_or(0, |newest| newest.size);
    let all = store.generations().await?;
    let live = all.into_iter().find(|one| one.model.name == MODEL.name && one.stage == Stage::Live && one.is_ours());
    let tree = live.map_or(0, |live| live.position);
    let end = store.end().await?;
    let mut walk = Walk {
        store,
        keys,
        edge: Edge::default(),
        tree,
        newest,
        due: VecDeque::new(),
        kept: Vec::new(),
        odd: None,
        verdict: Verdict::default(),
    };
    if there < counted {
        walk.verdict.findings.push(Finding::Removed { signed: counted, there });
    }
    walk.open(kept);
    walk.meet();
    walk.read_on(0).await?;
    while walk.edge.size() < end {
        let page = store.read_all(walk.edge.size(), PAGE).await?;
        if page.is_empty() {
            break;
        }
        for event in page.iter().take_while(|event| event.position <= end) {
            if event.position != walk.edge.size() + 1 {
                walk.verdict.findings.push(Finding::Gap(walk.edge.size()));
                return Ok(walk.verdict);
            }
            if !walk.step(event.leaf()).await? {
                return Ok(walk.verdict);
            }
        }
        progress(walk.edge.size());
    }
    walk.finish().await?;
    Ok(walk.verdict)
}

struct Walk<'s> {
    store: &'s dyn Store,
    keys: &'s [VerifyingKey],
    /// The tree of the log as it is read.
    edge: Edge,
    /// How many events the stored tree took in.
    tree: u64,
    /// The largest size that was signed when this began.
    newest: u64,
    /// What was signed of more than was read so far, in order.
    due: VecDeque<Signed>,
    /// What was kept elsewhere and is not met yet, and where.
    kept: Vec<(String, Checkpoint)>,
    /// The first place where the stored tree differs from that of the log, and at a leaf, that leaf's position.
    odd: Option<(Place, Option<Position>)>,
    verdict: Verdict,
}

impl Walk<'_> {
    /// Takes in a leaf; `false` when there is no use in going on.
    async fn step(&mut self, leaf: Hash) -> Result<bool, LogFault> {
        let mut whole = Vec::new();
        self.edge.push(leaf, |place, tile| whole.push((place, tile)));
        self.verdict.events = self.edge.size();
        for (place, tile) in whole {
            self.compare(place, &tile).await?;
        }
        self.meet();
        while self.due.front().is_some_and(|signed| signed.size == self.edge.size()) {
            let Some(signed) = self.due.pop_front() else { break };
            if self.due.is_empty() {
                self.read_on(signed.size).await?;
            }
            if !self.judge(&signed).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn open(&mut self, kept: &[Kept]) {
        for Kept { name, note } in kept {
            match note::open(note, self.keys) {
                Ok(checkpoint) => self.kept.push((name.clone(), checkpoint)),
                Err(fault) => self.verdict.findings.push(Finding::Kept { name: name.clone(), fault }),
            }
        }
    }

    /// Whether the log up to here is what those of its size say.
    fn meet(&mut self) {
        let size = self.edge.size();
        let due = self.kept.extract_if(.., |(_, checkpoint)| checkpoint.size == size);
        for (name, checkpoint) in due {
            if checkpoint.root == self.edge.root() {
                self.verdict.kept += 1;
            } else {
                self.verdict.findings.push(Finding::Forked { name, size });
            }
        }
    }

    /// Whether the log up to here is what was signed. Where it is not, finds out from where on.
    async fn judge(&mut self, signed: &Signed) -> Result<bool, LogFault> {
        let size = signed.size;
        let root = match note::open(&signed.note, self.keys) {
            Ok(checkpoint) if (checkpoint.size, checkpoint.root) == (size, signed.root) => Some(signed.root),
            Ok(_) => {
                self.verdict.findings.push(Finding::CheckpointRow { size });
                None
            }
            Err(fault) => {
                self.verdict.findings.push(Finding::Checkpoint { size, fault });
                None
            }
        };
        let Some(root) = root else { return Ok(true) };
        if self.edge.root() == root {
            self.verdict.signed = size;
            self.verdict.checkpoints += 1;
            return Ok(true);
        }
        self.compare_open().await?;
        // Tiles that lead to what was signed are those of that day.
        let true_tiles =
            size <= self.tree && Tree { log: self.store }.root(size).await.is_ok_and(|stored| stored == root);
        self.verdict.findings.push(match self.odd {
            Some((_, Some(position))) if true_tiles => Finding::Event(position),
            _ => Finding::EventWithin(self.verdict.signed, size),
        });
        Ok(false)
    }

    /// What is left to say when the log is read to its end.
    async fn finish(&mut self) -> Result<(), LogFault> {
        let end = self.edge.size();
        self.compare_open().await?;
        if end < self.newest {
            self.verdict.findings.push(Finding::CutOff { end, signed: self.newest });
        } else if end < self.tree {
            self.verdict.findings.push(Finding::TreeAhead { end, tree: self.tree });
        }
        for (name, Checkpoint { size, .. }) in self.kept.drain(..) {
            self.verdict.findings.push(Finding::Shorter { name, size, end });
        }
        match self.odd {
            Some((_, Some(position))) if position > self.verdict.signed => {
                self.verdict.findings.push(Finding::Unsigned(position));
            }
            Some((place, _)) => self.verdict.findings.push(Finding::Tile(place)),
            None => {}
        }
        Ok(())
    }

    async fn compare_open(&mut self) -> Result<(), LogFault> {
        let open: Vec<_> = self.edge.open().map(|(place, tile)| (place, tile.to_vec())).collect();
        for (place, tile) in open {
            self.compare(place, &tile).await?;
        }
        Ok(())
    }

    /// Compares a tile with the one that is stored, as far as the stored tree has come. The first difference counts.
    async fn compare(&mut self, place: Place, ours: &[Hash]) -> Result<(), LogFault> {
        let width = place.width(self.tree).min(ours.len());
        if width == 0 || self.odd.is_some_and(|(odd, _)| odd.level == 0) {
            return Ok(());
        }
        let stored = match (Tree { log: self.store }).tile(place, Stage::Live).await {
            Ok(stored) => stored.unwrap_or_default(),
            Err(LogFault::Damaged(_)) => Vec::new(),
            Err(fault) => return Err(fault),
        };
        let differs = (0..width).find(|at| stored.get(*at) != ours.get(*at));
        // A leaf says more than a node above it.
        if let Some(at) = differs
            && (place.level == 0 || self.odd.is_none())
        {
            let position = (place.level == 0).then(|| (place.number << super::tiles::HEIGHT) + at as u64 + 1);
            self.odd = Some((place, position));
        }
        Ok(())
    }

    async fn read_on(&mut self, after: u64) -> Result<(), LogFault> {
        let page = ledger::page(self.store, after, SIGNED).await?;
        self.due.extend(page.into_iter().filter(|signed| signed.size <= self.newest));
        Ok(())
    }
}
