//! `/openapi.json`, and the same as a page to browse: rendered here, without scripts, so that it works offline and under
//! the strictest content security policy.

use axum::Router;
use axum::body::Bytes;
use axum::response::IntoResponse;
use axum::routing::get;
use http::header::CONTENT_TYPE;
use serde_json::Value;
use utoipa::openapi::OpenApi;

use super::state::Http;
use crate::wire::html::{Markup, Page};

pub fn routes(document: &OpenApi) -> Router<Http> {
    // What the page is made from takes several times its size. The memory of a thread that ends goes back to the system.
    let made = std::thread::scope(|scope| scope.spawn(|| made(document)).join());
    let (json, page) = made.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    Router::new()
        .route(
            "/openapi.json",
            get(move || std::future::ready(([(CONTENT_TYPE, "application/json")], json.clone()).into_response())),
        )
        .route("/reference", get(move || std::future::ready(page.clone())))
}

fn made(document: &OpenApi) -> (Bytes, Page) {
    let json = Bytes::from(document.to_json().unwrap_or_default());
    let value: Value = serde_json::from_slice(&json).unwrap_or_default();
    (json, Page::new("Chrysalis: API reference", reference(&value)))
}

const VERBS: [&str; 2] = ["get", "post"];

fn reference(document: &Value) -> Markup {
    let mut page = Markup::new().raw("<h1>Chrysalis</h1><p>").text(text(document, "/info/description"));
    page = page.raw("</p><p>The same for machines: <a href=\"/openapi.json\">openapi.json</a></p>");
    let none = Vec::new();
    for tag in document["tags"].as_array().unwrap_or(&none) {
        let name = text(tag, "/name");
        page = page.raw("<h2>").text(name).raw("</h2><p>").text(text(tag, "/description")).raw("</p>");
        for (path, verb, operation) in operations(document).filter(|(.., operation)| operation["tags"][0] == name) {
            page = page.then(operation_markup(document, path, verb, operation));
        }
    }
    page
}

fn operations(document: &Value) -> impl Iterator<Item = (&str, &'static str, &Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, item)| VERBS.iter().filter_map(move |verb| Some((path.as_str(), *verb, item.get(*verb)?))))
}

fn operation_markup(document: &Value, path: &str, verb: &str, operation: &Value) -> Markup {
    let mut out =
        Markup::new().raw("<details><summary><code>").text(&verb.to_uppercase()).raw(" ").text(path).raw("</code> ");
    out = out.text(text(operation, "/summary")).raw("</summary><p>").text(text(operation, "/description")).raw("</p>");
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        out = out
            .raw("<p><code>")
            .text(text(parameter, "/name"))
            .raw("</code> (")
            .text(text(parameter, "/in"))
            .raw("): ");
        out = out.text(text(parameter, "/description")).raw("</p>");
    }
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    if !body.is_null() {
        out = out.raw("<p>Takes:</p>").then(fields(resolve(document, body)));
    }
    out = out.raw("<p>Answers:</p><ul>");
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        out = out.raw("<li><strong>").text(status).raw("</strong> ").text(text(response, "/description")).raw("</li>");
    }
    out.raw("</ul></details>")
}

fn fields(schema: &Value) -> Markup {
    let required: Vec<_> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut out = Markup::new().raw("<ul>");
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        out = out.raw("<li><code>").text(name).raw("</code>");
        if required.contains(&name.as_str()) {
            out = out.raw(", required");
        }
        out = out.raw(" ").text(text(field, "/description")).raw("</li>");
    }
    out.raw("</ul>")
}

fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let pointer = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| document.pointer(pointer)).unwrap_or(schema)
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
