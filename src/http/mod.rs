//! The HTTP face: the whole route table on this screen, one resource a file. Handlers parse, call a use case, answer.

mod anonymous;
mod cookies;
mod dev_mail;
mod email;
mod forms;
mod gate;
mod meta;
mod reference;
mod refusal;
mod session;
mod shape;
mod state;
mod user;
mod verbs;
mod verify;
mod who;

use std::any::Any;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use state::{Http, Parts};

use crate::followers::mail::Outbox;
use crate::wire::error::ApiError;

/// Everything the clients call stands below it.
pub const BASE_PATH: &str = "/api/auth";

#[derive(OpenApi)]
#[openapi(
    info(title = "Chrysalis", description = "Guest-first authentication: a guest becomes a member in place.", license(name = "Apache-2.0")),
    tags(
        (name = "guest", description = "Arriving without an account, and becoming a member in place"),
        (name = "member", description = "Signing up and in, proving an address"),
        (name = "session", description = "Reading, listing and ending sessions"),
        (name = "user", description = "The user's own account"),
        (name = "server", description = "Health, figures, documentation"),
    )
)]
struct Document;

/// The clients' calls.
fn api() -> OpenApiRouter<Http> {
    OpenApiRouter::new()
        .routes(routes!(anonymous::arrive, anonymous::arrive_by_get))
        .routes(routes!(anonymous::upgrade))
        .routes(routes!(anonymous::delete))
        .routes(routes!(email::sign_up))
        .routes(routes!(email::sign_in))
        .routes(routes!(verify::verify_email))
        .routes(routes!(session::get))
        .routes(routes!(session::sign_out))
        .routes(routes!(session::list))
        .routes(routes!(session::revoke))
        .routes(routes!(session::revoke_all))
        .routes(routes!(session::revoke_others))
        .routes(routes!(user::update))
        .routes(routes!(user::change_password))
        .routes(routes!(user::list_accounts))
        .routes(routes!(user::delete))
        .routes(routes!(meta::ok))
        .routes(routes!(meta::error))
}

/// The operators' calls.
fn operations() -> OpenApiRouter<Http> {
    OpenApiRouter::new().routes(routes!(meta::alive)).routes(routes!(meta::ready)).routes(routes!(meta::metrics))
}

/// The whole service. With an outbox, its mails are shown at `/dev/mail`.
pub fn service(http: Http, dev: Option<Outbox>) -> Router {
    let (router, document) =
        OpenApiRouter::with_openapi(Document::openapi()).nest(BASE_PATH, api()).merge(operations()).split_for_parts();
    let verbs = verbs::Verbs::of(&document);
    let router = router.merge(reference::routes(document));
    let router = match dev {
        Some(outbox) => router.merge(dev_mail::routes(outbox)),
        None => router,
    };
    router
        .fallback(async || ApiError::not_found())
        .method_not_allowed_fallback(async || ApiError::method_not_allowed())
        .layer(from_fn_with_state(http.clone(), gate::admission))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state((http.clone(), verbs), gate::gate))
        .with_state(http)
}

/// The document alone, for `openapi.json` and its check.
pub fn document() -> utoipa::openapi::OpenApi {
    OpenApiRouter::<Http>::with_openapi(Document::openapi()).nest(BASE_PATH, api()).merge(operations()).into_openapi()
}

/// A panic is our fault, not the caller's: it is answered like any other error.
fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a handler panicked");
    ApiError::internal().into_response()
}
