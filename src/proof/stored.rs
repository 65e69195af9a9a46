//! Whether the log as it is stored is the one that was signed; and if not, from where on.
//!
//! Every event is read and hashed anew, whatever is said of it elsewhere. Signed checkpoints are what is believed; the stored
//! tiles only help to say what exactly was altered: within what one checkpoint adds to the one before it every leaf that
//! differs, if the tiles lead to the signed root. Then they stand for those leaves, and what comes behind is compared, too.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use chrysalis_projections::tiles::MODEL;

use super::ledger::{self, Signed};
use super::note::{self, Checkpoint, NoteFault, VerifyingKey};
use super::tiles::{Edge, HEIGHT, Place, Tree, WIDTH};
use super::tree::Hash;
use crate::log::follow::Stage;
use crate::log::{LogFault, Position, Store};

/// Events read together.
const PAGE: usize = 4_096;
/// Checkpoints read together.
const SIGNED: u32 = 1_024;
/// Events that differ of which the places are known at a time.
const MOST: usize = 100_000;

/// Something is not as it was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Behind this position something is missing.
    Gap(Position),
    /// Nothing behind this position was compared.
    Uncompared(Position),
    /// This event is not the one that was signed.
    Event(Position),
    /// The first event that is not the one that was signed is behind the first position, and not behind the second; the
    /// tree was altered along with it. Nothing behind that was compared.
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
            Finding::Gap(after) => write!(f, "after position {after} an event is missing"),
            Finding::Uncompared(after) => {
                write!(f, "nothing behind position {after} was compared with what was signed")
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
        judged: (0, Edge::default().root()),
        leaves: BTreeMap::new(),
        node: None,
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
            if !walk.bridge(event.position).await? || !walk.step(event.leaf()).await? {
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
    /// Up to here it was found out whether the log is what was signed; and what was.
    judged: (u64, Hash),
    /// Positions behind it at which the stored tree has another leaf than the log, and in which tile.
    leaves: BTreeMap<Position, Place>,
    /// The first tile of nodes above them that differs.
    node: Option<Place>,
    verdict: Verdict,
}

impl Walk<'_> {
    /// Goes on to a position. Where events are missing before it, the stored tree says what they were, as far as it does:
    /// whether it is to be believed shows at the next checkpoint. `false` when there is no use in going on.
    async fn bridge(&mut self, position: Position) -> Result<bool, LogFault> {
        let gap = self.edge.size();
        if position == gap + 1 {
            return Ok(true);
        }
        self.verdict.findings.push(Finding::Gap(gap));
        while self.edge.size() + 1 < position {
            let (place, from) = leaf_at(self.edge.size());
            let tile = if self.edge.size() < self.tree { self.stored(place).await? } else { Vec::new() };
            let left = usize::try_from(position - 1 - self.edge.size()).unwrap_or(WIDTH);
            let upto = WIDTH.min(from.saturating_add(left)).min(place.width(self.tree));
            let Some(leaves) = tile.get(from..upto).filter(|leaves| !leaves.is_empty()) else {
                self.verdict.findings.push(Finding::Uncompared(gap));
                return Ok(false);
            };
            for leaf in leaves {
                if !self.step(*leaf).await? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

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
            self.judged = (size, root);
            return Ok(true);
        }
        self.compare_open().await?;
        let (judged, _) = self.judged;
        // Leaves that lead to what was signed are those of that day.
        let Some(edge) = self.told(size).await?.filter(|edge| edge.root() == root) else {
            self.verdict.findings.push(Finding::EventWithin(judged, size));
            return Ok(false);
        };
        self.verdict
            .findings
            .extend(self.leaves.range(judged + 1..=size).map(|(position, _)| Finding::Event(*position)));
        (self.edge, self.judged) = (edge, (size, root));
        self.leaves.clear();
        self.node = None;
        Ok(true)
    }

    /// The edge of the first so many events, as the stored leaves behind what was judged have it; none where there are none.
    async fn told(&self, size: u64) -> Result<Option<Edge>, LogFault> {
        let (judged, root) = self.judged;
        let mut edge = match (Tree { log: self.store }).edge(judged, Stage::Live).await {
            Ok(edge) if edge.root() == root => edge,
            Ok(_) | Err(LogFault::Damaged(_)) => return Ok(None),
            Err(fault) => return Err(fault),
        };
        while edge.size() < size {
            let (place, from) = leaf_at(edge.size());
            let tile = self.stored(place).await?;
            let left = usize::try_from(size - edge.size()).unwrap_or(WIDTH);
            let Some(leaves) = tile.get(from..WIDTH.min(from.saturating_add(left))) else { return Ok(None) };
            leaves.iter().for_each(|leaf| edge.push(*leaf, |_, _| ()));
        }
        Ok(Some(edge))
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
        let mut tiles: Vec<Place> = Vec::new();
        for (position, place) in &self.leaves {
            if *position > self.judged.0 {
                self.verdict.findings.push(Finding::Unsigned(*position));
            } else if tiles.last() != Some(place) {
                tiles.push(*place);
            }
        }
        // A leaf says more than a node above it.
        if self.leaves.is_empty() {
            tiles.extend(self.node);
        }
        self.verdict.findings.extend(tiles.into_iter().map(Finding::Tile));
        Ok(())
    }

    async fn compare_open(&mut self) -> Result<(), LogFault> {
        let open: Vec<_> = self.edge.open().map(|(place, tile)| (place, tile.to_vec())).collect();
        for (place, tile) in open {
            self.compare(place, &tile).await?;
        }
        Ok(())
    }

    /// Compares a tile with the one that is stored, as far as the stored tree has come.
    async fn compare(&mut self, place: Place, ours: &[Hash]) -> Result<(), LogFault> {
        let width = place.width(self.tree).min(ours.len());
        if width == 0 {
            return Ok(());
        }
        let stored = self.stored(place).await?;
        let mut differ = (0..width).filter(|at| stored.get(*at) != ours.get(*at));
        if place.level > 0 {
            self.node = self.node.or(differ.next().map(|_| place));
            return Ok(());
        }
        let left = MOST.saturating_sub(self.leaves.len());
        let position = |at| (place.number << HEIGHT) + at as u64 + 1;
        self.leaves.extend(differ.take(left).map(|at| (position(at), place)));
        Ok(())
    }

    /// A tile of the stored tree; nothing of one that is not whole.
    async fn stored(&self, place: Place) -> Result<Vec<Hash>, LogFault> {
        match (Tree { log: self.store }).tile(place, Stage::Live).await {
            Ok(stored) => Ok(stored.unwrap_or_default()),
            Err(LogFault::Damaged(_)) => Ok(Vec::new()),
            Err(fault) => Err(fault),
        }
    }

    async fn read_on(&mut self, after: u64) -> Result<(), LogFault> {
        let page = ledger::page(self.store, after, SIGNED).await?;
        self.due.extend(page.into_iter().filter(|signed| signed.size <= self.newest));
        Ok(())
    }
}

/// In which tile a leaf stands, and where in it. Leaves are counted from 0.
fn leaf_at(index: u64) -> (Place, usize) {
    let place = Place { level: 0, number: index >> HEIGHT };
    (place, usize::try_from(index - (place.number << HEIGHT)).unwrap_or_default())
}
