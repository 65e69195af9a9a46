//! What every handler works with.

use std::collections::HashMap;
use std::sync::Arc;

use http::Method;

use crate::app::App;
use crate::limits::address::TrustedProxies;
use crate::metrics::Metrics;
use crate::wire::cookie::CookieNames;
use crate::wire::origin::{Origin, Origins};
use crate::wire::signed::Signer;

/// The server as the handlers see it. Cheap to clone.
#[derive(Clone)]
pub struct Http(Arc<Parts>);

pub struct Parts {
    pub app: App,
    pub origins: Origins,
    pub cookies: CookieNames,
    pub signer: Signer,
    pub trusted_proxies: TrustedProxies,
    /// Where relative links of mails and redirects lead.
    pub app_origin: Option<Origin>,
    pub metrics: Arc<Metrics>,
    /// Every path there is, base path included, and its verbs.
    pub verbs: HashMap<String, Vec<Method>>,
}

impl Http {
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// The path, if it is one of ours.
    pub fn route(&self, path: &str) -> Option<&str> {
        self.verbs.get_key_value(path).map(|(path, _)| path.as_str())
    }

    /// Whether the path is there, but not for this verb.
    pub fn is_wrong_verb(&self, path: &str, verb: &Method) -> bool {
        self.verbs.get(path).is_some_and(|verbs| !verbs.contains(verb))
    }
}

impl std::ops::Deref for Http {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
