//! What a request says of an identity provider.

use chrysalis_domain::settings::ProviderChange;

use super::reader::{Object, Reader};
use crate::app::configure::ProviderForm;
use crate::config::{RESERVED, is_tenant, keys};
use crate::settings::{Effective, Latest};
use crate::social::known::{self, Kind};
use crate::wire::body::Fields;
use crate::wire::error::ApiError;

/// Longest client id, in characters.
const CLIENT_ID_MAX: usize = 512;
/// Longest client secret: some are signed statements.
const SECRET_MAX: usize = 4096;
/// Providers in one request.
const PROVIDERS_MAX: usize = 64;

/// Which providers there are.
pub(super) struct Known<'s> {
    pub(super) latest: &'s Latest,
    pub(super) now: &'s Effective,
}

impl Known<'_> {
    fn is_there(&self, id: &str) -> bool {
        self.latest.provider(self.now, id).is_some()
    }

    /// An issuer of the operator's own is known by the start-up configuration alone.
    fn has_issuer(&self, id: &str) -> bool {
        self.latest.startup_provider(id).is_some()
    }
}

/// `{providerId, clientId, clientSecret?, tenantId?, enabled?}`.
pub(super) fn read(fields: Fields, known: &Known<'_>) -> Result<ProviderForm, ApiError> {
    let (mut reader, mut root) = (Reader::default(), Object::root(fields));
    let id = named(&mut reader, &mut root);
    let form = id.and_then(|id| one(&mut reader, &id, &mut root, known, "providerId"));
    reader.done()?;
    form.ok_or_else(ApiError::bad_request)
}

/// `{providerId}`.
pub(super) fn read_id(fields: Fields) -> Result<String, ApiError> {
    let (mut reader, mut root) = (Reader::default(), Object::root(fields));
    let id = named(&mut reader, &mut root);
    reader.done()?;
    id.map(|id| known::canonical(&id).to_owned()).ok_or_else(ApiError::bad_request)
}

/// `{<id>: {clientId?, clientSecret?, tenantId?, enabled?}}`, or `{<id>: true or false}`.
pub(super) fn read_all(r: &mut Reader, mut providers: Object, known: &Known<'_>) -> Vec<ProviderForm> {
    let ids = providers.names();
    if ids.len() > PROVIDERS_MAX {
        let place = providers.place("");
        r.mistake(place.trim_end_matches('.').to_owned(), "INVALID_VALUE", "names at most 64 providers");
        return Vec::new();
    }
    let mut forms: Vec<ProviderForm> = Vec::with_capacity(ids.len());
    for id in ids {
        let form = match providers.is_switch(&id) {
            Some(on) => {
                let mut switched = Object::root([("enabled".to_owned(), on.into())].into_iter().collect());
                switched.stand_at(providers.place(&id));
                one(r, &id, &mut switched, known, "clientId")
            }
            None => match r.object(&mut providers, &id) {
                Some(mut object) => one(r, &id, &mut object, known, "clientId"),
                None => None,
            },
        };
        let Some(form) = form else { continue };
        if forms.iter().any(|other| other.id == form.id) {
            r.unfit(&providers, &id, "is named twice, as twitter and as x");
        } else {
            forms.push(form);
        }
    }
    forms
}

fn named(r: &mut Reader, object: &mut Object) -> Option<String> {
    let before = r.mistakes();
    let id = r.text_or_none(object, "providerId").flatten();
    if id.is_none() && r.mistakes() == before {
        r.mistake(object.place("providerId"), "REQUIRED", "is required");
    }
    id
}

/// `at` is the field that is told of when the provider itself can't be.
fn one(r: &mut Reader, id: &str, object: &mut Object, known: &Known<'_>, at: &str) -> Option<ProviderForm> {
    let id = known::canonical(id);
    let kind = known::kind(id);
    let there = known.is_there(id);
    if !keys::is_id(id) || RESERVED.contains(&id) {
        r.unfit(object, at, "is no name of a provider: lower-case letters, digits and -, at most 32");
        return None;
    }
    if kind == Kind::Oidc && !known.has_issuer(id) {
        let why = format!(
            "{id} is none of the providers known by name; an issuer of your own is configured at the start, as social.{id}.issuer"
        );
        r.unfit(object, at, why);
        return None;
    }
    let before = r.mistakes();
    let client_id = text(r, object, "clientId", CLIENT_ID_MAX);
    if client_id.is_none() && !there && r.mistakes() == before {
        r.mistake(object.place("clientId"), "REQUIRED", "is required");
    }
    let client_secret = text(r, object, "clientSecret", SECRET_MAX);
    let tenant_id = r.text_or_none(object, "tenantId").map(|tenant| tenant.filter(|tenant| !tenant.is_empty()));
    if let Some(Some(tenant)) = &tenant_id {
        if kind != Kind::Microsoft {
            r.unfit(object, "tenantId", "is for microsoft alone");
        } else if !is_tenant(tenant) {
            r.unfit(object, "tenantId", "is common, organizations, consumers, or the id of a tenant");
        }
    }
    let change = ProviderChange { client_id, tenant_id, enabled: r.switch(object, "enabled") };
    ["hasClientSecret", "updatedAt"].into_iter().for_each(|name| drop(object.take(name)));
    r.rest(object);
    Some(ProviderForm { id: id.to_owned(), change, client_secret: client_secret.map(Into::into) })
}

/// What is empty says nothing: a form that shows no secret sends none.
fn text(r: &mut Reader, object: &mut Object, name: &str, max: usize) -> Option<String> {
    let text = r.text_or_none(object, name)??;
    if text.chars().count() > max || text.chars().any(char::is_control) {
        r.unfit(object, name, format!("takes at most {max} characters, none of them a control character"));
        return None;
    }
    Some(text).filter(|text| !text.is_empty())
}
