//! `/banata/config`: what administrators set while the server runs (CONTRACT 7.4).

mod form;
mod provider;
mod reader;
mod shape;

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use chrysalis_domain::Permission;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::state::Http;
use super::who::Who;
use crate::settings::Effective;
use crate::wire::body::{AdminBody, Body, Fields};
use crate::wire::error::{ApiError, ErrorBody};
use form::Wish;
use provider::Known;
use shape::{Configuration, Provider, PublicConfiguration, Warning};

/// Reads the configuration.
#[utoipa::path(
    post, path = "/banata/config/dashboard", tag = "admin",
    responses(
        (status = 200, description = "What holds", body = Configuration),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`, `FORBIDDEN`, `PROJECT_SCOPE_MISMATCH`", body = ErrorBody),
    )
)]
pub async fn dashboard(
    State(http): State<Http>,
    who: Who,
    Body(mut fields): AdminBody<Fields>,
) -> Result<Json<Configuration>, ApiError> {
    who.authority(Permission::ConfigRead)?.within_project(&mut fields)?;
    Ok(Json(http.configuration(&*http.app.settings.fresh().await?)))
}

/// Part of a configuration: what is not named stays. Only to describe it; it is read by hand.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({ "authMethods": { "anonymous": { "enabled": true, "maxAge": 2_592_000 }, "emailPassword": true } }))]
#[allow(dead_code, reason = "it describes a request")]
pub struct PartOfConfiguration {
    /// `anonymous` is true, false, or `{enabled?, maxAge?}`: seconds, at least 3600, or null.
    #[schema(value_type = Option<Object>)]
    #[serde(rename = "authMethods")]
    auth_methods: Option<Fields>,
    #[schema(value_type = Option<Object>)]
    #[serde(rename = "emailPassword")]
    email_password: Option<Fields>,
    #[schema(value_type = Option<Object>)]
    #[serde(rename = "socialProviders")]
    social_providers: Option<Fields>,
    #[schema(value_type = Option<Object>)]
    features: Option<Fields>,
    #[schema(value_type = Option<Object>)]
    sessions: Option<Fields>,
}

/// Merges a part into the configuration; what it answers holds from then on, at every node.
#[utoipa::path(
    post, path = "/banata/config/dashboard/save", tag = "admin",
    request_body = PartOfConfiguration,
    responses(
        (status = 200, description = "The whole of it, as it holds now", body = Configuration),
        (status = 400, description = "`VALIDATION_ERROR`, with every mistake in `errors`; nothing was saved", body = ErrorBody),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`, `FORBIDDEN`, `PROJECT_SCOPE_MISMATCH`", body = ErrorBody),
    )
)]
pub async fn save(
    State(http): State<Http>,
    who: Who,
    Body(mut fields): AdminBody<Fields>,
) -> Result<Json<Configuration>, ApiError> {
    let authority = who.authority(Permission::ConfigWrite)?;
    authority.within_project(&mut fields)?;
    let Wish { changes, providers, unknown, anonymous } = form::read(fields, &http.known(&who)).map_err(by_settings)?;
    let now = http.app.save_settings(&who.caller, &authority, changes, providers).await?;
    let mut configuration = http.configuration(&now);
    configuration.warnings.extend(unknown);
    let holds = serde_json::to_value(shape::anonymous(&now)).unwrap_or_default();
    if anonymous.is_some_and(|said| said != holds) {
        configuration.warnings.push(Warning::read_only("anonymous", "authMethods.anonymous"));
    }
    Ok(Json(configuration))
}

/// The configuration, and the identity providers in it. No secret is ever shown.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ProvidersBody {
    config: Configuration,
    providers: BTreeMap<String, Provider>,
}

/// Reads the identity providers.
#[utoipa::path(
    post, path = "/banata/config/social-providers/get", tag = "admin",
    responses(
        (status = 200, description = "Every provider that is known", body = ProvidersBody),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`, `FORBIDDEN`, `PROJECT_SCOPE_MISMATCH`", body = ErrorBody),
    )
)]
pub async fn providers(
    State(http): State<Http>,
    who: Who,
    Body(mut fields): AdminBody<Fields>,
) -> Result<Json<ProvidersBody>, ApiError> {
    who.authority(Permission::ConfigRead)?.within_project(&mut fields)?;
    Ok(Json(http.providers(&*http.app.settings.fresh().await?)))
}

/// An identity provider, as whom this server comes to it. Only to describe it; it is read by hand.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "it describes a request")]
pub struct ProviderSave {
    #[schema(example = "google")]
    provider_id: String,
    /// Needed for a new provider.
    client_id: Option<String>,
    /// Kept sealed. Left out or empty, the one of before stays.
    client_secret: Option<String>,
    /// For microsoft.
    tenant_id: Option<String>,
    enabled: Option<bool>,
}

/// Adds an identity provider, or changes what is given of it. Sign-ins go by it from then on.
#[utoipa::path(
    post, path = "/banata/config/social-providers/save", tag = "admin",
    request_body = ProviderSave,
    responses(
        (status = 200, description = "Every provider that is known", body = ProvidersBody),
        (status = 400, description = "`VALIDATION_ERROR`", body = ErrorBody),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`, `FORBIDDEN`, `PROJECT_SCOPE_MISMATCH`", body = ErrorBody),
    )
)]
pub async fn save_provider(
    State(http): State<Http>,
    who: Who,
    Body(mut fields): AdminBody<Fields>,
) -> Result<Json<ProvidersBody>, ApiError> {
    let authority = who.authority(Permission::ConfigWrite)?;
    authority.within_project(&mut fields)?;
    let form = provider::read(fields, &http.known(&who)).map_err(by_settings)?;
    let now = http.app.save_settings(&who.caller, &authority, Default::default(), vec![form]).await?;
    Ok(Json(http.providers(&now)))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "it describes a request")]
pub struct ProviderDelete {
    provider_id: String,
}

/// Takes an identity provider out of use, with its secret. Accounts that were linked by it stay linked.
#[utoipa::path(
    post, path = "/banata/config/social-providers/delete", tag = "admin",
    request_body = ProviderDelete,
    responses(
        (status = 200, description = "Every provider that is left", body = ProvidersBody),
        (status = 400, description = "`VALIDATION_ERROR`", body = ErrorBody),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`, `FORBIDDEN`, `PROJECT_SCOPE_MISMATCH`", body = ErrorBody),
        (status = 404, description = "`PROVIDER_NOT_FOUND`", body = ErrorBody),
    )
)]
pub async fn delete_provider(
    State(http): State<Http>,
    who: Who,
    Body(mut fields): AdminBody<Fields>,
) -> Result<Json<ProvidersBody>, ApiError> {
    let authority = who.authority(Permission::ConfigWrite)?;
    authority.within_project(&mut fields)?;
    let id = provider::read_id(fields)?;
    let now = http.app.remove_provider(&who.caller, &authority, id).await?;
    Ok(Json(http.providers(&now)))
}

/// What a page may know before anybody signed in.
#[utoipa::path(
    post, path = "/banata/config/public", tag = "admin",
    responses((status = 200, description = "What is offered", body = PublicConfiguration))
)]
pub async fn public(State(http): State<Http>, _: AdminBody<Fields>) -> Json<PublicConfiguration> {
    let now = http.app.settings();
    Json(PublicConfiguration::new(&now, http.app.settings.providers(&now)))
}

/// Whether a provider is a new one, say.
fn by_settings(mistakes: ApiError) -> ApiError {
    mistakes.resting_on_settings(true)
}

impl Http {
    fn configuration(&self, now: &Effective) -> Configuration {
        Configuration::new(now, self.app.settings.providers(now))
    }

    fn providers(&self, now: &Effective) -> ProvidersBody {
        ProvidersBody { config: self.configuration(now), providers: shape::by_id(self.app.settings.providers(now)) }
    }

    /// The providers that a save is read by.
    fn known<'h>(&'h self, who: &'h Who) -> Known<'h> {
        Known { latest: &self.app.settings, now: &who.caller.settings }
    }
}
