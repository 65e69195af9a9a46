//! Whether the store can be written to, for whoever asks: nobody needs credentials for that, and finding out is work for the
//! store. So it is asked once in a second at the most, however many ask here, and whether or not they wait for the answer.

use std::sync::{Arc, Mutex, PoisonError};

use chrysalis_domain::{Span, Timestamp};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use crate::clock::Clock;
use crate::log::{Log, LogFault};

/// From one question to the next.
const HOLDS: Span = Span::from_secs(1);

type Answer = Result<(), LogFault>;

pub struct Readiness {
    clock: Arc<dyn Clock>,
    ask: Box<dyn Fn() -> BoxFuture<'static, Answer> + Send + Sync>,
    /// When the store was last asked, and what it says.
    asked: Mutex<Option<(Timestamp, Shared<BoxFuture<'static, Answer>>)>>,
}

impl Readiness {
    pub fn of(log: Arc<dyn Log>, clock: Arc<dyn Clock>) -> Self {
        Self::by(clock, move || {
            let log = log.clone();
            async move { log.ready().await }.boxed()
        })
    }

    fn by(clock: Arc<dyn Clock>, ask: impl Fn() -> BoxFuture<'static, Answer> + Send + Sync + 'static) -> Self {
        Self { clock, ask: Box::new(ask), asked: Mutex::default() }
    }

    pub async fn look(&self) -> Answer {
        self.answer().await
    }

    /// That of the last second, whether or not it is there yet.
    fn answer(&self) -> Shared<BoxFuture<'static, Answer>> {
        let now = self.clock.steady();
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        match &*asked {
            Some((at, answer)) if now < *at + HOLDS => answer.clone(),
            _ => {
                // On its own: a question that nobody waits for any more is not left in the middle, with what it holds.
                let asking = tokio::spawn((self.ask)());
                let broke = |error: tokio::task::JoinError| Err(LogFault::Bug(error.to_string()));
                let answer = asking.map(move |done| done.unwrap_or_else(broke)).boxed().shared();
                *asked = Some((now, answer.clone()));
                answer
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::MockClock;
    use tokio::sync::watch;

    /// A store that says what it is told to say, and who counts how often it is asked.
    struct Bench {
        clock: MockClock,
        says: watch::Sender<Option<Answer>>,
        asked: watch::Receiver<usize>,
        readiness: Readiness,
    }

    fn bench() -> Bench {
        let clock = MockClock::at(Timestamp::from_millis(0));
        let (says, hears) = watch::channel(None);
        let (count, asked) = watch::channel(0);
        let readiness = Readiness::by(Arc::new(clock.clone()), move || {
            count.send_modify(|count| *count += 1);
            let mut hears = hears.clone();
            async move { hears.wait_for(Option::is_some).await.unwrap().clone().unwrap() }.boxed()
        });
        Bench { clock, says, asked, readiness }
    }

    fn away() -> Option<Answer> {
        Some(Err(LogFault::Unavailable("away".to_owned())))
    }

    #[tokio::test]
    async fn who_asks_at_once_or_within_a_second_is_answered_by_one_question() {
        let Bench { clock, says, asked, readiness } = bench();
        let (one, other) = (readiness.look(), readiness.look());
        let told = async { says.send_replace(Some(Ok(()))) };
        let (one, other, _) = tokio::join!(one, other, told);
        assert!(one.is_ok() && other.is_ok());
        clock.advance(Span::from_millis(999));
        assert!(readiness.look().await.is_ok());
        assert_eq!(*asked.borrow(), 1);
    }

    #[tokio::test]
    async fn an_outage_and_its_end_are_seen_after_a_second() {
        let Bench { clock, says, asked, readiness } = bench();
        for (round, (said, is_ready)) in
            [(Some(Ok(())), true), (away(), false), (Some(Ok(())), true)].into_iter().enumerate()
        {
            says.send_replace(said);
            for _ in 0..3 {
                assert_eq!(readiness.look().await.is_ok(), is_ready, "{round}");
            }
            assert_eq!(*asked.borrow(), round + 1);
            clock.advance(Span::from_secs(1));
        }
    }

    #[tokio::test]
    async fn who_hangs_up_neither_asks_once_more_nor_breaks_a_question_off() {
        let Bench { clock, says, asked, readiness } = bench();
        for _ in 0..10 {
            assert!(readiness.look().now_or_never().is_none(), "it is not answered yet");
        }
        assert_eq!(*asked.borrow(), 1);
        says.send_replace(away());
        assert!(readiness.look().await.is_err(), "the question went on");
        clock.advance(Span::from_secs(1));
        assert!(readiness.look().await.is_err());
        assert_eq!(*asked.borrow(), 2);
    }
}
