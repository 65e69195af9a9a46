//! Members found by a part of their name, among many: a page as an administrator asks for it, of what few have, of what many
//! have, and of what nobody has; and how fast the table that they are found in is built anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chrysalis::app::acting::Acting;
use chrysalis::app::admin::NewUser;
use chrysalis::app::admin::list_users::{ListUsers, Total};
use chrysalis::app::api_keys::{ApiKeys, NewApiKey};
use chrysalis::app::authority::Authority;
use chrysalis::app::{App, Caller};
use chrysalis::entropy;
use chrysalis::followers::models;
use chrysalis::followers::search::{Indexer, rebuild};
use chrysalis::limits::ClientAddress;
use chrysalis_domain::id::RequestId;
use chrysalis_domain::value::Locale;
use chrysalis_projections::listing::{Condition, Field, From, Order};
use chrysalis_projections::search::{Fit, Sought, TextField};
use tokio::task::JoinSet;

use crate::fill::{self, Store};
use crate::report::short;
use crate::{Bench, Result};

/// Members that are made at the same time.
const AT_ONCE: usize = 256;
/// Pages of each kind.
const PAGES: usize = 200;
const FIRST: [&str; 16] = [
    "Ada", "Ben", "Chloe", "David", "Emma", "Farid", "Grace", "Hiro", "Ines", "Jane", "Karim", "Lena", "Maria", "Noah",
    "Olga", "Priya",
];

pub fn measure(bench: &mut Bench, members: usize) -> Result<()> {
    let data = bench.folder.join(format!("{members}-members"));
    let store = Store { cookies: data.join("cookies"), data, guests: members, keys: Vec::new() };
    std::fs::create_dir_all(&store.data)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let (app, opened) = fill::searched(&store).await?;
        let app = Arc::new(app);
        if !store.cookies.exists() {
            fill(&app, members).await?;
            std::fs::write(&store.cookies, "")?;
        }
        models::fold_the_rest(opened.store.clone()).await?;
        let begun = Instant::now();
        let (clock, entropy) = (app.clock.clone(), app.entropy.clone());
        rebuild(Indexer::new(opened.store.clone(), opened.keyring.clone(), clock, entropy, true)).await?;
        let rate = members as f64 / begun.elapsed().as_secs_f64();
        bench.report.note("search: the table of names, built anew", format!("{} members/s", short(rate)));
        let rare = format!("Jane{:06}", members / 2);
        for (what, condition, by) in [
            ("what one has", sought(&rare[2..]), Field::CreatedAt),
            ("what a thousandth have", sought("000 "), Field::CreatedAt),
            ("what many have", sought("jane"), Field::CreatedAt),
            ("what all have, by name", sought("example"), Field::Text(TextField::Name)),
            ("what nobody has", sought("xyzzy"), Field::CreatedAt),
            ("nothing, by name", None, Field::Text(TextField::Name)),
        ] {
            let (mut took, mut total) = (Vec::with_capacity(PAGES), Total::Exactly(0));
            for _ in 0..PAGES {
                let asked = ListUsers {
                    addresses: None,
                    conditions: condition.iter().cloned().collect(),
                    order: Order { by, ascending: by != Field::CreatedAt },
                    from: From::Offset(0),
                    limit: 100,
                };
                let begun = Instant::now();
                total = app.list_users(asked, app.clock.now()).await?.total;
                took.push(begun.elapsed());
            }
            took.sort();
            let (median, p99) = (millis(took[PAGES / 2]), millis(took[PAGES * 99 / 100]));
            let what = format!("search: a page of 100 of {} members, {what}", short(members as f64));
            bench.report.at_most(
                &what,
                format!("median {median:.1} ms, p99 {p99:.1} ms ({total:?})"),
                p99,
                20.0,
                " ms",
            );
        }
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
    })
}

fn millis(took: Duration) -> f64 {
    took.as_secs_f64() * 1_000.0
}

fn sought(text: &str) -> Option<Condition> {
    let field = if text == "example" { TextField::Email } else { TextField::Name };
    Sought::new(field, Fit::Anywhere, text).map(|sought| Condition::Text(sought, true))
}

async fn fill(app: &Arc<App>, members: usize) -> Result<()> {
    let begun = Instant::now();
    let keys =
        ApiKeys::of_operator(Acting::operator(app.log.as_ref(), &app.keyring, app.entropy.as_ref(), app.clock.now()));
    let new =
        NewApiKey { name: "bench".to_owned(), metadata: None, permissions: None, organization: None, expires_at: None };
    let issued = keys.create(new, true).await?;
    let key = app.identify_key(issued.secret.as_str(), app.clock.now()).await?.ok_or("the key is not good")?;
    let (authority, made) = (Arc::new(Authority::of_key(&key)), Arc::new(AtomicUsize::new(0)));
    let mut tasks = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (app, authority, made) = (app.clone(), authority.clone(), made.clone());
        tasks.spawn(async move {
            loop {
                let number = made.fetch_add(1, Ordering::Relaxed);
                if number >= members {
                    return Ok::<_, Box<dyn std::error::Error + Send + Sync>>(());
                }
                app.create_user(&caller(&app), &authority, member(number)).await?;
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    println!("a store of {members} members at {:.0}/s", members as f64 / begun.elapsed().as_secs_f64());
    Ok(())
}

fn member(number: usize) -> NewUser {
    let first = FIRST[number % FIRST.len()];
    NewUser {
        email: format!("{}{number}@example.com", first.to_lowercase()),
        password: None,
        name: format!("{first}{:06} {:03} Doe", number, number / FIRST.len() % 1_000),
        image: None,
        metadata: None,
        app_metadata: None,
        roles: None,
        verified: false,
    }
}

fn caller(app: &App) -> Caller {
    let at = app.clock.now();
    Caller {
        locale: Locale::ENGLISH,
        request: RequestId::from_ulid(entropy::ulid(app.entropy.as_ref(), at)),
        at,
        address: ClientAddress::Known([127, 0, 0, 1].into()),
        user_agent: "bench".to_owned(),
        settings: app.settings(),
    }
}
