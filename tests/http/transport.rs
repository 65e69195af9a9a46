//! Paths, verbs and heads (CONTRACT 1.1). What every answer carries is checked wherever one is read, in
//! `support::answer`.

use serde_json::json;

use crate::support::{App, Method, days, raw};

/// Every path below the base path, and its verbs.
pub const ROUTES: &[(&str, &[&str])] = &[
    ("/anonymous/recovery", &["POST"]),
    ("/organization/create", &["POST"]),
    ("/organization/list", &["GET", "POST"]),
    ("/organization/get-full-organization", &["GET", "POST"]),
    ("/organization/set-active", &["POST"]),
    ("/organization/update", &["POST"]),
    ("/organization/delete", &["POST"]),
    ("/organization/leave", &["POST"]),
    ("/organization/check-slug", &["POST"]),
    ("/organization/has-permission", &["POST"]),
    ("/organization/list-members", &["GET", "POST"]),
    ("/organization/get-active-member", &["GET"]),
    ("/organization/get-active-member-role", &["GET"]),
    ("/organization/remove-member", &["POST"]),
    ("/organization/add-member", &["POST"]),
    ("/organization/update-member-role", &["POST"]),
    ("/organization/invite-member", &["POST"]),
    ("/organization/cancel-invitation", &["POST"]),
    ("/organization/revoke-invitation", &["POST"]),
    ("/organization/accept-invitation", &["POST"]),
    ("/organization/reject-invitation", &["POST"]),
    ("/organization/get-invitation", &["GET"]),
    ("/organization/list-invitations", &["GET", "POST"]),
    ("/organization/list-user-invitations", &["GET"]),
    ("/delete-user/callback", &["GET"]),
    ("/change-email", &["POST"]),
    ("/change-email/undo", &["GET", "POST"]),
    ("/sign-in/social", &["POST"]),
    ("/link-social", &["POST"]),
    ("/unlink-account", &["POST"]),
    ("/anonymous/upgrade-with-social", &["POST"]),
    ("/callback/{provider}", &["GET", "POST"]),
    ("/token", &["GET"]),
    ("/jwks", &["GET"]),
    ("/anonymous/transfer", &["POST"]),
    ("/email-otp/send-verification-otp", &["POST"]),
    ("/sign-in/email-otp", &["POST"]),
    ("/email-otp/verify-email", &["POST"]),
    ("/email-otp/check-verification-otp", &["POST"]),
    ("/email-otp/request-password-reset", &["POST"]),
    ("/forget-password/email-otp", &["POST"]),
    ("/email-otp/reset-password", &["POST"]),
    ("/request-password-reset", &["POST"]),
    ("/forget-password", &["POST"]),
    ("/reset-password/{token}", &["GET"]),
    ("/reset-password", &["POST"]),
    ("/reset-password/confirm", &["POST"]),
    ("/send-verification-email", &["POST"]),
    ("/verify-email/confirm", &["GET", "POST"]),
    ("/set-password", &["POST"]),
    ("/sign-in/magic-link", &["POST"]),
    ("/magic-link/verify", &["GET"]),
    ("/magic-link/verify/confirm", &["POST"]),
    ("/sign-in/anonymous", &["GET", "POST"]),
    ("/anonymous/challenge", &["GET"]),
    ("/anonymous/upgrade", &["POST"]),
    ("/delete-anonymous-user", &["POST"]),
    ("/sign-up/email", &["POST"]),
    ("/sign-in/email", &["POST"]),
    ("/verify-email", &["GET"]),
    ("/get-session", &["GET"]),
    ("/sign-out", &["POST"]),
    ("/list-sessions", &["GET"]),
    ("/revoke-session", &["POST"]),
    ("/revoke-sessions", &["POST"]),
    ("/revoke-other-sessions", &["POST"]),
    ("/update-user", &["POST"]),
    ("/change-password", &["POST"]),
    ("/list-accounts", &["GET"]),
    ("/delete-user", &["POST"]),
    ("/banata/config/dashboard", &["POST"]),
    ("/banata/config/dashboard/save", &["POST"]),
    ("/banata/config/social-providers/get", &["POST"]),
    ("/banata/config/social-providers/save", &["POST"]),
    ("/banata/config/social-providers/delete", &["POST"]),
    ("/banata/config/public", &["POST"]),
    ("/api-key/create", &["POST"]),
    ("/api-key/list", &["GET"]),
    ("/api-key/rotate", &["POST"]),
    ("/api-key/update", &["POST"]),
    ("/api-key/delete", &["POST"]),
    ("/admin/list-users", &["GET", "POST"]),
    ("/admin/guests/origins", &["POST"]),
    ("/admin/guests/disable-wave", &["POST"]),
    ("/admin/guests/restore-wave", &["POST"]),
    ("/admin/remove-users", &["POST"]),
    ("/admin/get-job", &["POST"]),
    ("/admin/cancel-job", &["POST"]),
    ("/admin/audit/timeline", &["POST"]),
    ("/admin/guests/list", &["POST"]),
    ("/admin/guests/cleanup", &["POST"]),
    ("/admin/guests/hold", &["POST"]),
    ("/admin/guests/release", &["POST"]),
    ("/admin/guests/undo", &["POST"]),
    ("/admin/guests/reassign", &["POST"]),
    ("/admin/get-user", &["GET", "POST"]),
    ("/admin/users/erase", &["POST"]),
    ("/admin/users/erasure", &["GET"]),
    ("/admin/users/export", &["POST"]),
    ("/admin/create-user", &["POST"]),
    ("/admin/update-user", &["POST"]),
    ("/admin/remove-user", &["POST"]),
    ("/admin/set-user-password", &["POST"]),
    ("/admin/analytics/conversion", &["POST"]),
    ("/admin/ban-user", &["POST"]),
    ("/admin/unban-user", &["POST"]),
    ("/admin/set-role", &["POST"]),
    ("/admin/has-permission", &["POST"]),
    ("/admin/list-user-sessions", &["POST"]),
    ("/admin/revoke-user-session", &["POST"]),
    ("/admin/revoke-user-sessions", &["POST"]),
    ("/admin/impersonate-user", &["POST"]),
    ("/admin/stop-impersonating", &["POST"]),
    ("/banata/audit-logs/list", &["POST"]),
    ("/banata/audit-logs/create", &["POST"]),
    ("/banata/audit-logs/export", &["POST"]),
    ("/banata/events/list", &["POST"]),
    ("/banata/webhooks/list", &["POST"]),
    ("/banata/webhooks/create", &["POST"]),
    ("/banata/webhooks/update", &["POST"]),
    ("/banata/webhooks/delete", &["POST"]),
    ("/banata/webhooks/replay", &["POST"]),
    ("/ok", &["GET"]),
    ("/error", &["GET"]),
];

/// Every path outside of it.
pub const OPERATIONS: [&str; 5] = ["/healthz", "/readyz", "/metrics", "/openapi.json", "/reference"];

#[tokio::test]
async fn what_is_not_there_is_404() {
    let app = App::with(&[("rate_limits", "off")]).await;
    let browser = app.browser();
    let mut paths: Vec<String> = [
        "/",
        "/api",
        "/api/",
        "/api/auth",
        "/api/auth/",
        "/api/auth/nowhere",
        "/API/AUTH/ok",
        "/api/auth/OK",
        "/api/authx/ok",
        "/api//auth/ok",
    ]
    .map(str::to_owned)
    .into();
    // Whatever follows there is a token, if a bad one.
    let parameters = ["/reset-password", "/callback"];
    let plain = |path: &str| parameters.iter().all(|before| !path.starts_with(before));
    for (path, _) in ROUTES.iter().filter(|(path, _)| plain(path)) {
        paths.extend([
            format!("/api/auth{path}/"),
            format!("/api/auth/{path}"),
            format!("/api/auth{path}/x"),
            format!("/api/auth{path}%2f"),
            (*path).to_owned(),
        ]);
    }
    paths.extend(OPERATIONS.iter().flat_map(|path| [format!("{path}/"), format!("/{path}")]));
    for path in paths {
        for method in [Method::GET, Method::POST] {
            browser.at(method, &path).await.says(404, "NOT_FOUND", "Not found");
        }
    }
}

#[tokio::test]
async fn another_verb_is_405_and_the_answer_names_the_right_ones() {
    let app = App::start().await;
    let browser = app.browser();
    let head = app.head().await;
    let paths = ROUTES.iter().map(|(path, verbs)| (format!("/api/auth{path}"), *verbs));
    let operations = OPERATIONS.map(|path| (path.to_owned(), &["GET", "HEAD"] as &[&str]));
    for (path, verbs) in paths.chain(operations) {
        for verb in ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "OPTIONS", "BREW"] {
            if verbs.contains(&verb) {
                continue;
            }
            let answer = browser.at(Method::from_bytes(verb.as_bytes()).unwrap(), &path).await;
            answer.says(405, "METHOD_NOT_ALLOWED", "Method not allowed");
            let mut allowed: Vec<_> = answer.header("allow").unwrap().split(',').map(str::trim).collect();
            allowed.sort_unstable();
            assert_eq!(allowed, verbs, "{verb} {path}");
        }
    }
    assert_eq!(app.head().await, head);
}

#[tokio::test]
async fn head_runs_no_get_handler() {
    let app = App::start().await;
    let browser = app.browser();
    for path in ROUTES.iter().map(|(path, _)| format!("/api/auth{path}")) {
        let head = app.head().await;
        for caller in [&app.program(), &browser] {
            assert_eq!(caller.at(Method::HEAD, &path).await.status, 405, "{path}");
        }
        assert_eq!(app.head().await, head, "{path}");
    }
    assert_eq!(browser.cookie(crate::support::SESSION), None, "HEAD makes no guests");
}

/// What watches a server from outside may ask without wanting the body.
#[tokio::test]
async fn head_of_what_operators_read_is_get_without_a_body() {
    let app = App::start().await;
    for path in OPERATIONS {
        let (got, asked) = (app.program().at(Method::GET, path).await, app.program().at(Method::HEAD, path).await);
        assert_eq!((asked.status, asked.text.as_str()), (200, ""), "{path}");
        assert_eq!(asked.header("content-type"), got.header("content-type"), "{path}");
        // Figures change from call to call.
        if path != "/metrics" {
            assert_eq!(asked.header("content-length"), Some(got.text.len().to_string().as_str()), "{path}");
        }
    }
    assert_eq!(app.program().at(Method::HEAD, "/nowhere").await.status, 404);
}

#[tokio::test]
async fn head_with_a_session_is_405_too_and_does_not_use_it() {
    let app = App::start().await;
    let browser = app.browser();
    browser.arrive().await;
    app.pass(days(2));
    let head = app.head().await;
    for path in ["/get-session", "/list-sessions", "/sign-out", "/nowhere"] {
        for caller in [&browser, &browser.never("origin")] {
            assert_eq!(caller.at(Method::HEAD, &format!("/api/auth{path}")).await.status, 405, "{path}");
        }
    }
    assert_eq!(app.head().await, head);
}

#[tokio::test]
async fn an_api_key_that_nobody_gave_is_401_on_any_path() {
    let app = App::start().await;
    let browser = app.browser();
    browser.arrive().await;
    let head = app.head().await;
    for (path, verbs) in ROUTES {
        for verb in *verbs {
            let method = Method::from_bytes(verb.as_bytes()).unwrap();
            let call = browser.at(method, &format!("/api/auth{path}")).header("x-api-key", "sk_live_0123456789");
            assert_eq!(call.await.status, 401, "{verb} {path}");
        }
    }
    for path in ["/api/auth/admin/list-users", "/api/auth/nowhere"] {
        assert_eq!(browser.at(Method::POST, path).header("x-api-key", "").await.status, 401, "{path}");
    }
    assert_eq!(app.head().await, head);
}

#[tokio::test]
async fn the_little_pages() {
    let app = App::start().await;
    let program = app.program();
    assert_eq!(program.get("/ok").await.ok(), json!({ "ok": true }));
    let page = program.get("/error?error=%3Cscript%3Ealert(1)%3C%2Fscript%3E").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(!page.text.contains("script"), "a page of ours says nothing that the link's writer chose");
    assert!(program.get("/error?error=INVALID_TOKEN").await.text.contains("INVALID_TOKEN"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    for query in ["", "?error=", "?error=a&error=b", "?x"] {
        assert_eq!(program.get(&format!("/error{query}")).await.status, 200, "{query}");
    }
}

#[tokio::test]
async fn every_answer_has_an_id_of_its_own() {
    let app = App::start().await;
    let ids: std::collections::BTreeSet<String> = {
        let mut ids = std::collections::BTreeSet::new();
        for path in ["/ok", "/nowhere", "/get-session", "/list-sessions", "/ok"] {
            ids.insert(
                app.program().get(path).header("x-request-id", "mine").await.header("x-request-id").unwrap().to_owned(),
            );
        }
        ids
    };
    assert_eq!(ids.len(), 5);
    assert!(!ids.contains("mine"));
}

#[tokio::test]
async fn odd_heads() {
    let app = App::start().await;
    let head = app.head().await;
    let long = format!("cookie: {}", "a=b; ".repeat(1500));
    for (line, headers, status) in [
        ("GET http://127.0.0.1/api/auth/ok", vec![], 200),
        ("GET /api/auth/ok?%ff%00=&&==;", vec![], 200),
        ("GET /api/auth/../auth/ok", vec![], 404),
        ("GET /api/auth/./ok", vec![], 404),
        ("GET /api/auth/%6fk", vec![], 404),
        ("GET /api/auth/ok#top", vec![], 200),
        ("GET *", vec![], 404),
        ("GET /api/auth/get-session", vec!["cookie: \u{fc}=\u{fc}; ;;=; better-auth.session_token"], 200),
        ("GET /api/auth/get-session", vec!["cookie: a=b", "cookie: better-auth.session_token=x"], 200),
        ("GET /api/auth/get-session", vec![&long], 200),
        ("GET /api/auth/get-session", vec!["authorization: Bearer \u{fc}"], 200),
        ("GET /api/auth/get-session", vec!["authorization: Bearer a", "authorization: Bearer b"], 200),
        ("GET /api/auth/get-session", vec!["user-agent: \u{1f511}", "x-forwarded-for: \u{fc}, ,"], 200),
        ("POST /api/auth/sign-out", vec!["content-length: 0"], 200),
        ("POST /api/auth/sign-out", vec!["cookie: a=b", "origin: \u{fc}"], 403),
    ] {
        let answer = raw::send(&app, line, &headers, b"").await;
        assert_eq!(answer.status, status, "{line} {headers:?}: {}", answer.body);
        assert!(status == 200 || answer.head.contains("content-type: application/json"), "{line}");
    }
    assert_eq!(app.head().await, head);
}

#[tokio::test]
async fn a_user_agent_is_kept_bounded_and_clean() {
    let app = App::start().await;
    let agent = format!("user-agent: \u{fc}\t{}", "x".repeat(4000));
    let answer = raw::send(&app, "POST /api/auth/sign-in/anonymous", &[&agent, "content-length: 0"], b"").await;
    let guest: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let kept = guest["session"]["userAgent"].as_str().unwrap();
    assert!(kept.len() <= 600 && kept.starts_with("\u{fc}xxx"), "{kept}");
}
