//! Password hashing: argon2id (RFC 9106) on threads of its own.
//!
//! A hash takes tens of milliseconds and 19 MiB, so it never runs where requests are answered. The pool is bounded: when
//! its queue is full the caller hears [`HashError::Busy`] at once and nothing piles up. Every hash records the cost and the
//! pepper it was made with; one made with others still verifies and says that it is due for renewal.

mod phc;
mod pool;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use argon2::Block;
use chrysalis_domain::{Password, Span};
use thiserror::Error;
use zeroize::Zeroizing;

use phc::Recipe;
pub use phc::{BadHashParams, BadPepper, HashParams, PasswordHash, Pepper, Peppers};
use pool::{Pool, Refused};

/// Processor time of one hash at the default cost, roughly; only the advice to come back later rests on it.
const ONE_HASH: Span = Span::from_millis(25);

/// The one place where passwords are hashed and compared.
pub struct Hasher {
    pool: Pool,
    recipe: Arc<Recipe>,
    hashes: Arc<AtomicU64>,
    retry_after: Span,
}

/// What a comparison found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Match,
    /// The password is right, but the hash was made at another cost or with another pepper: hash it again and store that.
    MatchButOutdated,
    Mismatch,
}

impl Verdict {
    pub fn is_match(self) -> bool {
        !matches!(self, Verdict::Mismatch)
    }
}

/// Why there is no answer. Only [`HashError::Busy`] is the caller's to handle; the others are faults.
#[derive(Debug, Error)]
pub enum HashError {
    #[error("the password hashing queue is full")]
    Busy { retry_after: Span },
    #[error("password hashing has stopped")]
    Stopped,
    #[error("a stored password hash is malformed")]
    Malformed,
    #[error("a stored password hash needs the pepper {0:?}, which is not configured")]
    UnknownPepper(String),
    #[error("argon2: {0}")]
    Argon2(argon2::Error),
    #[error("the hashing threads could not be started: {0}")]
    Start(std::io::Error),
}

impl Hasher {
    /// Starts `threads` threads behind a queue of `queue` waiting passwords. Each thread needs the memory of one hash while
    /// it works, so `threads` = [`Hasher::cores`] is as fast as more and cheaper.
    ///
    /// # Errors
    /// [`HashError::Start`] when the operating system refuses a thread.
    pub fn start(
        params: HashParams,
        peppers: Peppers,
        threads: NonZeroUsize,
        queue: NonZeroUsize,
    ) -> Result<Self, HashError> {
        let drain = queue.get() / threads.get() + 1;
        Ok(Self {
            recipe: Arc::new(Recipe::new(params, peppers)?),
            pool: Pool::start(threads, queue).map_err(HashError::Start)?,
            hashes: Arc::default(),
            retry_after: Span::from_millis(ONE_HASH.as_millis().saturating_mul(drain as i64).max(1000)),
        })
    }

    /// The number of processors this process may use.
    pub fn cores() -> NonZeroUsize {
        std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
    }

    /// Hashes a new password. `salt` must be fresh and random.
    ///
    /// # Errors
    /// [`HashError::Busy`] when the queue is full; otherwise a fault.
    pub async fn hash(&self, password: Password, salt: [u8; 16]) -> Result<PasswordHash, HashError> {
        self.run(password, move |recipe, password, memory| recipe.hash(password, &salt, memory)).await
    }

    /// Compares a password with a stored hash, in constant time once the hash is made.
    ///
    /// # Errors
    /// [`HashError::Busy`] when the queue is full; otherwise a fault.
    pub async fn verify(&self, password: Password, stored: PasswordHash) -> Result<Verdict, HashError> {
        self.run(password, move |recipe, password, memory| recipe.verify(password, &stored, memory)).await
    }

    /// Does the work of [`Hasher::verify`] where there is no hash to compare with, so that an unknown account costs the
    /// time of a known one. Always [`Verdict::Mismatch`].
    ///
    /// # Errors
    /// [`HashError::Busy`] when the queue is full; otherwise a fault.
    pub async fn verify_nobody(&self, password: Password) -> Result<Verdict, HashError> {
        self.hash(password, [0; 16]).await.map(|_| Verdict::Mismatch)
    }

    /// Passwords that wait for a thread.
    pub fn queue_depth(&self) -> usize {
        self.pool.depth()
    }

    /// Argon2 runs since the start.
    pub fn hashes_total(&self) -> u64 {
        self.hashes.load(Ordering::Relaxed)
    }

    /// Threads that hold the memory of a hash at the moment; 0 about a second after the last one.
    pub fn threads_with_memory(&self) -> usize {
        self.pool.threads_with_memory()
    }

    async fn run<T: Send + 'static>(
        &self,
        password: Password,
        work: impl FnOnce(&Recipe, &[u8], &mut Vec<Block>) -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, HashError> {
        let password = Zeroizing::new(password.into_exposed());
        let (recipe, hashes) = (Arc::clone(&self.recipe), Arc::clone(&self.hashes));
        let outcome = self.pool.run(move |memory| {
            hashes.fetch_add(1, Ordering::Relaxed);
            work(&recipe, password.as_bytes(), memory)
        });
        match outcome.await {
            Ok(result) => result,
            Err(Refused::Full) => Err(HashError::Busy { retry_after: self.retry_after }),
            Err(Refused::Stopped) => Err(HashError::Stopped),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrysalis_domain::PasswordPolicy;

    fn password(raw: &str) -> Password {
        Password::for_verification(raw, &PasswordPolicy::default()).unwrap()
    }

    fn pepper(id: &str) -> Pepper {
        Pepper::new(id, Zeroizing::new(id.as_bytes().repeat(16))).unwrap()
    }

    fn hasher(params: HashParams, peppers: Peppers) -> Hasher {
        Hasher::start(params, peppers, NonZeroUsize::MIN, NonZeroUsize::new(8).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_password_verifies_and_another_does_not() {
        let hasher = hasher(HashParams::default(), Peppers::default());
        let stored = hasher.hash(password("correct horse"), [7; 16]).await.unwrap();
        assert!(stored.as_phc().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", stored.as_phc());
        assert_eq!(hasher.verify(password("correct horse"), stored.clone()).await.unwrap(), Verdict::Match);
        assert_eq!(hasher.verify(password("correct house"), stored.clone()).await.unwrap(), Verdict::Mismatch);
        assert_eq!(hasher.verify_nobody(password("correct horse")).await.unwrap(), Verdict::Mismatch);
        assert_eq!(hasher.hashes_total(), 4, "nobody costs as much as somebody");
        assert_eq!(format!("{stored:?}"), "PasswordHash(redacted)");
        assert_ne!(stored, hasher.hash(password("correct horse"), [8; 16]).await.unwrap());
    }

    #[tokio::test]
    async fn a_hash_of_another_implementation_verifies() {
        let hasher = hasher(HashParams::default(), Peppers::default());
        // From the test suite of the reference implementation (P-H-C/phc-winner-argon2, src/test.c).
        let stored = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let stored = PasswordHash::from_stored(stored.into());
        assert_eq!(hasher.verify(password("password"), stored).await.unwrap(), Verdict::MatchButOutdated);
    }

    #[tokio::test]
    async fn a_change_of_cost_is_noticed_on_the_next_right_password() {
        let stored = hasher(HashParams::default(), Peppers::default()).hash(password("before"), [1; 16]).await.unwrap();
        let dearer = hasher(HashParams::new(19_456, 3, 1).unwrap(), Peppers::default());
        assert_eq!(dearer.verify(password("before"), stored.clone()).await.unwrap(), Verdict::MatchButOutdated);
        assert_eq!(dearer.verify(password("guess"), stored).await.unwrap(), Verdict::Mismatch);
    }

    #[tokio::test]
    async fn peppers_rotate_without_orphaning_a_hash() {
        let cost = HashParams::default();
        let plain = hasher(cost, Peppers::default()).hash(password("secret"), [1; 16]).await.unwrap();
        let first =
            hasher(cost, Peppers::new(Some(pepper("2025")), [])).hash(password("secret"), [1; 16]).await.unwrap();
        assert!(first.as_phc().contains(",keyid="));
        let rotated = hasher(cost, Peppers::new(Some(pepper("2026")), [pepper("2025")]));
        for old in [plain.clone(), first.clone()] {
            assert_eq!(rotated.verify(password("secret"), old).await.unwrap(), Verdict::MatchButOutdated);
        }
        let renewed = rotated.hash(password("secret"), [2; 16]).await.unwrap();
        assert_eq!(rotated.verify(password("secret"), renewed).await.unwrap(), Verdict::Match);

        let forgetful = hasher(cost, Peppers::default());
        assert!(
            matches!(forgetful.verify(password("secret"), first.clone()).await, Err(HashError::UnknownPepper(id)) if id == "2025")
        );
        // The pepper matters: take its name off the hash and the right password no longer fits.
        let (head, tail) = first.as_phc().split_once(",keyid=").unwrap();
        let stripped = PasswordHash::from_stored(format!("{head}${}", tail.split_once('$').unwrap().1));
        assert_eq!(forgetful.verify(password("secret"), stripped).await.unwrap(), Verdict::Mismatch);
    }

    #[tokio::test]
    async fn what_is_no_hash_is_a_fault_and_no_mismatch() {
        let hasher = hasher(HashParams::default(), Peppers::default());
        for broken in ["", "plaintext", "$argon2i$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$c29tZWhhc2hzb21laGFzaA"] {
            let outcome = hasher.verify(password("x"), PasswordHash::from_stored(broken.into())).await;
            assert!(matches!(outcome, Err(HashError::Malformed)), "{broken}: {outcome:?}");
        }
    }

    #[tokio::test]
    async fn a_crowd_is_told_to_come_back() {
        let hasher = hasher(HashParams::default(), Peppers::default());
        let crowd = (0..32).map(|_| hasher.verify_nobody(password("x")));
        let outcomes = join_all(crowd).await;
        let busy = outcomes.iter().filter(|outcome| matches!(outcome, Err(HashError::Busy { .. }))).count();
        let served = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert!(busy > 0 && served >= 8 && busy + served == 32, "{busy} busy, {served} served");
        for outcome in outcomes {
            if let Err(HashError::Busy { retry_after }) = outcome {
                assert!(retry_after >= Span::from_secs(1) && retry_after <= Span::from_secs(60));
            }
        }
    }

    /// Polls all futures before it waits for any.
    async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
        let mut pending: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
        std::future::poll_fn(|context| {
            for (future, output) in pending.iter_mut().filter(|(_, output)| output.is_none()) {
                if let std::task::Poll::Ready(value) = future.as_mut().poll(context) {
                    *output = Some(value);
                }
            }
            if pending.iter().all(|(_, output)| output.is_some()) {
                return std::task::Poll::Ready(());
            }
            std::task::Poll::Pending
        })
        .await;
        pending.into_iter().filter_map(|(_, output)| output).collect()
    }

    #[test]
    fn weak_costs_and_peppers_are_refused() {
        for (memory, iterations, parallelism) in [(19_455, 2, 1), (19_456, 1, 1), (19_456, 2, 0), (1 << 21, 2, 1)] {
            assert_eq!(HashParams::new(memory, iterations, parallelism), Err(BadHashParams));
        }
        for (id, length) in [("", 32), ("ninebytes", 32), ("short", 15)] {
            assert!(Pepper::new(id, Zeroizing::new(vec![1; length])).is_err());
        }
    }
}
