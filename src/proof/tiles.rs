//! The tree as it is stored: tiles of up to 256 hashes (C2SP tlog-tiles), and how it grows by them. A proof needs a few tiles,
//! however many events there are.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use chrysalis_domain::Subject;
use chrysalis_domain::id::ProjectId;
use chrysalis_projections::{Change, tiles};
use futures_util::future::try_join_all;
use tlog_tiles::{Error, HashReader, Tile};

use super::tree::{Hash, Range, root};
use crate::log::follow::Stage;
use crate::log::{Log, LogFault, Position, ask_one};

/// Heights of a tile: each level of tiles stands so much above the one below it.
pub const HEIGHT: u8 = 8;
/// Hashes of a whole tile.
pub const WIDTH: usize = 1 << HEIGHT;
/// Levels there can be: the seventh is above more events than a position can count.
pub const LEVELS: u8 = 7;

/// Which tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub level: u8,
    /// Counted within its level, from 0.
    pub number: u64,
}

impl Place {
    /// As it is stored.
    pub fn key(self) -> i64 {
        (u64::from(self.level) << 56 | self.number).cast_signed()
    }

    /// How many hashes it holds in a tree of that size.
    pub fn width(self, size: u64) -> usize {
        let standing = nodes(size, self.level).saturating_sub(self.number << HEIGHT);
        usize::try_from(standing).unwrap_or(WIDTH).min(WIDTH)
    }
}

/// Whole nodes at the bottom of a level.
fn nodes(size: u64, level: u8) -> u64 {
    size.checked_shr(u32::from(HEIGHT) * u32::from(level)).unwrap_or(0)
}

/// The right edge of the tree: of each level the tile that is not whole yet. All that is needed to grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    open: Vec<Vec<Hash>>,
}

impl Edge {
    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Takes in a leaf; tells of each tile that is whole by it.
    pub fn push(&mut self, leaf: Hash, mut whole: impl FnMut(Place, Vec<Hash>)) {
        self.size += 1;
        let mut hash = leaf;
        for level in 0..=LEVELS {
            let at = usize::from(level);
            if self.open.len() == at {
                self.open.push(Vec::with_capacity(WIDTH));
            }
            self.open[at].push(hash);
            if self.open[at].len() < WIDTH {
                return;
            }
            let tile = std::mem::replace(&mut self.open[at], Vec::with_capacity(WIDTH));
            hash = Range::of(&tile).root();
            whole(Place { level, number: nodes(self.size, level + 1) - 1 }, tile);
        }
    }

    /// The root of the whole tree.
    pub fn root(&self) -> Hash {
        let peaks: Vec<_> = self.open.iter().rev().flat_map(|tile| Range::of(tile).peaks().to_vec()).collect();
        root(peaks.into_iter())
    }

    /// The tiles that are not whole, and hold something.
    pub fn open(&self) -> impl Iterator<Item = (Place, &[Hash])> {
        let places = (0..).map(|level| Place { level, number: nodes(self.size, level + 1) });
        places.zip(&self.open).map(|(place, tile)| (place, tile.as_slice())).filter(|(_, tile)| !tile.is_empty())
    }
}

/// A tree that grows by a page of leaves.
pub struct Growth {
    before: u64,
    pub edge: Edge,
    whole: Vec<(Place, Vec<Hash>)>,
}

impl Growth {
    pub fn of(edge: Edge, leaves: impl IntoIterator<Item = Hash>) -> Self {
        let (before, mut edge, mut whole) = (edge.size, edge, Vec::new());
        leaves.into_iter().for_each(|leaf| edge.push(leaf, |place, tile| whole.push((place, tile))));
        Self { before, edge, whole }
    }

    /// What is to be written of it.
    pub fn changes(&self) -> Vec<(Subject, Change)> {
        let whole = self.whole.iter().map(|(place, tile)| (*place, tile.as_slice()));
        let put = |(place, tile): (Place, &[Hash])| {
            let stood = place.width(self.before);
            // The log as a whole is about no one in particular; its settings are the closest to that.
            let change = || tiles::put(place.key(), tile.concat(), stood > 0);
            (stood < tile.len()).then(|| (Subject::Settings(ProjectId::DEFAULT), change()))
        };
        whole.chain(self.edge.open()).filter_map(put).collect()
    }
}

/// The tree that is stored, as it is read.
#[derive(Clone, Copy)]
pub struct Tree<'l> {
    pub log: &'l dyn Log,
}

impl Tree<'_> {
    /// The root over the first so many leaves.
    pub async fn root(self, size: u64) -> Result<Hash, LogFault> {
        self.ask(|nodes| tlog_tiles::tree_hash(size, nodes)).await.map(|hash| hash.0)
    }

    /// The leaf of a position and the hashes that lead from it to the root (RFC 6962, 2.1.1). The position is among the
    /// first `size` ones, and those are in the tree.
    pub async fn inclusion(self, position: Position, size: u64) -> Result<(Hash, Vec<Hash>), LogFault> {
        let index = position.saturating_sub(1);
        let leaf = tlog_tiles::stored_hash_index(0, index);
        let (leaf, proof) = self
            .ask(|nodes| {
                // Both in one go: the leaf stands in the tile that its path begins with.
                let proof = tlog_tiles::prove_record(size, index, nodes);
                let leaf = nodes.read_hashes(&[leaf]);
                Ok((leaf?, proof?))
            })
            .await?;
        Ok((leaf.first().map(|leaf| leaf.0).unwrap_or_default(), proof.into_iter().map(|hash| hash.0).collect()))
    }

    /// The hashes that connect the tree of the first `from` leaves with that of the first `to` (RFC 6962, 2.1.2).
    pub async fn consistency(self, from: u64, to: u64) -> Result<Vec<Hash>, LogFault> {
        let proof = self.ask(|nodes| tlog_tiles::prove_tree(to, from, nodes)).await?;
        Ok(proof.into_iter().map(|hash| hash.0).collect())
    }

    /// What a tile holds now.
    pub async fn tile(self, place: Place, stage: Stage) -> Result<Option<Vec<Hash>>, LogFault> {
        let question = match stage {
            Stage::Live => &tiles::LIVE,
            Stage::Next => &tiles::NEXT,
        };
        let Some(bytes) = ask_one(self.log, question, &[place.key().into()]).await? else { return Ok(None) };
        let (hashes, rest) = bytes.as_chunks::<32>();
        if !rest.is_empty() || hashes.is_empty() || hashes.len() > WIDTH {
            Err(damaged(place))
        } else {
            Ok(Some(hashes.to_vec()))
        }
    }

    /// The right edge of a tree of that size.
    pub async fn edge(self, size: u64, stage: Stage) -> Result<Edge, LogFault> {
        let mut edge = Edge { size, open: Vec::new() };
        for level in (0..=LEVELS).take_while(|level| nodes(size, *level) > 0) {
            let place = Place { level, number: nodes(size, level + 1) };
            let mut tile = Vec::with_capacity(WIDTH);
            if place.width(size) > 0 {
                tile = self.tile(place, stage).await?.ok_or_else(|| damaged(place))?;
                if tile.len() < place.width(size) {
                    return Err(damaged(place));
                }
                tile.truncate(place.width(size));
            }
            edge.open.push(tile);
        }
        Ok(edge)
    }

    /// Asks for something that follows from nodes of the tree. Asked once in vain, it says which: those are fetched.
    async fn ask<T>(self, answer: impl Fn(&Nodes) -> Result<T, Error> + Send) -> Result<T, LogFault> {
        let mut nodes = Nodes::default();
        if let Ok(answer) = answer(&nodes) {
            return Ok(answer);
        }
        nodes.fetch(self).await?;
        answer(&nodes).map_err(|error| LogFault::Bug(format!("a proof can't be made: {error}")))
    }
}

fn damaged(place: Place) -> LogFault {
    let Place { level, number } = place;
    LogFault::Damaged(format!(
        "tile {number} of level {level} is not whole; run `chrysalis verify`, then `chrysalis audit rebuild`"
    ))
}

/// Nodes of the tree by their storage index, and those that are asked for.
#[derive(Default)]
struct Nodes {
    known: HashMap<u64, tlog_tiles::Hash>,
    wanted: RefCell<BTreeSet<u64>>,
}

impl HashReader for Nodes {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, Error> {
        let known: Option<Vec<_>> = indexes.iter().map(|index| self.known.get(index).copied()).collect();
        known.ok_or_else(|| {
            self.wanted.borrow_mut().extend(indexes);
            Error::IndexesNotInTree
        })
    }
}

impl Nodes {
    /// Reads every tile that holds one of them, once, all at the same time.
    async fn fetch(&mut self, tree: Tree<'_>) -> Result<(), LogFault> {
        let place = |index: u64| {
            let tile = Tile::from_index(HEIGHT, index);
            Place { level: tile.level(), number: tile.level_index() }
        };
        let wanted = std::mem::take(self.wanted.get_mut());
        let places: BTreeSet<_> = wanted.iter().map(|index| place(*index)).collect();
        let read = places.into_iter().map(|place| async move {
            let tile = tree.tile(place, Stage::Live).await?.ok_or_else(|| damaged(place))?;
            Ok::<_, LogFault>((place, tile))
        });
        let tiles: HashMap<_, _> = try_join_all(read).await?.into_iter().collect();
        for index in wanted {
            let place = place(index);
            let Some(hashes) = tiles.get(&place) else { return Err(damaged(place)) };
            let width = u32::try_from(hashes.len()).unwrap_or(u32::MAX);
            let tile = Tile::new(HEIGHT, place.level, place.number, width, false);
            let hash = tile.hash_at_index(&hashes.concat(), index).map_err(|_| damaged(place))?;
            self.known.insert(index, hash);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chrysalis_projections::Value;
    use sha2::{Digest, Sha256};

    use super::*;

    fn leaf(n: u64) -> Hash {
        Sha256::digest(n.to_be_bytes()).into()
    }

    /// Grown by pages of whatever length, the edge is that of the whole list, and each tile is written as it comes to be.
    #[test]
    fn it_grows_by_pages_as_by_single_leaves() {
        let (mut edge, mut range, mut stored) = (Edge::default(), Range::new(), BTreeMap::<i64, Vec<u8>>::new());
        let mut next = 0;
        for page in [1, 1, 254, 1, 255, 257, 3, 600, 65_000, 512, 70_000] {
            let leaves: Vec<_> = (next..next + page).map(leaf).collect();
            next += page;
            leaves.iter().for_each(|leaf| range.push(*leaf));
            let growth = Growth::of(edge, leaves);
            for (_, change) in growth.changes() {
                let (tile, hashes, stands) = match change {
                    Change::Insert { values, .. } => (values[0].clone(), values[1].clone(), false),
                    Change::Update { values, .. } => (values[1].clone(), values[0].clone(), true),
                    other => panic!("{other:?}"),
                };
                let (Value::Integer(tile), Value::Bytes(hashes)) = (tile, hashes) else { panic!("a tile") };
                let before = stored.insert(tile, hashes.clone());
                assert_eq!(before.is_some(), stands);
                assert!(before.is_none_or(|before| hashes.starts_with(&before) && hashes.len() > before.len()));
            }
            edge = growth.edge;
            assert_eq!((edge.size(), edge.root()), (next, range.root()));
            for level in 0..3 {
                let hashes: usize =
                    stored.iter().filter(|(key, _)| **key >> 56 == level).map(|(_, tile)| tile.len() / 32).sum();
                assert_eq!(hashes as u64, next >> (8 * level), "level {level} of {next}");
            }
        }
    }
}
