//! What somebody has to show before a guest is made for them: work, or a captcha of somebody else's.

mod captcha;
pub mod solver;
mod work;

use serde_json::json;

use crate::support::{Answer, Client};

/// Asks for a guest without showing anything.
async fn arrive(caller: &Client) -> Answer {
    caller.post("/sign-in/anonymous", &json!({})).await
}

/// Asks for a guest and shows this.
async fn show(caller: &Client, answer: &str) -> Answer {
    caller.post("/sign-in/anonymous", &json!({ "captchaResponse": answer })).await
}
