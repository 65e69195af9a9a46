//! The HTTP face: the whole route table on this screen, one resource a file. Handlers parse, call a use case, answer.

mod admin;
mod admission;
mod again;
mod analytics;
mod anonymous;
mod api_key;
mod attempts;
mod audit;
mod authority;
mod change_email;
mod configuration;
mod cookies;
mod dev_mail;
mod email;
mod email_otp;
mod forms;
mod gate;
pub mod listener;
mod magic_link;
mod meta;
mod organization;
mod readiness;
mod recovery;
mod reference;
mod refusal;
mod reset_password;
mod session;
pub(crate) mod shape;
mod social;
mod state;
mod streams;
mod token;
mod transfer;
mod unread;
mod user;
mod verify;
mod webhooks;
mod who;

use std::collections::HashMap;
use std::convert::Infallible;

use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use http::Method;
use tower::{Layer, Service};
use utoipa::{OpenApi, openapi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use readiness::Readiness;
pub use state::{Http, Parts};
pub use streams::Streams;

use crate::mail::Outbox;
use crate::wire::error::ApiError;

/// Everything the clients call stands below it.
pub const BASE_PATH: &str = "/api/auth";
/// What auditors read stands below it.
const AUDIT_PATH: &str = "/api/audit";

/// A call's path as the rules have it: below the base path, or below what stands beside it, which they name by its last part.
/// None of what is no call.
fn call(path: &str) -> Option<&str> {
    let below = |base: &str| path.strip_prefix(base).filter(|rest| rest.starts_with('/'));
    let beside = || below(AUDIT_PATH).or_else(|| below(analytics::PREFIX)).and_then(|_| path.strip_prefix("/api"));
    below(BASE_PATH).or_else(beside)
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Chrysalis", description = "Guest-first authentication: a guest becomes a member in place. Where a browser is sent (`callbackURL`, `redirectTo` and their like) may stand in the query of a POST, too; its body goes first.", license(name = "Apache-2.0")),
    tags(
        (name = "guest", description = "Arriving without an account, and becoming a member in place"),
        (name = "member", description = "Signing up and in, proving an address"),
        (name = "session", description = "Reading, listing and ending sessions"),
        (name = "user", description = "The user's own account"),
        (name = "admin", description = "API keys, and what administrators do with users"),
        (name = "analytics", description = "How many guests become members, by what, and how soon"),
        (name = "organization", description = "Organizations, their members and invitations"),
        (name = "audit", description = "The log as evidence: its events, and what was so at a time"),
        (name = "server", description = "Health, figures, documentation"),
    )
)]
struct Document;

/// The clients' calls.
fn api() -> OpenApiRouter<Http> {
    OpenApiRouter::new()
        .routes(routes!(anonymous::arrive, anonymous::arrive_by_get))
        .routes(routes!(admission::challenge))
        .routes(routes!(anonymous::upgrade))
        .routes(routes!(anonymous::delete))
        .routes(routes!(transfer::transfer))
        .routes(routes!(social::upgrade))
        .routes(routes!(recovery::recovery))
        .routes(routes!(email::sign_up))
        .routes(routes!(email::sign_in))
        .routes(routes!(verify::verify_email))
        .routes(routes!(verify::send))
        .routes(routes!(verify::ask, verify::confirm))
        .routes(routes!(magic_link::ask))
        .routes(routes!(magic_link::verify))
        .routes(routes!(magic_link::confirm))
        .routes(routes!(social::sign_in))
        .routes(routes!(social::link))
        .routes(routes!(social::returned, social::posted))
        .routes(routes!(social::unlink))
        .routes(routes!(email_otp::send))
        .routes(routes!(email_otp::sign_in))
        .routes(routes!(email_otp::verify))
        .routes(routes!(email_otp::check))
        .routes(routes!(email_otp::forget))
        .routes(routes!(email_otp::forget_as_before))
        .routes(routes!(email_otp::reset))
        .routes(routes!(reset_password::ask))
        .routes(routes!(reset_password::ask_as_before))
        .routes(routes!(reset_password::open))
        .routes(routes!(reset_password::reset))
        .routes(routes!(reset_password::confirm))
        .routes(routes!(session::get))
        .routes(routes!(token::token))
        .routes(routes!(token::jwks))
        .routes(routes!(session::sign_out))
        .routes(routes!(session::list))
        .routes(routes!(session::revoke))
        .routes(routes!(session::revoke_all))
        .routes(routes!(session::revoke_others))
        .routes(routes!(user::update))
        .routes(routes!(user::change_password))
        .routes(routes!(user::set_password))
        .routes(routes!(user::list_accounts))
        .routes(routes!(user::delete))
        .routes(routes!(user::delete_by_link))
        .routes(routes!(change_email::ask))
        .routes(routes!(change_email::undo_page, change_email::undo))
        .routes(routes!(configuration::dashboard))
        .routes(routes!(configuration::save))
        .routes(routes!(configuration::providers))
        .routes(routes!(configuration::save_provider))
        .routes(routes!(configuration::delete_provider))
        .routes(routes!(configuration::public))
        .routes(routes!(api_key::create))
        .routes(routes!(api_key::list))
        .routes(routes!(api_key::rotate))
        .routes(routes!(api_key::update))
        .routes(routes!(api_key::delete))
        .routes(routes!(admin::list_users::list, admin::list_users::list_by_get))
        .routes(routes!(admin::guests::list::list))
        .routes(routes!(admin::guests::cleanup::cleanup))
        .routes(routes!(admin::guests::hold::hold))
        .routes(routes!(admin::guests::hold::release))
        .routes(routes!(admin::guests::hold::undo))
        .routes(routes!(admin::guests::reassign::reassign))
        .routes(routes!(admin::guests::origins::count))
        .routes(routes!(admin::guests::waves::disable))
        .routes(routes!(admin::guests::waves::restore))
        .routes(routes!(admin::jobs::remove_users))
        .routes(routes!(admin::jobs::get))
        .routes(routes!(admin::jobs::cancel))
        .routes(routes!(admin::users::get, admin::users::get_by_post))
        .routes(routes!(admin::users::create))
        .routes(routes!(admin::users::update))
        .routes(routes!(admin::users::remove))
        .routes(routes!(admin::erase::erase))
        .routes(routes!(admin::erase::erasure))
        .routes(routes!(admin::export::export))
        .routes(routes!(admin::users::set_password))
        .routes(routes!(admin::bans::ban))
        .routes(routes!(admin::bans::unban))
        .routes(routes!(admin::roles::set))
        .routes(routes!(admin::roles::has_permission))
        .routes(routes!(admin::sessions::list))
        .routes(routes!(admin::sessions::revoke))
        .routes(routes!(admin::sessions::revoke_all))
        .routes(routes!(admin::impersonation::start))
        .routes(routes!(admin::impersonation::stop))
        .routes(routes!(organization::create))
        .routes(routes!(organization::list, organization::list_posted))
        .routes(routes!(organization::full, organization::full_posted))
        .routes(routes!(organization::set_active))
        .routes(routes!(organization::update))
        .routes(routes!(organization::delete))
        .routes(routes!(organization::leave))
        .routes(routes!(organization::check_slug))
        .routes(routes!(organization::has_permission))
        .routes(routes!(organization::list_members, organization::list_members_posted))
        .routes(routes!(organization::active_member))
        .routes(routes!(organization::active_member_role))
        .routes(routes!(organization::remove_member))
        .routes(routes!(organization::add_member))
        .routes(routes!(organization::update_member_role))
        .routes(routes!(organization::invite_member))
        .routes(routes!(organization::cancel_invitation))
        .routes(routes!(organization::revoke_invitation))
        .routes(routes!(organization::accept_invitation))
        .routes(routes!(organization::reject_invitation))
        .routes(routes!(organization::get_invitation))
        .routes(routes!(organization::list_invitations, organization::list_invitations_posted))
        .routes(routes!(organization::list_user_invitations))
        .routes(routes!(analytics::overview))
        .routes(routes!(audit::list::list))
        .routes(routes!(audit::create::create))
        .routes(routes!(audit::export::export))
        .routes(routes!(audit::feed::list))
        .routes(routes!(audit::replay::timeline))
        .routes(routes!(webhooks::list))
        .routes(routes!(webhooks::create))
        .routes(routes!(webhooks::update))
        .routes(routes!(webhooks::delete))
        .routes(routes!(webhooks::replay))
        .routes(routes!(meta::ok))
        .routes(routes!(meta::error))
}

/// The analysts' calls.
fn analysis() -> OpenApiRouter<Http> {
    OpenApiRouter::new()
        .routes(routes!(analytics::by_step))
        .routes(routes!(analytics::time_to_convert))
        .routes(routes!(analytics::sessions))
        .routes(routes!(analytics::by_cohort))
}

/// The auditors' calls.
fn evidence() -> OpenApiRouter<Http> {
    OpenApiRouter::new()
        .routes(routes!(audit::proof::checkpoint))
        .routes(routes!(audit::proof::checkpoints))
        .routes(routes!(audit::proof::inclusion))
        .routes(routes!(audit::proof::consistency))
        .routes(routes!(audit::proof::keys))
        .routes(routes!(audit::tile::tile))
        .routes(routes!(audit::log::events))
        .routes(routes!(audit::replay::user))
}

/// The operators' calls.
fn operations() -> OpenApiRouter<Http> {
    OpenApiRouter::new().routes(routes!(meta::alive)).routes(routes!(meta::ready)).routes(routes!(meta::metrics))
}

/// The routes, and the document that describes them.
pub type Routes = (Router<Http>, openapi::OpenApi);

/// All of them. Made once: the document is large.
pub fn routes() -> Routes {
    let documented = OpenApiRouter::with_openapi(Document::openapi());
    documented
        .nest(BASE_PATH, api())
        .nest(AUDIT_PATH, evidence())
        .nest(analytics::PREFIX, analysis())
        .merge(operations())
        .split_for_parts()
}

/// The whole service. With an outbox, its mails are shown at `/dev/mail`.
///
/// The gate stands around the router, not inside its routes: what it refuses (HEAD above all) never gets as far as being
/// matched to a handler.
pub fn service(
    (router, document): Routes,
    http: Http,
    dev: Option<Outbox>,
) -> impl Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static {
    let router = router.merge(reference::routes(&document));
    let router = match dev {
        Some(outbox) => router.merge(dev_mail::routes(outbox)),
        None => router,
    };
    let router: Router = router
        .fallback(async || ApiError::not_found())
        .method_not_allowed_fallback(async || ApiError::method_not_allowed())
        .with_state(http.clone());
    from_fn_with_state(http, gate::gate).layer(router)
}

/// Every path that the document names, with its verbs.
pub fn verbs(document: &openapi::OpenApi) -> HashMap<String, Vec<Method>> {
    let paths = document.paths.paths.iter();
    paths
        .map(|(path, item)| {
            let verbs = [
                (item.get.is_some(), Method::GET),
                (item.post.is_some(), Method::POST),
                (item.put.is_some(), Method::PUT),
                (item.patch.is_some(), Method::PATCH),
                (item.delete.is_some(), Method::DELETE),
            ];
            (path.clone(), verbs.into_iter().filter_map(|(there, verb)| there.then_some(verb)).collect())
        })
        .collect()
}
