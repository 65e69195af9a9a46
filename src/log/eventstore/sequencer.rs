//! Brings batches into the log and the read store, one behind the other, and sees to what nodes leave undone.
//!
//! It is a saga of three steps, whose note is the staged batch: what it claims is reserved ([`super::reservations`]); the append,
//! which is where it happens; and the rows. Whoever stops leaves the note, and any node goes on by it. After the append, as soon
//! as `$all` shows that ([`super::follower`]), for whoever reads waits for the rows. Before the append, once the batch has had twice
//! its time, and within a minute in any case; or at once, where somebody wants a name that it reserved: it is appended as it was
//! judged, where nothing came between. Where something did, it is taken back by the batch that did. What it reserved is released
//! either way ([`super::releases`]).

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, watch};

use super::apart::{self, Unfit};
use super::follower::Shown;
use super::ledger::{Ledger, Offered};
use super::line::{Line, is_denied, late};
use super::releases::{Keeper, Releases, releases};
use super::reservations::{self, Held, Name};
use super::staged::{self, Batch, InHand};
use super::{Appended, Group, LogFault, Options, Position, Refused, Replica};
use crate::log::copy::UNFINISHED;
use crate::log::replica::Act;

/// How often a batch is judged anew because another node's came first.
const ATTEMPTS: usize = 16;
/// Between two looks at the stream while nobody writes here and nothing is followed.
const LOOK: Duration = Duration::from_secs(1);
/// A batch that does not come to stand is nobody's any more after this time, or after twice what a batch may take.
const LEFT: Duration = Duration::from_secs(20);
/// Looks in a row after which it is told that nothing is followed.
const UNFOLLOWED: u32 = 5;
/// What `$all` showed is stored by then, unless whoever appended it stopped.
const MOMENT: Duration = Duration::from_millis(250);

pub(super) type Verdicts = Vec<Result<Appended, Refused>>;

pub(super) struct Sequencer {
    ledger: Ledger,
    replica: Arc<dyn Replica>,
    turn: Arc<Mutex<()>>,
    releases: Releases,
    /// What a batch may take, with all its calls.
    patience: Duration,
    /// After which time another node's is left undone.
    leave: Duration,
    /// The read store has all that stands in the log, as far as this node knows.
    certain: bool,
    /// The last batch was not allowed: that it can be read does not say that it is over.
    denied: bool,
    /// What `$all` shows, and how often it was looked at because of doubts.
    shown: watch::Receiver<Shown>,
    doubts: u64,
    /// When the stream was looked at last.
    looked: tokio::time::Instant,
    /// How often in a row the stream was looked at because nothing is followed.
    unfollowed: u32,
    /// A batch that was staged and does not come to stand, by its first event, and when it was seen first.
    left: Option<(String, Instant)>,
}

impl Sequencer {
    /// What is to be released goes `aside`.
    pub(super) fn new(
        options: &Options,
        replica: Arc<dyn Replica>,
        aside: Arc<Line>,
        turn: Arc<Mutex<()>>,
        shown: watch::Receiver<Shown>,
    ) -> Result<(Self, Keeper), LogFault> {
        let ledger = Ledger::new(options)?;
        let (patience, leave) = (options.commit_timeout, LEFT.min(2 * options.commit_timeout));
        let (releases, keeper) = releases(aside, replica.clone(), leave);
        let (left, unfollowed, looked) = (None, 0, tokio::time::Instant::now());
        let sequencer = Self {
            ledger,
            replica,
            turn,
            releases,
            patience,
            leave,
            certain: false,
            denied: false,
            shown,
            doubts: 0,
            looked,
            unfollowed,
            left,
        };
        Ok((sequencer, keeper))
    }

    pub(super) async fn settle(&mut self, groups: &Arc<Vec<Group>>) -> Result<Verdicts, LogFault> {
        let turn = self.turn.clone();
        let _turn = turn.lock().await;
        if !self.certain {
            self.recover().await.map_err(Unfit::fault)?;
        }
        let mut held = Vec::new();
        let settled = self.attempt(groups, &mut held).await;
        self.denied = settled.as_ref().is_err_and(is_denied);
        // Where it broke off it may yet come to stand: then they are swept.
        if settled.is_ok() {
            self.releases.release(held);
        }
        settled
    }

    async fn attempt(&mut self, groups: &Arc<Vec<Group>>, held: &mut Vec<Held>) -> Result<Verdicts, LogFault> {
        for _ in 0..ATTEMPTS {
            let verdicts = self.replica.rehearse(groups.clone()).await?;
            let Some(batch) = Batch::of(groups, &verdicts) else { return Ok(verdicts) };
            // Whoever breaks off from here on leaves it unknown.
            self.certain = false;
            let names = reservations::names(self.replica.as_ref(), self.ledger.stream(), &batch.act.groups).await?;
            batch.stage(self.replica.as_ref(), &names, self.releases.noting(&names)).await?;
            if !names.is_empty() {
                self.reserve(&names, batch.act.after, held).await?;
            }
            if self.offer(batch).await? == Offered::Stand {
                return Ok(verdicts);
            }
        }
        // Sixteen batches of others in a row were faster.
        Err(LogFault::Unavailable("the log is under a storm of other nodes".to_owned()))
    }

    /// Reserves what a batch claims. Where another that is in hand was faster, that one is brought to stand, or found to be unable
    /// to: then it has nothing reserved any more.
    async fn reserve(&mut self, names: &[Name], after: Position, held: &mut Vec<Held>) -> Result<(), LogFault> {
        let (line, replica) = (self.ledger.line(), self.replica.clone());
        let mut passed = HashSet::new();
        loop {
            // What an earlier attempt reserved stands where it stood, or was released meanwhile.
            held.retain(|before| !names.contains(&before.name));
            let Some(theirs) = reservations::reserve(&line, replica.as_ref(), (names, after), &passed, held).await?
            else {
                return Ok(());
            };
            passed.insert(theirs.batch.clone());
            // Its place was this batch's, too: that is found out when this one is offered.
            if self.bring(theirs).await? {
                return Ok(());
            }
        }
    }

    /// Offers what another node staged, as it was judged. `false` where it would be judged otherwise by now.
    async fn bring(&mut self, theirs: InHand) -> Result<bool, LogFault> {
        let verdicts = self.replica.rehearse(theirs.act.groups.clone()).await?;
        let Some(batch) = Batch::again(theirs.act, &verdicts) else { return Ok(false) };
        self.certain = false;
        self.offer(batch).await?;
        Ok(true)
    }

    /// Offers what is staged to the log, and stores it once it stands there.
    async fn offer(&mut self, batch: Batch) -> Result<Offered, LogFault> {
        let offered = self.ledger.append(batch.act.after, &batch.events).await?;
        match offered {
            Offered::Stand => {
                // Another node may have found it there, and stored it.
                let followed = followed(*self.shown.borrow(), &batch.act);
                self.replica.perform(Act { followed, ..batch.act }).await?;
                self.certain = true;
            }
            Offered::Taken => {
                batch.unstage(self.replica.as_ref()).await?;
                self.recover().await.map_err(Unfit::fault)?;
            }
        }
        Ok(offered)
    }

    /// Sees to what others leave undone while this node does not write. Ends where that can't be done.
    pub(super) async fn watch(&mut self) -> Unfit {
        loop {
            // What others write goes by without an end: it must not put this off.
            let pause = if self.shown.borrow().follows { self.leave } else { LOOK };
            let next = self.looked + pause;
            let looked = tokio::select! {
                Ok(()) = self.shown.changed() => self.follow().await,
                () = tokio::time::sleep_until(next) => {
                    let looked = self.look().await;
                    if looked.is_ok() {
                        self.tell_unfollowed();
                    }
                    looked
                }
            };
            if let Err(unfit) = looked {
                return unfit;
            }
        }
    }

    /// What was shown is stored, or is stored now.
    async fn follow(&mut self) -> Result<(), Unfit> {
        tokio::time::sleep(MOMENT).await;
        let shown = *self.shown.borrow_and_update();
        if shown.doubts == self.doubts && self.replica.end().await? >= shown.position {
            return Ok(());
        }
        self.look().await
    }

    async fn look(&mut self) -> Result<(), Unfit> {
        self.looked = tokio::time::Instant::now();
        let doubts = self.shown.borrow().doubts;
        self.recovered().await?;
        self.doubts = doubts;
        tokio::time::timeout(self.patience, self.finish()).await.unwrap_or_else(|_| Err(late()))?;
        Ok(())
    }

    /// That the stream can be read, and `$all` is not followed, is for whoever runs it to know, once.
    fn tell_unfollowed(&mut self) {
        let Shown { follows, denied, .. } = *self.shown.borrow();
        self.unfollowed = if follows { 0 } else { self.unfollowed.saturating_add(1) };
        if self.unfollowed == UNFOLLOWED {
            let why = if denied { "this user may not read it" } else { "no subscription comes about, or none lasts" };
            tracing::warn!(
                why,
                "$all of EventStoreDB is not followed: the log's stream is looked at once a second instead"
            );
        }
    }

    /// Offers what a node had staged when it stopped: as it was judged, for nothing came between. What would be judged otherwise by
    /// now (a quota, an epoch that is over) binds nobody, and goes with the next batch.
    async fn finish(&mut self) -> Result<(), LogFault> {
        let turn = self.turn.clone();
        let _turn = turn.lock().await;
        let replica = self.replica.clone();
        let Some(InHand { batch, act }) = staged::waiting(replica.as_ref(), replica.end().await?).await? else {
            self.left = None;
            return Ok(());
        };
        match &self.left {
            Some((left, since)) if *left == batch && since.elapsed() >= self.leave => {}
            Some((left, _)) if *left == batch => return Ok(()),
            _ => {
                self.left = Some((batch, Instant::now()));
                return Ok(());
            }
        }
        if self.bring(InHand { batch, act }).await? {
            tracing::info!("what another node had in hand when it stopped was offered to the log");
        }
        Ok(())
    }

    pub(super) async fn recovered(&mut self) -> Result<(), Unfit> {
        tokio::time::timeout(self.patience, self.recover()).await.unwrap_or_else(|_| Err(silent().into()))
    }

    async fn recover(&mut self) -> Result<(), Unfit> {
        recover(&self.ledger, self.replica.as_ref(), *self.shown.borrow()).await?;
        if self.denied {
            self.ledger.lets_append(self.replica.end().await?).await?;
            self.denied = false;
        }
        self.certain = true;
        Ok(())
    }
}

fn silent() -> LogFault {
    LogFault::Unavailable("EventStoreDB does not answer; Chrysalis looks for it again and again".to_owned())
}

/// Up to where the log is followed once a batch is stored, where that is known: what was shown is stored before.
fn followed(shown: Shown, act: &Act) -> Option<u64> {
    shown.place.filter(|_| shown.position <= act.after)
}

/// Stores what stands in the log and the read store lacks: a batch that somebody broke off in.
///
/// # Errors
/// [`Unfit::Apart`] where both don't belong together.
pub(super) async fn recover(ledger: &Ledger, replica: &dyn Replica, shown: Shown) -> Result<(), Unfit> {
    loop {
        let end = replica.end().await?;
        let Some(first) = ledger.id_behind(end).await.map_err(apart::unread)? else {
            return apart::agree(ledger, replica, end).await;
        };
        match staged::find(replica, first).await? {
            // Whoever is faster: it is stored once.
            Some(act) if act.after == end => {
                let followed = followed(shown, &act);
                replica.perform(Act { followed, ..act }).await?;
            }
            _ if replica.end().await? != end => {}
            // What stands there is a copy's that is under way, or was broken off: it is for that to take.
            _ if replica.checkpoint(UNFINISHED).await? != 0 => return Ok(()),
            _ => {
                // Somebody else's event says so itself.
                ledger.page(end, 1).await.map_err(apart::unread)?;
                return Err(Unfit::Apart(apart::unoffered(ledger, end)));
            }
        }
    }
}
