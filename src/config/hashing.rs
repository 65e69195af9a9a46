//! What a password costs to hash, and on how many threads.

use std::num::NonZeroUsize;

use super::reader::Reader;
use crate::hasher::{HashParams, Hasher};

#[derive(Clone, Debug)]
pub struct Hashing {
    pub params: HashParams,
    pub threads: NonZeroUsize,
    pub queue: NonZeroUsize,
}

pub(super) fn read(r: &mut Reader) -> Option<Hashing> {
    let (min, max) = (HashParams::MINIMUM, HashParams::MAXIMUM);
    let memory = r.number("hashing.memory_kib", min.memory_kib()..=max.memory_kib());
    let iterations = r.number("hashing.iterations", min.iterations()..=max.iterations());
    let parallelism = r.number("hashing.parallelism", min.parallelism()..=max.parallelism());
    let threads = r.number("hashing.threads", 0..=1024);
    let queue = r.number("hashing.queue", 1..=100_000);
    match HashParams::new(memory, iterations, parallelism) {
        Ok(params) => Some(Hashing {
            params,
            threads: NonZeroUsize::new(threads).unwrap_or_else(Hasher::cores),
            queue: NonZeroUsize::new(queue).unwrap_or(NonZeroUsize::MIN),
        }),
        Err(error) => {
            r.mistake("hashing", error.to_string(), "see hashing in docs/configuration.md");
            None
        }
    }
}
