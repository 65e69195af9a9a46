//! `tiles`: the Merkle tree over the log, as C2SP tlog-tiles cuts it: a tile holds up to 256 hashes that stand side by side, of
//! leaves or of every eighth height above them. The last one of each level grows; the others never change.
//!
//! Like every read model it is a function of the log, but of its bytes, not of what events mean: so no fold makes it.
//! Whoever keeps it is `src/followers/proof.rs`; what it proves is in `src/proof`.

use crate::model::{Fold, Model};
use crate::table::{Change, Question, Table, Value, bytes, integer};

pub static MODEL: Model =
    Model { name: "tiles", version: 1, tables: &[&TILES], views: &[], fold: Fold::Plain(|_, _| {}) };

pub static TILES: Table = Table {
    name: "tiles",
    key: &["tile"],
    // The level in the highest byte, the number within the level below it.
    columns: &[integer("tile"), bytes("hashes")],
    indexes: &[],
    shared: false,
    clustered: false,
};

/// `?1` = a tile.
pub static LIVE: Question<Vec<u8>> =
    Question { sql: "SELECT t.hashes FROM tiles t WHERE t.tile = ?1", read: |row| row.bytes(0).map(<[u8]>::to_vec) };

/// The same, in what is being built beside them.
pub static NEXT: Question<Vec<u8>> = Question {
    sql: "SELECT t.hashes FROM tiles_next t WHERE t.tile = ?1",
    read: |row| row.bytes(0).map(<[u8]>::to_vec),
};

/// A tile with what it holds now. `stands`: it is there already, with less in it.
pub fn put(tile: i64, hashes: Vec<u8>, stands: bool) -> Change {
    let (tile, hashes) = (Value::Integer(tile), Value::Bytes(hashes));
    if stands {
        Change::Update { table: &TILES, set: &["hashes"], by: "tile", values: vec![hashes, tile] }
    } else {
        Change::Insert { table: &TILES, values: vec![tile, hashes] }
    }
}
