//! What is stored of a password, and what went into it.

use std::collections::BTreeMap;
use std::fmt;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Block, KeyId, Params, ParamsBuilder, Version};
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

use super::{HashError, Verdict};

const OUTPUT_BYTES: usize = 32;

/// Cost of one hash (RFC 9106, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashParams {
    memory_kib: u32,
    iterations: u32,
    parallelism: u32,
}

impl HashParams {
    /// The floor as well as the default: 19 MiB, two passes, one lane (OWASP password storage cheat sheet).
    pub const MINIMUM: HashParams = HashParams { memory_kib: 19_456, iterations: 2, parallelism: 1 };
    /// 1 GiB and 16 passes are beyond any sensible sign-in; more is a slip of the pen that would stall the pool.
    pub const MAXIMUM: HashParams = HashParams { memory_kib: 1 << 20, iterations: 16, parallelism: 16 };

    pub const fn memory_kib(&self) -> u32 {
        self.memory_kib
    }

    pub const fn iterations(&self) -> u32 {
        self.iterations
    }

    pub const fn parallelism(&self) -> u32 {
        self.parallelism
    }

    /// # Errors
    /// [`BadHashParams`] when a value lies below [`Self::MINIMUM`] or above [`Self::MAXIMUM`].
    pub fn new(memory_kib: u32, iterations: u32, parallelism: u32) -> Result<Self, BadHashParams> {
        let within = |value, min, max| (min..=max).contains(&value);
        let (min, max) = (Self::MINIMUM, Self::MAXIMUM);
        let accepted = within(memory_kib, min.memory_kib, max.memory_kib)
            && within(iterations, min.iterations, max.iterations)
            && within(parallelism, min.parallelism, max.parallelism);
        accepted.then_some(Self { memory_kib, iterations, parallelism }).ok_or(BadHashParams)
    }
}

impl Default for HashParams {
    fn default() -> Self {
        Self::MINIMUM
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("password hashing needs 19456 to 1048576 KiB of memory, 2 to 16 iterations and a parallelism of 1 to 16")]
pub struct BadHashParams;

/// A secret that goes into every hash and is kept outside the database, so that a stolen table alone cannot be guessed
/// at (argon2's parameter K). The id is stored with each hash, the secret never.
pub struct Pepper {
    id: KeyId,
    secret: Zeroizing<Vec<u8>>,
}

impl Pepper {
    /// `id` has 1 to 8 bytes; `secret` at least 16, 32 recommended.
    ///
    /// # Errors
    /// [`BadPepper`] when one of the two has another length.
    pub fn new(id: &str, secret: Zeroizing<Vec<u8>>) -> Result<Self, BadPepper> {
        let key_id = KeyId::new(id.as_bytes()).map_err(|_| BadPepper)?;
        if key_id.is_empty() || secret.len() < 16 {
            return Err(BadPepper);
        }
        Ok(Self { id: key_id, secret })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a pepper needs an id of 1 to 8 bytes and a secret of at least 16 bytes")]
pub struct BadPepper;

/// The pepper of new hashes and those that older hashes still need.
#[derive(Default)]
pub struct Peppers {
    current: KeyId,
    secrets: BTreeMap<KeyId, Zeroizing<Vec<u8>>>,
}

impl Peppers {
    /// Without a current pepper new hashes have none; hashes made under `previous` ones keep verifying.
    pub fn new(current: Option<Pepper>, previous: impl IntoIterator<Item = Pepper>) -> Self {
        let id = current.as_ref().map_or(KeyId::EMPTY, |pepper| pepper.id);
        // Current last: should one id be given twice, it wins.
        let secrets = previous.into_iter().chain(current).map(|pepper| (pepper.id, pepper.secret)).collect();
        Self { current: id, secrets }
    }

    fn secret(&self, id: &KeyId) -> Result<&[u8], HashError> {
        if id.is_empty() {
            return Ok(&[]);
        }
        let known = self.secrets.get(id).map(|secret| secret.as_slice());
        known.ok_or_else(|| HashError::UnknownPepper(String::from_utf8_lossy(id.as_bytes()).into_owned()))
    }
}

/// A stored hash: a PHC string that names its algorithm, parameters, pepper and salt.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Reads a hash back from storage. Whether it is well-formed shows when it is verified.
    pub fn from_stored(phc: String) -> Self {
        Self(phc)
    }

    /// The PHC string, for storage (sealed) alone.
    pub fn as_phc(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(redacted)")
    }
}

/// How new hashes are made: the current cost and the peppers.
pub(super) struct Recipe {
    params: Params,
    peppers: Peppers,
}

impl Recipe {
    pub(super) fn new(cost: HashParams, peppers: Peppers) -> Result<Self, HashError> {
        let mut builder = ParamsBuilder::new();
        builder.m_cost(cost.memory_kib).t_cost(cost.iterations).p_cost(cost.parallelism).output_len(OUTPUT_BYTES);
        if !peppers.current.is_empty() {
            builder.keyid(peppers.current);
        }
        Ok(Self { params: builder.build().map_err(HashError::Argon2)?, peppers })
    }

    pub(super) fn hash(
        &self,
        password: &[u8],
        salt: &[u8; 16],
        memory: &mut Vec<Block>,
    ) -> Result<PasswordHash, HashError> {
        let output = self.derive(&self.params, password, salt, memory)?;
        let phc = phc::PasswordHash {
            algorithm: argon2::ARGON2ID_IDENT,
            version: Some(Version::V0x13.into()),
            params: (&self.params).try_into().map_err(|_| HashError::Malformed)?,
            salt: Some(phc::Salt::new(salt).map_err(|_| HashError::Malformed)?),
            hash: Some(phc::Output::new(&output).map_err(|_| HashError::Malformed)?),
        };
        Ok(PasswordHash(phc.to_string()))
    }

    pub(super) fn verify(
        &self,
        password: &[u8],
        stored: &PasswordHash,
        memory: &mut Vec<Block>,
    ) -> Result<Verdict, HashError> {
        let stored = phc::PasswordHash::new(&stored.0).map_err(|_| HashError::Malformed)?;
        let params = Params::try_from(&stored).map_err(|_| HashError::Malformed)?;
        let (Some(salt), Some(expected)) = (stored.salt, stored.hash) else { return Err(HashError::Malformed) };
        let this_algorithm =
            stored.algorithm == argon2::ARGON2ID_IDENT && stored.version == Some(Version::V0x13.into());
        let max = HashParams::MAXIMUM;
        let affordable = params.m_cost() <= max.memory_kib && params.t_cost() <= max.iterations;
        if !this_algorithm || !affordable {
            return Err(HashError::Malformed);
        }
        let output = self.derive(&params, password, &salt, memory)?;
        let same: bool = output.as_slice().ct_eq(expected.as_bytes()).into();
        Ok(match (same, params == self.params) {
            (true, true) => Verdict::Match,
            (true, false) => Verdict::MatchButOutdated,
            (false, _) => Verdict::Mismatch,
        })
    }

    /// One run of argon2id in `memory`, which grows as needed and keeps its pages for the next run.
    fn derive(
        &self,
        params: &Params,
        password: &[u8],
        salt: &[u8],
        memory: &mut Vec<Block>,
    ) -> Result<Zeroizing<Vec<u8>>, HashError> {
        let id = KeyId::new(params.keyid()).map_err(HashError::Argon2)?;
        let secret = self.peppers.secret(&id)?;
        let argon2 = Argon2::new_with_secret(secret, Algorithm::Argon2id, Version::V0x13, params.clone());
        if memory.len() < params.block_count() {
            memory.resize(params.block_count(), Block::new());
        }
        let mut output = Zeroizing::new(vec![0; params.output_len().unwrap_or(OUTPUT_BYTES)]);
        argon2
            .and_then(|argon2| argon2.hash_password_into_with_memory(password, salt, &mut output, memory))
            .map_err(HashError::Argon2)?;
        Ok(output)
    }
}
