//! A few threads of the lowest priority behind a bounded queue, each with a piece of working memory of its own.
//!
//! Promises: at most `queue` jobs wait; a job whose asker has gone away gives up its place and is never run; a thread keeps
//! its memory from job to job while there is work and returns it to the operating system after [`KEEP_MEMORY`] of rest;
//! dropping the pool ends its threads after the job at hand.

use std::collections::VecDeque;
use std::io;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use argon2::Block;
use tokio::sync::oneshot;

use crate::priority::{Behind, step_back};

/// How long an idle thread holds on to its memory. Fresh pages cost a tenth of a hash, so a burst of sign-ins reuses them.
const KEEP_MEMORY: Duration = Duration::from_secs(1);

/// Capacity in blocks of 1 KiB to reserve at least, though only what a hash needs is ever touched. An allocation above
/// 32 MiB is always a mapping of its own, which leaves the process when freed. Below that, glibc raises its threshold at the
/// first `free` and keeps all later blocks in its arenas (mallopt(3), M_MMAP_THRESHOLD).
const OWN_MAPPING: usize = 33 * 1024;

pub(super) struct Pool(Arc<Shared>);

/// Nobody will answer: the queue is full, or the pool is going away.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Full,
    Stopped,
}

struct Shared {
    queue: Mutex<Queue>,
    work_or_end: Condvar,
    capacity: usize,
    threads_with_memory: AtomicUsize,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Box<dyn Job>>,
    stopping: bool,
}

trait Job: Send {
    fn is_abandoned(&self) -> bool;
    fn run(self: Box<Self>, memory: &mut Vec<Block>);
}

struct Task<F, T> {
    work: F,
    reply: oneshot::Sender<T>,
}

impl<F: FnOnce(&mut Vec<Block>) -> T + Send, T: Send> Job for Task<F, T> {
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn run(self: Box<Self>, memory: &mut Vec<Block>) {
        // An asker that left meanwhile doesn't care.
        let _ = self.reply.send((self.work)(memory));
    }
}

impl Pool {
    pub(super) fn start(threads: NonZeroUsize, capacity: NonZeroUsize) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            work_or_end: Condvar::new(),
            capacity: capacity.get(),
            threads_with_memory: AtomicUsize::new(0),
        });
        // Made first: if a thread can't be had, dropping the pool ends those before it.
        let pool = Self(shared);
        for number in 0..threads.get() {
            let shared = Arc::clone(&pool.0);
            std::thread::Builder::new().name(format!("hasher-{number}")).spawn(move || {
                step_back(Behind::Everybody);
                shared.work();
            })?;
        }
        Ok(pool)
    }

    /// Queues `work` and waits for its result. Dropping the future withdraws the job unless it has begun.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Vec<Block>) -> T + Send + 'static,
    ) -> Result<T, Refused> {
        let (reply, result) = oneshot::channel();
        self.0.push(Box::new(Task { work, reply }))?;
        result.await.map_err(|_| Refused::Stopped)
    }

    /// Jobs that wait and are still wanted.
    pub(super) fn depth(&self) -> usize {
        self.0.lock().jobs.iter().filter(|job| !job.is_abandoned()).count()
    }

    /// Threads that hold working memory at the moment.
    pub(super) fn threads_with_memory(&self) -> usize {
        self.0.threads_with_memory.load(Ordering::Relaxed)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        queue.stopping = true;
        queue.jobs.clear();
        self.0.work_or_end.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No code of ours panics while it holds the lock; were it so, the queue would still be a queue.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, job: Box<dyn Job>) -> Result<(), Refused> {
        let mut queue = self.lock();
        if queue.jobs.len() >= self.capacity {
            queue.jobs.retain(|job| !job.is_abandoned());
        }
        if queue.jobs.len() >= self.capacity {
            return Err(Refused::Full);
        }
        queue.jobs.push_back(job);
        drop(queue);
        self.work_or_end.notify_one();
        Ok(())
    }

    /// The life of one thread.
    fn work(&self) {
        let mut memory = Vec::new();
        loop {
            let patience = (memory.capacity() > 0).then_some(KEEP_MEMORY);
            match self.next(patience) {
                Next::Job(job) if job.is_abandoned() => {}
                Next::Job(job) => {
                    if memory.capacity() == 0 {
                        memory.reserve_exact(OWN_MAPPING);
                        self.threads_with_memory.fetch_add(1, Ordering::Relaxed);
                    }
                    // A panic costs its own asker an answer, never the pool a thread.
                    let _ = catch_unwind(AssertUnwindSafe(|| job.run(&mut memory)));
                }
                Next::Idle => {
                    memory = Vec::new();
                    self.threads_with_memory.fetch_sub(1, Ordering::Relaxed);
                }
                Next::End => return,
            }
        }
    }

    fn next(&self, patience: Option<Duration>) -> Next {
        let mut queue = self.lock();
        loop {
            if queue.stopping {
                return Next::End;
            }
            if let Some(job) = queue.jobs.pop_front() {
                return Next::Job(job);
            }
            queue = match patience {
                None => self.work_or_end.wait(queue).unwrap_or_else(PoisonError::into_inner),
                Some(patience) => {
                    let (queue, waited) =
                        self.work_or_end.wait_timeout(queue, patience).unwrap_or_else(PoisonError::into_inner);
                    if waited.timed_out() && queue.jobs.is_empty() && !queue.stopping {
                        return Next::Idle;
                    }
                    queue
                }
            };
        }
    }
}

enum Next {
    Job(Box<dyn Job>),
    Idle,
    End,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn number(n: usize) -> NonZeroUsize {
        NonZeroUsize::new(n).unwrap()
    }

    async fn until(holds: impl Fn() -> bool) {
        let begun = Instant::now();
        while !holds() {
            assert!(begun.elapsed() < Duration::from_secs(20), "waited in vain");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Keeps the only thread of a pool busy until the returned sender is dropped.
    async fn occupy(pool: &Arc<Pool>) -> std::sync::mpsc::Sender<()> {
        let (release, held) = std::sync::mpsc::channel::<()>();
        let (begun, running) = oneshot::channel();
        let pool = Arc::clone(pool);
        tokio::spawn(async move {
            pool.run(move |_| {
                let _ = begun.send(());
                let _ = held.recv();
            })
            .await
        });
        running.await.unwrap();
        release
    }

    #[tokio::test]
    async fn a_full_queue_refuses_and_a_dropped_future_frees_its_place() {
        let pool = Arc::new(Pool::start(number(1), number(1)).unwrap());
        let release = occupy(&pool).await;
        let waiting = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move { pool.run(|_| "never run").await }
        });
        until(|| pool.depth() == 1).await;
        assert_eq!(pool.run(|_| ()).await, Err(Refused::Full));

        waiting.abort();
        assert!(waiting.await.unwrap_err().is_cancelled());
        assert_eq!(pool.depth(), 0);
        let heir = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move { pool.run(|_| "ran").await }
        });
        until(|| pool.depth() == 1).await;
        drop(release);
        assert_eq!(heir.await.unwrap(), Ok("ran"));
    }

    #[tokio::test]
    async fn memory_is_kept_between_jobs_and_returned_at_rest() {
        let pool = Pool::start(number(1), number(4)).unwrap();
        assert_eq!(pool.threads_with_memory(), 0);
        let place = |memory: &mut Vec<Block>| {
            memory.resize(64, Block::new());
            memory.as_ptr() as usize
        };
        let first = pool.run(place).await;
        assert_eq!(pool.run(place).await, first);
        assert_eq!(pool.threads_with_memory(), 1);
        until(|| pool.threads_with_memory() == 0).await;
        assert_eq!(pool.run(|memory| memory.len()).await, Ok(0));
    }

    #[tokio::test]
    async fn a_panic_costs_one_answer_and_no_thread() {
        let pool = Pool::start(number(1), number(4)).unwrap();
        assert_eq!(pool.run(|_| panic!("a test's own")).await, Err::<(), _>(Refused::Stopped));
        assert_eq!(pool.run(|_| 7).await, Ok(7));
    }

    #[tokio::test]
    async fn threads_end_with_the_pool() {
        let pool = Pool::start(number(3), number(4)).unwrap();
        let shared = Arc::downgrade(&pool.0);
        drop(pool);
        until(|| shared.strong_count() == 0).await;
    }
}
