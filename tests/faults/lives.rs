//! Load, and what it was told: guests who arrive, become members, sign in elsewhere, sign out, end their sessions, and
//! remember every answer, so that it can be asked for later.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::below;
use crate::process::{Answer, Client, PASSWORD, Server, address};

/// Between two attempts of somebody who was told to come back later.
const AGAIN: Duration = Duration::from_millis(20);

/// One life by name: Jane Roe, who came as a guest and is a member. Answers her id.
pub async fn jane(server: &Server) -> String {
    let browser = server.browser();
    let user = browser.arrive().await.ok().user();
    browser.upgrade("jane@example.com").await.ok();
    browser.post("/update-user", json!({ "name": "Jane Roe" })).await.ok();
    user
}

/// Something that was acknowledged, and what was asked for since and never answered: either may be found.
struct Known<T> {
    acknowledged: T,
    asked: Option<T>,
}

impl<T: PartialEq> Known<T> {
    fn new(acknowledged: T) -> Self {
        Self { acknowledged, asked: None }
    }

    fn may_be(&self, seen: &T) -> bool {
        self.acknowledged == *seen || self.asked.as_ref() == Some(seen)
    }

    /// Asks for a change; `None` when no answer came.
    async fn ask(&mut self, to: T, call: impl Future<Output = Option<Answer>>) -> Option<Answer> {
        self.asked = Some(to);
        let answer = call.await?.ok();
        self.acknowledged = self.asked.take()?;
        Some(answer)
    }
}

/// One session of somebody.
struct Device {
    session: String,
    token: String,
    over: Known<bool>,
}

/// One guest, as far as the answers tell.
pub struct Life {
    user: String,
    email: String,
    member: Known<bool>,
    devices: Vec<Device>,
}

/// Many lives at once.
pub struct Crowd {
    enough: Arc<AtomicBool>,
    begun: Arc<AtomicUsize>,
    actors: JoinSet<Vec<Life>>,
}

impl Crowd {
    pub fn gather(server: &Server, actors: usize) -> Self {
        Self::of(&[server.app()], actors)
    }

    /// One that goes on when it is asked to come back later, or nobody answers; spread over several servers.
    pub fn patient(servers: &[&Server], actors: usize) -> Self {
        let apps: Vec<_> = servers.iter().map(|server| server.app().patient()).collect();
        Self::of(&apps, actors)
    }

    fn of(apps: &[Client], actors: usize) -> Self {
        let enough = Arc::new(AtomicBool::new(false));
        let mut crowd = Self { enough, begun: Arc::default(), actors: JoinSet::new() };
        for actor in 0..actors {
            crowd.actors.spawn(one_after_another(
                apps[actor % apps.len()].clone(),
                crowd.enough.clone(),
                crowd.begun.clone(),
            ));
        }
        crowd
    }

    /// Lives that were begun so far.
    pub fn begun(&self) -> usize {
        self.begun.load(Ordering::Relaxed)
    }

    /// Lets everybody finish what they are at. A server that is gone needs no such word: they notice.
    pub async fn disperse(self) -> Vec<Life> {
        self.enough.store(true, Ordering::Relaxed);
        self.actors.join_all().await.into_iter().flatten().collect()
    }
}

/// Lives until the server is gone, or enough is enough.
async fn one_after_another(app: Client, enough: Arc<AtomicBool>, begun: Arc<AtomicUsize>) -> Vec<Life> {
    let mut lives = Vec::new();
    while !enough.load(Ordering::Relaxed) {
        let Some(arrived) = app.try_post("/sign-in/anonymous", json!({})).await else {
            if app.is_patient() {
                tokio::time::sleep(AGAIN).await;
                continue;
            }
            break;
        };
        let mut life = Life::begun(&arrived.ok());
        begun.fetch_add(1, Ordering::Relaxed);
        let unbroken = life.goes_on(&app).await;
        lives.push(life);
        if unbroken.is_none() && !app.is_patient() {
            break;
        }
    }
    lives
}

impl Life {
    fn begun(arrived: &Answer) -> Self {
        Self { user: arrived.user(), email: address(), member: Known::new(false), devices: vec![Device::of(arrived)] }
    }

    /// Few become members: a hash costs more than everything else together.
    async fn goes_on(&mut self, app: &Client) -> Option<()> {
        match below(16) {
            0..=1 => self.upgrade(app).await,
            2 => {
                self.upgrade(app).await?;
                self.end_from_elsewhere(app).await
            }
            3..=6 => self.end(app, "/sign-out").await,
            7..=9 => self.end(app, "/revoke-sessions").await,
            _ => Some(()),
        }
    }

    async fn upgrade(&mut self, app: &Client) -> Option<()> {
        let form = json!({"email": self.email, "password": PASSWORD});
        let upgraded =
            self.member.ask(true, app.bearing(&self.devices[0].token).try_post("/anonymous/upgrade", form)).await?;
        assert_eq!(upgraded.user(), self.user);
        assert_eq!(upgraded.session(), self.devices[0].session);
        assert_eq!(upgraded.is_anonymous(), Some(false));
        Some(())
    }

    /// Signs in on a second device, and ends the first one's session from there.
    async fn end_from_elsewhere(&mut self, app: &Client) -> Option<()> {
        let form = json!({"email": self.email, "password": PASSWORD});
        let elsewhere = app.try_post("/sign-in/email", form).await?.ok();
        assert_eq!(elsewhere.user(), self.user);
        self.devices.push(Device::of(&elsewhere));
        let form = json!({"token": self.devices[0].session});
        let there = app.bearing(&elsewhere.token());
        self.devices[0].over.ask(true, there.try_post("/revoke-session", form)).await.map(|_| ())
    }

    async fn end(&mut self, app: &Client, path: &str) -> Option<()> {
        let device = &mut self.devices[0];
        device.over.ask(true, app.bearing(&device.token).try_post(path, json!({}))).await.map(|_| ())
    }

    /// Everything is as it was answered.
    pub async fn assert_remembered(&self, server: &Server) {
        for device in &self.devices {
            let found = server.app().bearing(&device.token).session().await.ok();
            if found.body == Value::Null {
                assert!(device.over.may_be(&true), "{} of {} is lost", device.session, self.user);
                continue;
            }
            assert!(device.over.may_be(&false), "{} of {} lives on", device.session, self.user);
            assert_eq!((found.user(), found.session()), (self.user.clone(), device.session.clone()));
            let member = found.is_anonymous() == Some(false);
            assert!(self.member.may_be(&member), "{} is a member: {member}", self.user);
            assert_eq!(found.body["user"]["email"], if member { json!(self.email) } else { Value::Null });
        }
    }

    /// Whether it may sign in by password, as far as the answers tell.
    pub fn is_member(&self) -> bool {
        self.member.acknowledged
    }

    /// Whether a session of it is over, as far as the answers tell.
    pub fn has_ended(&self) -> bool {
        self.devices.iter().any(|device| device.over.acknowledged)
    }

    pub async fn assert_signs_in(&self, server: &Server) {
        assert_eq!(server.app().sign_in(&self.email).await.ok().user(), self.user);
    }
}

impl Device {
    fn of(answer: &Answer) -> Self {
        Self { session: answer.session(), token: answer.token(), over: Known::new(false) }
    }
}
