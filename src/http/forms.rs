//! Request bodies that more than one handler takes.

use http::header::ACCEPT;
use http::{HeaderMap, HeaderName, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::who::Who;
use crate::app::challenge::Details;
use crate::app::upgrade::PasswordForm;
use crate::wire::callback::{Appended, CallbackField, CallbackUrl};
use crate::wire::error::{ApiError, FieldError};
use crate::wire::json_time::JsonTime;
use crate::wire::optional::Lenient;

/// `{}`: a call that takes nothing still refuses what is no object.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Nothing {}

/// Longest name, in characters.
const NAME_MAX: usize = 255;
/// Longest image URL, in characters: room for any URL, not for the image itself.
const IMAGE_MAX: usize = 2048;

/// What a guest gives to become a member.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpgradeForm {
    #[schema(value_type = String, example = "jane@example.com")]
    email: Lenient<String>,
    /// 8 to 128 characters, any Unicode.
    #[schema(value_type = String, example = "securePassword123")]
    password: Lenient<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    image: Option<String>,
    /// Where the mailed link leads after the proof.
    #[serde(default, rename = "callbackURL")]
    callback_url: Option<String>,
    #[serde(default)]
    remember_me: Option<bool>,
}

impl UpgradeForm {
    pub fn into_form(self, who: &Who) -> Result<PasswordForm, ApiError> {
        Ok(PasswordForm {
            email: self.email.0,
            password: self.password.0,
            name: name(self.name)?,
            image: image(self.image)?,
            callback_url: callback_url(self.callback_url, who)?.map(|url| url.as_str().to_owned()),
            remember: self.remember_me.unwrap_or(true),
        })
    }
}

pub fn name(name: Option<String>) -> Result<Option<String>, ApiError> {
    bounded(name, "name", NAME_MAX)
}

pub fn image(image: Option<String>) -> Result<Option<String>, ApiError> {
    bounded(image, "image", IMAGE_MAX)
}

/// Names that would reach into the prototype of a JavaScript object.
pub const POISON: [&str; 3] = ["__proto__", "constructor", "prototype"];
/// Bytes of metadata, as JSON.
const METADATA_MAX: usize = 16 * 1024;

/// Metadata for somebody new, as JSON.
pub fn metadata(metadata: Option<Map<String, Value>>) -> Result<Option<String>, ApiError> {
    let Some(metadata) = metadata.filter(|metadata| !metadata.is_empty()) else { return Ok(None) };
    if poisoned(&metadata) {
        return Err(unfit("metadata", "must not name __proto__, constructor or prototype"));
    }
    let json = Value::Object(metadata).to_string();
    if json.len() > METADATA_MAX { Err(unfit("metadata", "takes at most 16 KB")) } else { Ok(Some(json)) }
}

/// Whether an object names a poisonous key, at whatever depth.
pub fn poisoned(object: &Map<String, Value>) -> bool {
    object.iter().any(|(key, value)| POISON.contains(&key.as_str()) || poisoned_value(value))
}

fn poisoned_value(value: &Value) -> bool {
    match value {
        Value::Object(object) => poisoned(object),
        Value::Array(values) => values.iter().any(poisoned_value),
        _ => false,
    }
}

fn bounded(value: Option<String>, field: &str, max: usize) -> Result<Option<String>, ApiError> {
    match value {
        Some(text) if text.chars().count() > max => Err(unfit(field, format!("takes at most {max} characters"))),
        fits => Ok(fits),
    }
}

/// One field that does not fit.
pub fn unfit(field: &str, message: impl Into<String>) -> ApiError {
    ApiError::validation(vec![FieldError { field: field.to_owned(), message: message.into(), code: "INVALID_VALUE" }])
}

/// Refuses two ends of a time of which the second lies before the first: nothing lies between them, and somebody mixed them up.
pub fn in_order((first, from): (&str, Option<JsonTime>), (last, to): (&str, Option<JsonTime>)) -> Result<(), ApiError> {
    match (from, to) {
        (Some(from), Some(to)) if to < from => Err(unfit(last, format!("lies before `{first}`"))),
        _ => Ok(()),
    }
}

/// 422 instead of 400, where a path says so of what does not read.
pub fn unprocessable(error: ApiError) -> ApiError {
    if error.code() == "VALIDATION_ERROR" { error.with_status(StatusCode::UNPROCESSABLE_ENTITY) } else { error }
}

pub fn callback_url(raw: Option<String>, who: &Who) -> Result<Option<CallbackUrl>, ApiError> {
    place(raw, CallbackField::CallbackUrl, Appended::Nothing, who)
}

/// Where the browser may be sent, by the origins that hold for this call.
pub fn place(
    raw: Option<String>,
    field: CallbackField,
    appended: Appended,
    who: &Who,
) -> Result<Option<CallbackUrl>, ApiError> {
    raw.map(|raw| CallbackUrl::parse(&raw, field, appended, &who.caller.settings.origins)).transpose()
}

/// Whether a person looks at a page, as opposed to a program that fetches.
pub fn navigates(headers: &HeaderMap) -> bool {
    const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
    let says = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    match says(MODE) {
        Some(mode) => mode == "navigate",
        None => says(ACCEPT).is_some_and(|accept| accept.contains("text/html")),
    }
}

/// Where a flow may send the browser, checked.
pub struct Urls {
    pub callback: Option<CallbackUrl>,
    pub new_user: Option<CallbackUrl>,
    pub error: Option<CallbackUrl>,
}

impl Urls {
    pub fn parse(
        callback: Option<String>,
        new_user: Option<String>,
        error: Option<String>,
        who: &Who,
    ) -> Result<Self, ApiError> {
        Ok(Self {
            callback: callback_url(callback, who)?,
            new_user: place(new_user, CallbackField::NewUserCallbackUrl, Appended::Nothing, who)?,
            error: place(error, CallbackField::ErrorCallbackUrl, Appended::Nothing, who)?,
        })
    }

    /// As they are kept until the browser comes back.
    pub fn details(&self) -> Details {
        let text = |url: &Option<CallbackUrl>| url.as_ref().map(|url| url.as_str().to_owned());
        Details {
            callback_url: text(&self.callback),
            new_user_callback_url: text(&self.new_user),
            error_callback_url: text(&self.error),
            ..Details::default()
        }
    }

    pub fn failed(self, error: &str) -> CallbackUrl {
        self.error.or(self.callback).unwrap_or_else(CallbackUrl::root).with_param("error", error)
    }
}
