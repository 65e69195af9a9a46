//! Names that are resolved, as the machine's own settings have it.
//!
//! The system's resolver keeps a thread for as long as name servers take to say nothing, and can't be told that nobody waits
//! any more. So it has threads of its own, so many and no more, and looks a name up once at a time, however many ask: a
//! name that does not resolve holds up those who call it, and nothing else of this server.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::{Semaphore, watch};

/// Names that are looked up at a time: twice as many as there may be webhook endpoints.
const AT_A_TIME: usize = 64;

type Resolve = fn(&str) -> io::Result<Vec<SocketAddr>>;
/// What was found; a failure as its text.
type Found = Result<Arc<[SocketAddr]>, Arc<str>>;

pub(super) struct Names {
    resolve: Resolve,
    places: Arc<Semaphore>,
    under_way: Arc<Mutex<HashMap<String, watch::Receiver<Option<Found>>>>>,
}

impl Names {
    pub(super) fn new() -> Self {
        Self::with(|name| Ok((name, 0).to_socket_addrs()?.collect()))
    }

    fn with(resolve: Resolve) -> Self {
        Self { resolve, places: Arc::new(Semaphore::new(AT_A_TIME)), under_way: Arc::default() }
    }

    /// The addresses behind a name. Waits as long as the resolver does: whoever asks has a limit.
    pub(super) async fn look_up(&self, name: &str) -> io::Result<Vec<SocketAddr>> {
        let mut told = self.look(name);
        let broken = || io::Error::other("the look-up broke off");
        let told = told.wait_for(Option::is_some).await.map_err(|_| broken())?;
        match told.as_ref() {
            Some(Ok(found)) => Ok(found.to_vec()),
            Some(Err(why)) => Err(io::Error::other(why.as_ref())),
            None => Err(broken()),
        }
    }

    fn look(&self, name: &str) -> watch::Receiver<Option<Found>> {
        let mut under_way = lock(&self.under_way);
        if let Some(told) = under_way.get(name) {
            return told.clone();
        }
        let (tell, told) = watch::channel(None);
        under_way.insert(name.to_owned(), told.clone());
        let (resolve, places, under_way) = (self.resolve, self.places.clone(), self.under_way.clone());
        let name = name.to_owned();
        // Not the task of whoever asked: that may go away, and others wait.
        tokio::spawn(async move {
            let Ok(place) = places.acquire_owned().await else { return };
            let looked = thread::Builder::new().name("look-up".to_owned()).spawn({
                let (name, under_way) = (name.clone(), under_way.clone());
                move || {
                    let found = resolve(&name).map(Into::into).map_err(|error| error.to_string().into());
                    // Whoever asks from now on has it looked up anew.
                    lock(&under_way).remove(&name);
                    drop(place);
                    tell.send_replace(Some(found));
                }
            });
            if looked.is_err() {
                lock(&under_way).remove(&name);
            }
        });
        told
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    static ASKED: AtomicUsize = AtomicUsize::new(0);

    fn resolve(name: &str) -> io::Result<Vec<SocketAddr>> {
        if name == "nowhere.example" {
            ASKED.fetch_add(1, Ordering::SeqCst);
            loop {
                thread::park();
            }
        }
        Ok(vec![SocketAddr::from(([192, 0, 2, 1], 0))])
    }

    #[tokio::test]
    async fn a_name_that_never_resolves_takes_one_thread_and_stands_in_nobodys_way() {
        let names = Arc::new(Names::with(resolve));
        let asking: Vec<_> = (0..10 * AT_A_TIME)
            .map(|_| {
                let names = names.clone();
                tokio::spawn(async move { names.look_up("nowhere.example").await })
            })
            .collect();
        for _ in 0..3 {
            assert_eq!(names.look_up("somewhere.example").await.unwrap().len(), 1);
        }
        while ASKED.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(asking.iter().all(|one| !one.is_finished()));
        assert_eq!(ASKED.load(Ordering::SeqCst), 1);
        asking.into_iter().for_each(|one| one.abort());
    }

    #[tokio::test]
    async fn names_of_this_machine_resolve() {
        assert!(!Names::new().look_up("localhost").await.unwrap().is_empty());
    }
}
