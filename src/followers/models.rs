//! Folds the read models that follow the log, a page at a time: all that stand at the same place together, so that an event
//! is read once however many models there are.
//!
//! A model that is new or whose fold changed is folded from the first event on beside those that are up to date, in turns
//! with them, and joins them when it has caught up. A new generation then takes the place of the old one, which is read
//! until then.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrysalis_projections::Model;
use futures_util::future::join_all;
use tokio::task::JoinHandle;

use super::Lease;
use super::in_turn::InTurn;
use crate::log::follow::{Folded, Generation, Stage, draw_back};
use crate::log::refold::decode;
use crate::log::{LogFault, Position, Store};

/// Events of a page where nobody waits.
const LONG_PAGE: usize = 4_096;
/// How long events may gather before they are folded: one commit for many, and nobody waits for it.
const GATHER: Duration = Duration::from_millis(20);
/// Of those who wait to be stored, as many as one more rest is taken for: see [`rest`].
const SHARED_BY: usize = 16;
/// Most rests after one piece of work: whatever the load, a fifth of the time is for folding.
const RESTS: u32 = 4;
/// How often to look whether somebody began a generation.
const LOOK: Duration = Duration::from_secs(2);
/// How long to leave a fault alone.
const AFTER_FAULT: Duration = Duration::from_secs(1);

/// How long to leave the machine to those who wait for an answer, after having worked for a while: nobody waits for the
/// read models. It is as long again for each [`SHARED_BY`] who wait, so at a load that leaves room nothing is held up, and
/// at one that leaves none the models fall behind, and come up when it is over.
fn rest(worked: Duration, waiting: usize) -> Duration {
    worked * u32::try_from(waiting / SHARED_BY).unwrap_or(RESTS).min(RESTS)
}

/// Folds every model anew beside the live generation and puts it in its place, whether or not somebody follows meanwhile.
pub async fn rebuild(store: Arc<dyn Store>, progress: &mut (dyn FnMut(Position) + Send)) -> Result<(), LogFault> {
    for model in folded(store.as_ref()) {
        draw_back(store.as_ref(), model).await?;
        if !store.begin(model).await? {
            return Err(LogFault::Unavailable(format!("the read model {} was made by a later Chrysalis", model.name)));
        }
    }
    let mut follower = Follower { only: Some(Stage::Next), page: LONG_PAGE, ..Follower::new(store.clone()) };
    loop {
        let head = store.end().await?;
        let more = follower.round(head).await?;
        let Some(hindmost) = follower.standing.iter().map(|standing| standing.generation.position).min() else {
            // Nothing stands any more that has not taken its place.
            follower.look().await?;
            if follower.standing.is_empty() {
                return Ok(());
            }
            continue;
        };
        progress(hindmost);
        if !more {
            tokio::time::sleep(GATHER).await;
        }
    }
}

/// Folds what no server has folded yet, whether or not one does meanwhile.
pub async fn fold_the_rest(store: Arc<dyn Store>) -> Result<(), LogFault> {
    let head = store.end().await?;
    let mut follower = Follower { only: Some(Stage::Live), page: LONG_PAGE, ..Follower::new(store) };
    while follower.round(head).await? {}
    Ok(())
}

/// Done when every model that is read has come as far as the log had when this was asked; `false` when it took too long.
pub async fn caught_up(store: &dyn Store, patience: Duration) -> Result<bool, LogFault> {
    let (head, asked) = (store.end().await?, Instant::now());
    loop {
        let all = store.generations().await?;
        let live = all.iter().filter(|one| one.stage == Stage::Live && one.model.is_folded());
        if live.map(|live| live.position).min().is_none_or(|hindmost| hindmost >= head) {
            return Ok(true);
        }
        if asked.elapsed() >= patience {
            return Ok(false);
        }
        tokio::time::sleep(GATHER / 4).await;
    }
}

/// The models that are made by folding events.
fn folded(store: &dyn Store) -> impl Iterator<Item = &'static Model> {
    store.models().iter().copied().filter(|model| model.is_folded())
}

/// Whether both are the same generations at the same place.
fn same(some: &[Generation], others: &[Generation]) -> bool {
    let alike = |(one, other): (&Generation, &Generation)| one.is(other) && one.position == other.position;
    some.len() == others.len() && some.iter().zip(others).all(alike)
}

/// Where the generations stand that this program folds, as far as it knows.
pub struct Follower {
    store: Arc<dyn Store>,
    only: Option<Stage>,
    page: usize,
    standing: Vec<Standing>,
    looked: Option<Instant>,
    /// The page that comes after the one that was written last, if there is one.
    ahead: Option<Ahead>,
}

/// A page on its way: it is read and folded while the one before it is written.
struct Ahead {
    /// Whose, as they will stand once the page before it is written.
    due: Vec<Generation>,
    page: JoinHandle<Result<Vec<Folded>, LogFault>>,
}

#[derive(Clone, Copy)]
struct Standing {
    generation: Generation,
    /// One that can't be written is left alone for a while, and the others go on.
    rests_until: Option<Instant>,
}

impl InTurn for Follower {
    const NAME: &'static str = "models";
    const AFTER_FAULT: Duration = AFTER_FAULT;
    const STANDS_STILL: &'static str =
        "the read models that follow the log stand still; they go on when the fault is gone";

    async fn turn(&mut self, lease: &mut Lease, head: Position) -> Result<Duration, LogFault> {
        let begun = Instant::now();
        let more = self.round(head).await?;
        self.tell(lease, head);
        if more {
            tokio::time::sleep(rest(begun.elapsed(), self.store.queued())).await;
            return Ok(Duration::ZERO);
        }
        Ok(LOOK.min(lease.third()))
    }

    fn woken_after(&self) -> Option<Duration> {
        Some(GATHER)
    }

    fn stands_aside(&mut self, lease: &Lease) {
        folded(self.store.as_ref()).for_each(|model| lease.turn.metrics.waiting(model.name, None));
        // What is known may be old: look again first.
        self.looked = None;
    }
}

impl Follower {
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { page: store.page(), store, only: None, standing: Vec::new(), looked: None, ahead: None }
    }

    /// Folds one page for those in front and one for the hindmost; answers whether there is more to do at once.
    pub async fn round(&mut self, head: Position) -> Result<bool, LogFault> {
        if self.looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
            self.look().await?;
        }
        let places = || self.awake().map(|generation| generation.position);
        let (Some(front), Some(hindmost)) = (places().max(), places().min()) else { return Ok(false) };
        if front < head {
            self.advance(front, head).await?;
        }
        if hindmost < front {
            self.advance(hindmost, front).await?;
        }
        self.flip(head).await?;
        Ok(self.looked.is_none() || self.awake().any(|generation| generation.position < head))
    }

    /// Finds out where everything stands; begins anew what another version of a fold made.
    async fn look(&mut self) -> Result<(), LogFault> {
        let mut all = self.store.generations().await?;
        if self.only.is_none() {
            let old =
                |model: &&Model| all.iter().all(|one| one.model.name != model.name || one.version < model.version);
            let old: Vec<_> = folded(self.store.as_ref()).filter(old).collect();
            for model in &old {
                tracing::info!(model = model.name, version = model.version, "a read model is folded anew");
                self.store.begin(model).await?;
            }
            if !old.is_empty() {
                all = self.store.generations().await?;
            }
        }
        let ours = all.into_iter().filter(|one| one.is_ours() && one.model.is_folded());
        let ours = ours.filter(|one| self.only.is_none_or(|stage| stage == one.stage));
        let rests = |one: &Generation| self.standing.iter().find(|known| known.generation.is(one))?.rests_until;
        self.standing = ours.map(|one| Standing { generation: one, rests_until: rests(&one) }).collect();
        self.looked = Some(Instant::now());
        Ok(())
    }

    fn awake(&self) -> impl Iterator<Item = Generation> {
        let now = Instant::now();
        let awake = move |standing: &&Standing| standing.rests_until.is_none_or(|until| until <= now);
        self.standing.iter().filter(awake).map(|standing| standing.generation)
    }

    /// Folds the next page for all that stand at a place.
    async fn advance(&mut self, from: Position, upto: Position) -> Result<(), LogFault> {
        let due: Vec<_> = self.awake().filter(|generation| generation.position == from).collect();
        let page = match self.ahead.take() {
            Some(ahead) if same(&ahead.due, &due) => ahead.page,
            _ => self.fetch(due.clone(), upto),
        };
        let folded = page.await.map_err(|error| LogFault::Bug(format!("a fold broke off: {error}")))??;
        let Some(to) = folded.first().map(|folded| folded.to) else { return Ok(()) };
        if to < upto {
            let due: Vec<_> = due.into_iter().map(|one| Generation { position: to, ..one }).collect();
            self.ahead = Some(Ahead { page: self.fetch(due.clone(), upto), due });
        }
        let generations: Vec<_> = folded.iter().map(|folded| folded.generation).collect();
        let written = join_all(folded.into_iter().map(|folded| self.store.fold(folded))).await;
        for (generation, written) in generations.into_iter().zip(written) {
            let Some(standing) = self.standing.iter_mut().find(|known| known.generation.is(&generation)) else {
                continue;
            };
            match written {
                Ok(true) => (standing.generation.position, standing.rests_until) = (to, None),
                // Somebody else has the turn, or had it just now.
                Ok(false) => self.looked = None,
                Err(fault) => {
                    tracing::warn!(%fault, model = generation.model.name, "a read model stands still; it is tried again");
                    standing.rests_until = Some(Instant::now() + AFTER_FAULT);
                    // What was written nobody knows.
                    self.looked = None;
                }
            }
        }
        Ok(())
    }

    /// Reads the page behind where these stand, and folds it away from the threads that answer requests. Nothing at the end.
    fn fetch(&self, due: Vec<Generation>, upto: Position) -> JoinHandle<Result<Vec<Folded>, LogFault>> {
        let (store, events) = (self.store.clone(), self.page);
        tokio::spawn(async move {
            let Some(from) = due.first().map(|one| one.position) else { return Ok(Vec::new()) };
            let mut page = store.read_all(from, events).await?;
            page.retain(|event| event.position <= upto);
            let Some(to) = page.last().map(|last| last.position) else { return Ok(Vec::new()) };
            let folded = tokio::task::spawn_blocking(move || {
                let page = decode(page)?;
                Ok(due.into_iter().map(|one| Folded::from(one, &page, to)).collect())
            });
            folded.await.map_err(|error| LogFault::Bug(format!("a fold broke off: {error}")))?
        })
    }

    /// Puts generations that have caught up in their place.
    async fn flip(&mut self, head: Position) -> Result<(), LogFault> {
        let ready: Vec<_> = self.awake().filter(|one| one.stage == Stage::Next && one.position >= head).collect();
        for next in ready {
            let model = next.model;
            if self.store.flip(next).await? {
                tracing::info!(model = model.name, version = model.version, "a read model was folded anew, and stands");
                self.looked = None;
            }
        }
        Ok(())
    }

    /// How many events each model that is read is behind.
    fn tell(&self, lease: &Lease, head: Position) {
        for live in self.standing.iter().map(|standing| standing.generation).filter(|one| one.stage == Stage::Live) {
            lease.turn.metrics.waiting(live.model.name, Some(head.saturating_sub(live.position)));
        }
    }
}
