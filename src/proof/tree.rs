//! The tree that RFC 6962 (section 2.1) puts over a list of leaves, and what of it is enough to go on: the roots of its whole
//! subtrees, at most one of each height.

use sha2::{Digest, Sha256};

/// A leaf or a node.
pub type Hash = [u8; 32];

/// An inner node. No leaf can be taken for one: leaves begin with 0x00 (see [`Recorded::leaf`](crate::log::Recorded::leaf)).
pub fn node(left: &Hash, right: &Hash) -> Hash {
    let mut hash = Sha256::new_with_prefix([0x01]);
    hash.update(left);
    hash.update(right);
    hash.finalize().into()
}

/// The tree over all leaves so far, as little of it as its root follows from. Grows by a leaf at a time, in constant memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Range {
    size: u64,
    /// Roots of the whole subtrees, from left to right: one for each bit of the size that is set.
    peaks: Vec<Hash>,
}

impl Range {
    pub fn new() -> Self {
        Self::default()
    }

    /// Of some leaves, or of nodes of one height that stand in their place.
    pub fn of<'l>(leaves: impl IntoIterator<Item = &'l Hash>) -> Self {
        let mut range = Self::new();
        leaves.into_iter().for_each(|leaf| range.push(*leaf));
        range
    }

    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        // Each subtree that is whole by this leaf takes in its neighbour to the left.
        for _ in 0..self.size.trailing_ones() {
            let Some(left) = self.peaks.pop() else { break };
            hash = node(&left, &hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// How many leaves it is over.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The hash that stands for all of it.
    pub fn root(&self) -> Hash {
        root(self.peaks.iter().copied())
    }

    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }
}

/// What the roots of whole subtrees come to, from left to right, ever smaller ones.
pub fn root(peaks: impl DoubleEndedIterator<Item = Hash>) -> Hash {
    peaks.rev().reduce(|right, left| node(&left, &right)).unwrap_or_else(|| Sha256::digest(b"").into())
}

#[cfg(test)]
mod tests {
    use ct_merkle::mem_backed_tree::MemoryBackedTree;

    use super::*;
    use crate::proof::tests::{hex, unhex};

    /// The leaves of the test vectors of Certificate Transparency (RFC 6962's reference implementation,
    /// `merkle_tree_test`), and the root over the first one, two, three … of them.
    const LEAVES: [&str; 8] =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    const ROOTS: [&str; 8] = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    fn leaf(data: &[u8]) -> Hash {
        Sha256::new_with_prefix([0x00]).chain_update(data).finalize().into()
    }

    #[test]
    fn the_published_vectors_come_out() {
        let mut range = Range::new();
        assert_eq!(hex(&range.root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        for (data, root) in LEAVES.into_iter().zip(ROOTS) {
            range.push(leaf(&unhex(data)));
            assert_eq!(hex(&range.root()), root, "over {} leaves", range.size());
        }
    }

    #[test]
    fn a_second_implementation_agrees_at_every_size() {
        let (mut range, mut theirs) = (Range::new(), MemoryBackedTree::<Sha256, Vec<u8>>::new());
        for size in 1..=700_u64 {
            let data = size.to_be_bytes().to_vec();
            range.push(leaf(&data));
            theirs.push(data);
            assert_eq!((range.size(), range.root().as_slice()), (size, theirs.root().as_bytes().as_slice()));
            assert_eq!(range.peaks().len(), size.count_ones() as usize);
        }
    }
}
