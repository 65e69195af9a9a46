//! Grows the stored tree by what is new in the log, and signs it. Whoever does it at the same time, or dies in between, does no
//! harm: tiles move on only from where whoever grew them had seen them, and what is signed is kept only by whoever saw what
//! was signed before.

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrysalis_projections::tiles::MODEL;
use tlog_tiles::Hash as Node;

use super::ledger::{self, Signed, latest};
use super::note::Signer;
use super::tiles::{Edge, Growth, HEIGHT, Place, Tree};
use super::tree::Hash;
use crate::clock::Clock;
use crate::log::follow::{Folded, Generation, Stage, draw_back};
use crate::log::{LogFault, Position, Recorded, Store};

/// Events taken in together: sixteen whole tiles.
const PAGE: usize = 4_096;
/// How often something is tried that others may be in the way of.
const TRIES: usize = 200;
/// Where an event was found altered; 0 where none was. A name for ever.
const SUSPECT: &str = "proof, suspect";

/// The log is not what was signed. Nothing more is signed until somebody has looked into it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fork {
    #[error("{signed} events were signed, and the log ends at position {end}")]
    Shorter { signed: u64, end: Position },
    #[error(
        "the tree took in {size} events, and the log ends at position {end}: what stood behind it is gone; restore a backup"
    )]
    Cut { size: u64, end: Position },
    #[error("the tree of the first {size} events is not the one that was signed")]
    Altered { size: u64 },
    #[error("after position {0} an event is missing")]
    Gap(Position),
    #[error("the event at position {0} is not the one that the tree took in")]
    Event(Position),
    #[error("{size} events were signed, and the checkpoint of them is gone")]
    Unsigned { size: u64 },
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum ProverFault {
    #[error(transparent)]
    Log(#[from] LogFault),
    #[error("{0}; run `chrysalis verify`")]
    Fork(#[from] Fork),
}

pub struct Prover {
    store: Arc<dyn Store>,
    signer: Arc<Signer>,
    clock: Arc<dyn Clock>,
    stage: Stage,
    /// Where the tree stands, as far as is known.
    standing: Option<(Generation, Edge)>,
    /// The newest of what was seen to be signed: whatever is done to the store, nothing is signed that does not add to it.
    newest: Option<Signed>,
}

impl Prover {
    pub fn new(store: Arc<dyn Store>, signer: Arc<Signer>, clock: Arc<dyn Clock>) -> Self {
        Self { store, signer, clock, stage: Stage::Live, standing: None, newest: None }
    }

    /// Somebody else may have moved it: look again first.
    pub fn forget(&mut self) {
        self.standing = None;
    }

    /// The tree's size, where it is known.
    pub fn size(&self) -> Option<u64> {
        self.standing.as_ref().map(|(generation, _)| generation.position)
    }

    /// How many events up to a position the tree has not taken in yet.
    pub async fn lacks(&mut self, upto: Position) -> Result<u64, LogFault> {
        let standing = self.standing().await?;
        let lacks = standing.as_ref().map_or(upto, |(generation, _)| upto.saturating_sub(generation.position));
        self.standing = standing;
        Ok(lacks)
    }

    /// Takes in all there is up to a position and signs it, now. For whoever can't wait for the next checkpoint.
    pub async fn cover(&mut self, upto: Position) -> Result<Option<Signed>, ProverFault> {
        for _ in 0..TRIES {
            while self.take_in(upto).await? {}
            self.sign().await?;
            let newest = latest(self.store.as_ref()).await?;
            if newest.as_ref().map_or(0, |newest| newest.size) >= upto {
                return Ok(newest);
            }
            // Somebody else signed at the same time, and less.
            self.forget();
        }
        Err(in_the_way("others sign it at the same time"))
    }

    /// Takes in the next page; answers whether there is more up to that position.
    pub async fn take_in(&mut self, upto: Position) -> Result<bool, ProverFault> {
        let Some((generation, edge)) = self.standing().await? else { return Ok(false) };
        let from = generation.position;
        if from >= upto {
            self.standing = Some((generation, edge));
            return Ok(false);
        }
        let mut page = self.store.read_all(from, PAGE).await?;
        page.retain(|event| event.position <= upto);
        let Some(to) = page.last().map(|last| last.position) else { return Err(Fork::Gap(from).into()) };
        if let Some(before) = gap(from, &page) {
            return Err(Fork::Gap(before).into());
        }
        // Away from the threads that answer requests.
        let grown = tokio::task::spawn_blocking(move || Growth::of(edge, page.iter().map(Recorded::leaf))).await;
        let grown = grown.map_err(|error| LogFault::Bug(format!("a hash broke off: {error}")))?;
        let folded = Folded::plain(generation, to, grown.changes());
        // Where that fails, what was written nobody knows.
        if self.store.fold(folded).await? {
            self.standing = Some((Generation { position: to, ..generation }, grown.edge));
            return Ok(to < upto);
        }
        Ok(true)
    }

    /// Signs the tree as it stands, if it is more than was signed before and adds to it. Answers what is signed by it.
    pub async fn sign(&mut self) -> Result<Option<Signed>, ProverFault> {
        let turn = ledger::turn(self.store.as_ref()).await?;
        let before = latest(self.store.as_ref()).await?;
        let Some((generation, edge)) = self.standing().await? else { return Ok(None) };
        let (size, root) = (generation.position, edge.root());
        self.standing = Some((generation, edge));
        let signed = before.as_ref().map_or(0, |before| before.size);
        if let Some(newest) = self.newest.as_ref().filter(|newest| newest.size > signed) {
            return Err(Fork::Unsigned { size: newest.size }.into());
        }
        let end = self.store.end().await?;
        if end < size {
            // Remembered: positions that are given out again must not pass for what was there.
            self.store.advance(SUSPECT, 0, end + 1).await?;
            return Err(Fork::Cut { size, end }.into());
        }
        let unlike = self.newest.iter().filter(|newest| before.as_ref() != Some(*newest));
        for known in before.iter().chain(unlike) {
            self.adds_to(known, size, root).await?;
        }
        self.newest = before;
        self.look_at_suspect(size).await?;
        if size <= signed {
            return Ok(None);
        }
        let signed = Signed { size, root, note: self.signer.checkpoint(size, &root), signed_at: self.clock.now() };
        if !ledger::keep(self.store.as_ref(), turn, &signed).await? {
            return Ok(None);
        }
        // Where these lines are kept elsewhere, they tell what the store told once.
        tracing::info!(size, root = %STANDARD.encode(root), "the log is signed");
        self.newest = Some(signed.clone());
        Ok(Some(signed))
    }

    /// Where an event was once found altered, whoever found it: nothing is signed until it is as it was.
    async fn look_at_suspect(&mut self, size: u64) -> Result<(), ProverFault> {
        let at = self.store.checkpoint(SUSPECT).await?;
        self.look_again(at).await?;
        if (1..=size).contains(&at) {
            self.store.advance(SUSPECT, at, 0).await?;
        }
        Ok(())
    }

    /// Whether a tree adds to what was signed, and changes nothing of it: else nobody must sign it.
    async fn adds_to(&self, before: &Signed, size: u64, root: Hash) -> Result<(), ProverFault> {
        if before.size > size {
            // The tree is behind, as after a copy. The log must not be.
            let end = self.store.end().await?;
            return if end < before.size { Err(Fork::Shorter { signed: before.size, end }.into()) } else { Ok(()) };
        }
        let proof = Tree { log: self.store.as_ref() }.consistency(before.size, size).await?;
        let proof = proof.into_iter().map(Node).collect();
        tlog_tiles::check_tree(&proof, size, Node(root), before.size, Node(before.root))
            .map_err(|_| Fork::Altered { size: before.size }.into())
    }

    /// Reads the events around a position again, and finds out whether they are those that the tree took in. One that is not is
    /// remembered in the store.
    pub async fn look_again(&mut self, at: Position) -> Result<(), ProverFault> {
        let Some((generation, edge)) = self.standing().await? else { return Ok(()) };
        let size = generation.position;
        self.standing = Some((generation, edge));
        if !(1..=size).contains(&at) {
            return Ok(());
        }
        let place = Place { level: 0, number: (at - 1) >> HEIGHT };
        let (before, width) = (place.number << HEIGHT, place.width(size));
        let tile = Tree { log: self.store.as_ref() }.tile(place, self.stage).await?.unwrap_or_default();
        let events = self.store.read_all(before, width).await?;
        for (expected, at) in (before + 1..).zip(0..width) {
            let leaf = events.get(at).filter(|event| event.position == expected).map(Recorded::leaf);
            if leaf.is_none() || tile.get(at) != leaf.as_ref() {
                self.store.advance(SUSPECT, 0, expected).await?;
                return Err(Fork::Event(expected).into());
            }
        }
        Ok(())
    }

    /// Where the tree stands. It is taken: whoever goes on puts it back, and whoever breaks off has to look again.
    async fn standing(&mut self) -> Result<Option<(Generation, Edge)>, LogFault> {
        if let Some(standing) = self.standing.take() {
            return Ok(Some(standing));
        }
        let stage = self.stage;
        let all = self.store.generations().await?;
        let ours = all.into_iter().find(|one| one.model.name == MODEL.name && one.stage == stage && one.is_ours());
        let Some(generation) = ours else { return Ok(None) };
        let edge = Tree { log: self.store.as_ref() }.edge(generation.position, stage).await?;
        Ok(Some((generation, edge)))
    }

    /// Makes the tree anew from the log, beside the one that stands, and puts it in its place; whether or not a server follows
    /// meanwhile. One that is not what was signed stays out.
    pub async fn rebuild(self, progress: &mut (dyn FnMut(Position) + Send)) -> Result<(), ProverFault> {
        let store = self.store.clone();
        let (signed, end) = (latest(store.as_ref()).await?.map_or(0, |signed| signed.size), store.end().await?);
        if end < signed {
            return Err(Fork::Shorter { signed, end }.into());
        }
        draw_back(store.as_ref(), &MODEL).await?;
        if !store.begin(&MODEL).await? {
            return Err(in_the_way("a later Chrysalis made it"));
        }
        let mut anew = Self { stage: Stage::Next, standing: None, ..self };
        if let Some(signed) = latest(store.as_ref()).await? {
            anew.grow(signed.size, progress).await?;
            let Some((generation, edge)) = anew.standing().await? else { return Err(in_the_way(AT_ONCE)) };
            match generation.position.cmp(&signed.size) {
                Ordering::Greater => return Err(in_the_way(AT_ONCE)),
                _ if edge.root() != signed.root => return Err(Fork::Altered { size: signed.size }.into()),
                _ => anew.standing = Some((generation, edge)),
            }
        }
        for _ in 0..TRIES {
            anew.grow(store.end().await?, progress).await?;
            let Some((generation, edge)) = anew.standing().await? else { return Err(in_the_way(AT_ONCE)) };
            if store.flip(generation).await? {
                return Ok(());
            }
            // The live one is ahead, or readers are in the way.
            anew.standing = Some((generation, edge));
            tokio::time::sleep(PUT_OFF).await;
        }
        Err(in_the_way("readers do not let go of it"))
    }

    async fn grow(&mut self, upto: Position, progress: &mut (dyn FnMut(Position) + Send)) -> Result<(), ProverFault> {
        while self.take_in(upto).await? {
            self.size().into_iter().for_each(&mut *progress);
        }
        Ok(())
    }
}

/// How long a tree waits that can't take its place.
const PUT_OFF: Duration = Duration::from_millis(50);
const AT_ONCE: &str = "somebody else makes it anew at the same time";

fn in_the_way(why: &str) -> ProverFault {
    LogFault::Unavailable(format!("the tree over the log can't be gone on with: {why}")).into()
}

/// The last position before a gap.
fn gap(after: Position, page: &[Recorded]) -> Option<Position> {
    page.iter().zip(after + 1..).find(|(event, expected)| event.position != *expected).map(|(_, expected)| expected - 1)
}
