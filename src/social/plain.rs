//! Providers of OAuth 2 without OpenID Connect: where they stand, and how each tells who somebody is.

use oauth2::AccessToken;
use serde_json::Value;

use super::known::Kind;
use super::reader::{get, truth};
use super::{Profile, ProfileEmail, ProviderError, is_subject};
use crate::outgoing::Outgoing;
use crate::wire::origin::Origin;

/// Meta's Graph API keeps a version for about two years.
const GRAPH: &str = "v23.0";

/// Where a provider is spoken to.
pub(super) struct Places {
    kind: Kind,
    /// Names it in the key of an identity.
    issuer: String,
    pub(super) authorization: String,
    pub(super) token: String,
    /// Below which it tells of people.
    api: String,
}

impl Places {
    pub(super) fn of(kind: Kind, base: Option<&Origin>) -> Self {
        let base = base.map(Origin::to_string);
        let at = |own: &str, path: &str| format!("{}{path}", base.as_deref().unwrap_or(own));
        let issuer = |own: &str| base.clone().unwrap_or_else(|| own.to_owned());
        match kind {
            Kind::Discord => Self {
                kind,
                issuer: issuer("https://discord.com"),
                authorization: at("https://discord.com", "/oauth2/authorize"),
                token: at("https://discord.com", "/api/oauth2/token"),
                api: at("https://discord.com", "/api"),
            },
            Kind::Facebook => Self {
                kind,
                issuer: issuer("https://www.facebook.com"),
                authorization: at("https://www.facebook.com", &format!("/{GRAPH}/dialog/oauth")),
                token: at("https://graph.facebook.com", &format!("/{GRAPH}/oauth/access_token")),
                api: at("https://graph.facebook.com", &format!("/{GRAPH}")),
            },
            Kind::Twitter => Self {
                kind,
                issuer: issuer("https://x.com"),
                authorization: at("https://x.com", "/i/oauth2/authorize"),
                token: at("https://api.x.com", "/2/oauth2/token"),
                api: at("https://api.x.com", "/2"),
            },
            // GitHub; nobody else gets here. An Enterprise server has its API below its own origin.
            _ => Self {
                kind,
                issuer: issuer("https://github.com"),
                authorization: at("https://github.com", "/login/oauth/authorize"),
                token: at("https://github.com", "/login/oauth/access_token"),
                api: match &base {
                    Some(base) => format!("{base}/api/v3"),
                    None => "https://api.github.com".to_owned(),
                },
            },
        }
    }

    pub(super) async fn profile(&self, outgoing: &Outgoing, token: &AccessToken) -> Result<Profile, ProviderError> {
        let get = async |path: &str| get(outgoing, &format!("{}{path}", self.api), token.secret()).await;
        match self.kind {
            Kind::Discord => {
                let user = get("/users/@me").await?;
                let vouched = truth(&user["verified"]);
                let name = text(&user["global_name"]).or_else(|| text(&user["username"]));
                let image = text(&user["id"]).zip(text(&user["avatar"]));
                let image = image.map(|(id, avatar)| format!("https://cdn.discordapp.com/avatars/{id}/{avatar}.png"));
                self.told(&user["id"], email(&user["email"], vouched), name, image)
            }
            Kind::Facebook => {
                let user = get("/me?fields=id,name,email,picture").await?;
                let image = text(&user["picture"]["data"]["url"]);
                self.told(&user["id"], email(&user["email"], false), text(&user["name"]), image)
            }
            Kind::Twitter => {
                let user = get("/users/me?user.fields=profile_image_url,confirmed_email").await?;
                let user = &user["data"];
                let image = text(&user["profile_image_url"]);
                self.told(&user["id"], email(&user["confirmed_email"], false), text(&user["name"]), image)
            }
            _ => {
                let user = get("/user").await?;
                let name = text(&user["name"]).or_else(|| text(&user["login"]));
                // What the profile shows is whatever its owner typed: only this list says what was verified. An app that
                // may not read it gets no address.
                let addresses = get("/user/emails").await.unwrap_or(Value::Null);
                let primary = addresses.as_array().and_then(|all| all.iter().find(|one| truth(&one["primary"])));
                let address = primary.and_then(|one| email(&one["email"], truth(&one["verified"])));
                self.told(&user["id"], address, name, text(&user["avatar_url"]))
            }
        }
    }

    fn told(
        &self,
        id: &Value,
        email: Option<ProfileEmail>,
        name: Option<String>,
        image: Option<String>,
    ) -> Result<Profile, ProviderError> {
        let subject = match id {
            Value::String(id) => id.clone(),
            Value::Number(id) => id.to_string(),
            _ => String::new(),
        };
        if !is_subject(&subject) {
            return Err(ProviderError::UserInfo("there is no id in the answer".to_owned()));
        }
        Ok(Profile { issuer: self.issuer.clone(), subject, email, name, image, scopes: Vec::new() })
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn email(value: &Value, vouched: bool) -> Option<ProfileEmail> {
    text(value).map(|address| ProfileEmail { address, vouched })
}
