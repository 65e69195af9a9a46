//! Who calls: a browser with its cookies, or a program with a token.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::{Arc, Mutex};

pub use reqwest::Method;
use reqwest::RequestBuilder;
use reqwest::header::COOKIE;
use serde_json::{Value, json};

use super::PASSWORD;
use super::answer::Answer;
use super::follow::Following;
use super::jar::Jar;

/// Somebody who calls the server. A clone shares the cookies; [`Client::fork`] has a copy of its own.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    server: String,
    standing: Vec<(String, String)>,
    jar: Option<Arc<Mutex<Jar>>>,
}

impl Client {
    pub(super) fn new(http: reqwest::Client, server: String) -> Self {
        Self { http, server, standing: vec![("user-agent".to_owned(), "tests/1.0".to_owned())], jar: None }
    }

    pub fn with_jar(self) -> Self {
        Self { jar: Some(Arc::default()), ..self }
    }

    /// The same caller, with a header that goes along with every call.
    pub fn always(&self, name: &str, value: &str) -> Self {
        let mut other = self.clone();
        other.standing.retain(|(known, _)| known != name);
        other.standing.push((name.to_owned(), value.to_owned()));
        other
    }

    /// The same caller without that header.
    pub fn never(&self, name: &str) -> Self {
        let mut other = self.clone();
        other.standing.retain(|(known, _)| known != name);
        other
    }

    /// Another browser with the same cookies: what it is given from here on, this one does not get.
    pub fn fork(&self) -> Self {
        Self { jar: self.jar.as_ref().map(|jar| Arc::new(Mutex::new(jar.lock().unwrap().clone()))), ..self.clone() }
    }

    pub fn cookie(&self, name: &str) -> Option<String> {
        self.jar.as_ref()?.lock().unwrap().get(name).map(str::to_owned)
    }

    pub fn plant(&self, name: &str, value: &str) {
        self.jar.as_ref().unwrap().lock().unwrap().plant(name, value);
    }

    pub fn forget(&self, name: &str) {
        self.jar.as_ref().unwrap().lock().unwrap().forget(name);
    }

    /// A call to a path below the base path.
    pub fn get(&self, path: &str) -> Call {
        self.at(Method::GET, &format!("/api/auth{path}"))
    }

    pub fn post(&self, path: &str, body: &Value) -> Call {
        self.at(Method::POST, &format!("/api/auth{path}")).body("application/json", body.to_string())
    }

    /// A call to any path of the server.
    pub fn at(&self, method: Method, path: &str) -> Call {
        let head = method == Method::HEAD;
        let mut request = self.http.request(method, format!("{}{path}", self.server));
        for (name, value) in &self.standing {
            request = request.header(name, value);
        }
        if let Some(cookies) = self.jar.as_ref().and_then(|jar| jar.lock().unwrap().header()) {
            request = request.header(COOKIE, cookies);
        }
        Call { request, jar: self.jar.clone(), head }
    }
}

/// The steps that most tests start with.
impl Client {
    /// Arrives as a guest, or as whoever is there already.
    pub async fn arrive(&self) -> Value {
        self.post("/sign-in/anonymous", &json!({})).await.ok()
    }

    /// What `/get-session` says.
    pub async fn session(&self) -> Value {
        self.get("/get-session").await.ok()
    }

    pub async fn upgrade(&self, email: &str) -> Value {
        self.post("/anonymous/upgrade", &json!({ "email": email, "password": PASSWORD })).await.ok()
    }

    pub async fn sign_up(&self, email: &str) -> Value {
        self.post("/sign-up/email", &json!({ "name": "Jane", "email": email, "password": PASSWORD })).await.ok()
    }

    pub async fn sign_in(&self, email: &str) -> Value {
        self.post("/sign-in/email", &json!({ "email": email, "password": PASSWORD })).await.ok()
    }
}

impl Call {
    /// Reads the answer as it comes.
    pub async fn follow(self) -> Following {
        self.try_follow().await.expect("there is no place")
    }

    /// The same; none where there are as many such answers as there may be.
    pub async fn try_follow(self) -> Option<Following> {
        let response = self.request.send().await.unwrap();
        (response.status() != 503).then(|| Following::of(response))
    }
}

/// A call that is sent when it is awaited.
pub struct Call {
    request: RequestBuilder,
    jar: Option<Arc<Mutex<Jar>>>,
    head: bool,
}

impl Call {
    pub fn header(self, name: &str, value: &str) -> Self {
        Self { request: self.request.header(name, value), ..self }
    }

    pub fn body(self, kind: &str, body: impl Into<reqwest::Body>) -> Self {
        Self { request: self.request.header("content-type", kind).body(body), ..self }
    }
}

impl IntoFuture for Call {
    type Output = Answer;
    type IntoFuture = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let answer = Answer::of(self.request.send().await.unwrap(), self.head).await;
            if let Some(jar) = &self.jar {
                let mut jar = jar.lock().unwrap();
                answer.cookies().iter().for_each(|cookie| jar.take(cookie));
            }
            answer
        })
    }
}
