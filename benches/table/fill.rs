//! Stores with many guests, made through the use case itself: a row of theirs is a row of a real guest's.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use chrysalis::admission::Admission;
use chrysalis::app::create_guest::Origin;
use chrysalis::app::identify::Identity;
use chrysalis::app::{App, Caller};
use chrysalis::clock::{Clock, SystemClock};
use chrysalis::config::{Config, Overrides};
use chrysalis::entropy::{self, OsEntropy};
use chrysalis::hasher::{Hasher, Peppers};
use chrysalis::keys::Purpose;
use chrysalis::limits::{ClientAddress, Limits, LimitsConfig, Seed};
use chrysalis::open::{Opened, open};
use chrysalis::outgoing::{Outgoing, PROVIDERS};
use chrysalis::serve::Ports;
use chrysalis::settings::Latest;
use chrysalis::social::Maker;
use chrysalis::webhooks::PACE;
use chrysalis::wire::cookie::CookieKind;
use chrysalis::wire::signed::{Signer, SigningKey};
use chrysalis_domain::id::RequestId;
use chrysalis_domain::value::Carrier;
use chrysalis_domain::{Span, Timestamp};
use tokio::task::JoinSet;

use crate::Result;

/// A store, with the cookies of some of its guests.
#[derive(Clone)]
pub struct Store {
    pub data: PathBuf,
    pub guests: usize,
    pub cookies: PathBuf,
    /// Keys of the configuration that say where it is kept, if that is not in the data folder.
    pub keys: Vec<(&'static str, String)>,
}

impl Store {
    pub fn cookies(&self) -> Result<Vec<String>> {
        Ok(std::fs::read_to_string(&self.cookies)?.lines().map(str::to_owned).collect())
    }
}

/// The stores that the parts share, each made when it is first asked for.
pub struct Stores {
    folder: PathBuf,
    large: usize,
}

/// Guests in the small store.
const SMALL: usize = 10_000;
/// Cookies kept of the large store.
const COOKIES: usize = 100_000;

impl Stores {
    pub fn new(folder: &Path, large: usize) -> Self {
        Self { folder: folder.to_owned(), large }
    }

    pub fn small(&self) -> Result<Store> {
        self.filled(SMALL)
    }

    pub fn large(&self) -> Result<Store> {
        self.filled(self.large)
    }

    /// Guests in the large store.
    pub fn many(&self) -> usize {
        self.large
    }

    /// A store without guests, made anew.
    pub fn empty(&self, name: &str) -> Result<Store> {
        let data = self.folder.join(name);
        let _ = std::fs::remove_dir_all(&data);
        std::fs::create_dir_all(&data)?;
        Ok(Store { cookies: data.join("cookies"), data, guests: 0, keys: Vec::new() })
    }

    /// A store with so many guests.
    pub fn filled(&self, guests: usize) -> Result<Store> {
        let data = self.folder.join(format!("{guests}-guests"));
        let store = Store { cookies: data.join("cookies"), data, guests, keys: Vec::new() };
        if !store.cookies.exists() {
            fill(&store)?;
        }
        Ok(store)
    }
}

/// Guests that arrive at the same time.
const AT_ONCE: usize = 256;

pub fn fill(store: &Store) -> Result<()> {
    fill_past(store, Span::ZERO)
}

/// With guests who came so long ago.
pub fn fill_past(store: &Store, ago: Span) -> Result<()> {
    std::fs::create_dir_all(&store.data)?;
    let begun = Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let cookies = runtime.block_on(async {
        let (app, signer) = app(store, ago).await?;
        let (app, signer, arrived) = (Arc::new(app), Arc::new(signer), Arc::new(AtomicUsize::new(0)));
        let every = store.guests.div_ceil(COOKIES);
        let (guests, mut tasks) = (store.guests, JoinSet::new());
        for _ in 0..AT_ONCE {
            let (app, signer, arrived) = (app.clone(), signer.clone(), arrived.clone());
            tasks.spawn(async move {
                let mut cookies = Vec::new();
                loop {
                    let number = arrived.fetch_add(1, Ordering::Relaxed);
                    if number >= guests {
                        return Ok::<_, Box<dyn std::error::Error + Send + Sync>>(cookies);
                    }
                    let token = arrive(&app, number % every == 0).await?;
                    cookies.extend(token.map(|token| cookie(&app, &signer, &token)));
                }
            });
        }
        let mut cookies = Vec::new();
        while let Some(ended) = tasks.join_next().await {
            cookies.append(&mut ended??);
        }
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(cookies)
    })?;
    let mut file = std::io::BufWriter::new(std::fs::File::create(&store.cookies)?);
    cookies.iter().try_for_each(|cookie| writeln!(file, "{cookie}"))?;
    file.flush()?;
    let rate = store.guests as f64 / begun.elapsed().as_secs_f64();
    println!("a store of {} guests, made through the use case at {rate:.0}/s", store.guests);
    Ok(())
}

/// One guest; a visited one has looked at the session by cookie once, so that the next look finds nothing to record.
async fn arrive(app: &App, visited: bool) -> Result<Option<String>> {
    let at = app.clock.now();
    let caller = Caller {
        locale: chrysalis_domain::value::Locale::ENGLISH,
        request: RequestId::from_ulid(entropy::ulid(app.entropy.as_ref(), at)),
        at,
        address: ClientAddress::Known([127, 0, 0, 1].into()),
        user_agent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned(),
        settings: app.settings(),
    };
    let token = app.create_guest(&caller, Origin::default(), None, None).await?.token;
    if !visited {
        return Ok(None);
    }
    match app.identify(&caller, &token, Carrier::Cookie).await? {
        Identity::Live(mut presented) => {
            let _ = app.touch(&mut presented, &caller, true).await;
        }
        other => return Err(format!("a guest was not found again: {other:?}").into()),
    }
    Ok(Some(token))
}

fn cookie(app: &App, signer: &Signer, token: &str) -> String {
    let set = app.config.cookies.set(CookieKind::SessionToken, token, None, signer);
    let set = String::from_utf8_lossy(set.as_bytes());
    set.split(';').next().unwrap_or_default().to_owned()
}

/// A clock that is so far behind.
struct Past(Span);

impl Clock for Past {
    fn now(&self) -> Timestamp {
        SystemClock.now() - self.0
    }
}

/// The configuration of a server on a data folder, limits off.
fn config(data: &Path, keys: &[(&str, String)]) -> Result<Config> {
    let values = [("data_dir", data.display().to_string()), ("rate_limits", "off".to_owned())];
    let values = values.into_iter().chain(keys.iter().cloned());
    let values = values.map(|(key, value)| (key.to_owned(), value)).collect();
    Ok(Config::from(&Overrides { file: None, values }, &Default::default())?)
}

pub fn ports() -> Ports {
    Ports { clock: Arc::new(SystemClock), entropy: Arc::new(OsEntropy) }
}

/// A store, opened beside whatever server runs on it.
pub async fn opened(store: &Store) -> Result<Arc<dyn chrysalis::log::Store>> {
    Ok(open(&config(&store.data, &store.keys)?, &ports(), Arc::new(())).await?.store)
}

async fn app(store: &Store, ago: Span) -> Result<(App, Signer)> {
    let (config, ports) = (config(&store.data, &store.keys)?, Ports { clock: Arc::new(Past(ago)), ..ports() });
    let opened = open(&config, &ports, Arc::new(())).await?;
    on(config, &ports, &opened).await
}

/// With what it is kept in, for whoever follows it.
pub async fn searched(store: &Store) -> Result<(App, Opened)> {
    let (config, ports) = (config(&store.data, &store.keys)?, ports());
    let opened = open(&config, &ports, Arc::new(())).await?;
    Ok((on(config, &ports, &opened).await?.0, opened))
}

async fn on(config: Config, ports: &Ports, opened: &Opened) -> Result<(App, Signer)> {
    let (log, store, keyring) = (opened.store.clone(), opened.store.clone(), opened.keyring.clone());
    let key = keyring.current(Purpose::Cookie).ok_or("no cookie key")?;
    let signer = Signer::new(SigningKey::new(&*key.secret)?, Vec::new());
    let hashing = &config.hashing;
    let hasher = Hasher::start(hashing.params, Peppers::default(), hashing.threads, hashing.queue)?;
    let limits =
        Limits::new(&LimitsConfig { enabled: false, ..LimitsConfig::default() }, Seed::new(entropy::bytes(&OsEntropy)));
    let outgoing = Outgoing::new(&config.outgoing, PROVIDERS)?;
    let (clock, entropy) = (ports.clock.clone(), ports.entropy.clone());
    let maker = Maker { base: config.public.to_string(), outgoing, clock: clock.clone() };
    let settings = Arc::new(Latest::open(log.clone(), keyring.clone(), &config, maker).await?);
    let (hasher, limits, config) = (Arc::new(hasher), Arc::new(limits), Arc::new(config));
    let admission = Arc::new(Admission::new(&config.challenge, &config.outgoing)?);
    let webhook_calls = Outgoing::new(&[], PACE)?;
    let unrecorded = Arc::default();
    let app = App {
        log,
        store,
        clock,
        entropy,
        keyring,
        hasher,
        limits,
        admission,
        config,
        settings,
        webhook_calls,
        unrecorded,
        begun: Arc::default(),
    };
    Ok((app, signer))
}
