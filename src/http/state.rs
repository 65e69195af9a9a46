//! What every handler works with.

use std::collections::HashMap;
use std::sync::Arc;

use chrysalis_domain::value::Locale;
use http::Method;

use super::readiness::Readiness;
use super::streams::Streams;
use crate::app::App;
use crate::attempts::Attempts;
use crate::limits::address::TrustedProxies;
use crate::metrics::Metrics;
use crate::tokens::Tokens;
use crate::wire::cookie::CookieNames;
use crate::wire::origin::Origin;
use crate::wire::signed::Signer;

/// The server as the handlers see it. Cheap to clone.
#[derive(Clone)]
pub struct Http(Arc<Inner>);

struct Inner {
    parts: Parts,
    /// Routes that end in a parameter, by what stands before it.
    parameters: HashMap<String, String>,
}

pub struct Parts {
    pub app: App,
    pub cookies: CookieNames,
    pub signer: Signer,
    pub trusted_proxies: TrustedProxies,
    /// Where relative links of mails and redirects lead.
    pub app_origin: Option<Origin>,
    /// Languages that mails can be written in.
    pub languages: Vec<Locale>,
    pub tokens: Tokens,
    pub metrics: Arc<Metrics>,
    pub readiness: Readiness,
    /// What failed here and is not written yet.
    pub attempts: Arc<Attempts>,
    /// Answers that do not end by themselves.
    pub streams: Streams,
    /// Every path there is, base path included, and its verbs.
    pub verbs: HashMap<String, Vec<Method>>,
}

impl Http {
    pub fn new(parts: Parts) -> Self {
        let parameters = parts.verbs.keys().filter_map(|path| {
            let (before, last) = path.rsplit_once('/')?;
            last.starts_with('{').then(|| (before.to_owned(), path.clone()))
        });
        Self(Arc::new(Inner { parameters: parameters.collect(), parts }))
    }

    /// The path as the route table has it, if it is one of ours: without what stands in for a parameter.
    pub fn route(&self, path: &str) -> Option<&str> {
        let known = |path: &str| self.verbs.get_key_value(path).map(|(path, _)| path.as_str());
        known(path).or_else(|| {
            let (before, last) = path.rsplit_once('/')?;
            let parameter = self.0.parameters.get(before)?;
            (!last.is_empty()).then_some(parameter.as_str())
        })
    }

    /// Whether the path is there, but not for this verb.
    pub fn is_wrong_verb(&self, path: &str, verb: &Method) -> bool {
        self.route(path).and_then(|route| self.verbs.get(route)).is_some_and(|verbs| !verbs.contains(verb))
    }
}

impl std::ops::Deref for Http {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0.parts
    }
}
