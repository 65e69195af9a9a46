//! What operators and developers look at.

use super::transport::{OPERATIONS, ROUTES};
use crate::support::{App, Method};

#[tokio::test]
async fn alive_and_ready() {
    let app = App::start().await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(app.program().at(Method::GET, path).await.ok()["ok"], true);
    }
}

#[tokio::test]
async fn figures_for_prometheus_name_no_person() {
    let app = App::start().await;
    let browser = app.browser();
    browser.sign_up("jane@example.com").await;
    let token = browser.session().await["session"]["token"].as_str().unwrap().to_owned();
    app.program().get("/secret-of-jane@example.com").await;
    let answer = app.program().at(Method::GET, "/metrics").await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    assert!(answer.text.ends_with("# EOF\n"));
    assert!(answer.text.contains("/api/auth/sign-up/email"), "{}", answer.text);
    for secret in ["jane", token.as_str(), "127.0.0.1"] {
        assert!(!answer.text.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn the_document_names_every_route_and_no_other() {
    let app = App::start().await;
    let document = app.program().at(Method::GET, "/openapi.json").await.ok();
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    let mut described: Vec<String> = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for verb in item.as_object().unwrap().keys() {
            described.push(format!("{} {path}", verb.to_uppercase()));
        }
    }
    described.retain(|route| route.contains("/api/auth/"));
    described.sort_unstable();
    let mut routes: Vec<String> = ROUTES
        .iter()
        .flat_map(|(path, verbs)| verbs.iter().map(move |verb| format!("{verb} /api/auth{path}")))
        .collect();
    routes.sort_unstable();
    assert_eq!(described, routes);
}

#[tokio::test]
async fn the_same_to_browse_without_scripts() {
    let app = App::start().await;
    let page = app.program().at(Method::GET, "/reference").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(!page.text.contains("<script"));
    for (path, _) in ROUTES {
        assert!(page.text.contains(&format!("/api/auth{path}<")), "{path}");
    }
}

#[tokio::test]
async fn no_page_of_another_origin_reads_them() {
    let app = App::with(&[("trusted_origins", "https://app.example.com")]).await;
    for path in OPERATIONS {
        let answer = app.program().at(Method::GET, path).header("origin", "https://app.example.com").await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, None));
    }
}
