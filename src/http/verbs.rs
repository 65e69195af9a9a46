//! Which verbs a path has, as `Allow` names them.
//!
//! The router would add HEAD to every GET. Here HEAD is refused everywhere, so it must not be offered either.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::MatchedPath;
use http::HeaderValue;
use utoipa::openapi::OpenApi;

const GET: HeaderValue = HeaderValue::from_static("GET");

#[derive(Clone, Debug)]
pub struct Verbs(Arc<BTreeMap<String, HeaderValue>>);

impl Verbs {
    /// Of all paths that the document describes.
    pub fn of(document: &OpenApi) -> Self {
        let allow = document.paths.paths.iter().map(|(path, item)| {
            let verbs = match (&item.get, &item.post) {
                (Some(_), Some(_)) => HeaderValue::from_static("GET, POST"),
                (None, Some(_)) => HeaderValue::from_static("POST"),
                (_, None) => GET,
            };
            (path.clone(), verbs)
        });
        Self(Arc::new(allow.collect()))
    }

    /// The value of `Allow`: empty where there is no such path. What the document leaves out are pages to be read.
    pub fn allow(&self, path: Option<&MatchedPath>) -> HeaderValue {
        path.map_or(HeaderValue::from_static(""), |path| self.0.get(path.as_str()).cloned().unwrap_or(GET))
    }
}
