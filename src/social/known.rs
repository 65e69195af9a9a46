//! The providers that are known by name, and what sets each apart.
//!
//! A name with `issuer` or `base_url` configured means another installation of the same kind. An id that is none of these
//! is an OIDC issuer of the operator's own.

/// What kind of provider an id is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Google,
    Apple,
    LinkedIn,
    GitLab,
    Microsoft,
    Github,
    Discord,
    Facebook,
    Twitter,
    /// Any other OIDC issuer.
    Oidc,
}

/// How a client shows at the token endpoint who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// As the discovery document says; `client_secret_basic` if it does not.
    Announced,
    Basic,
    Post,
}

/// The id under which a provider is kept.
pub fn canonical(id: &str) -> &str {
    if id == "x" { "twitter" } else { id }
}

pub fn kind(id: &str) -> Kind {
    match canonical(id) {
        "google" => Kind::Google,
        "apple" => Kind::Apple,
        "linkedin" => Kind::LinkedIn,
        "gitlab" => Kind::GitLab,
        "microsoft" => Kind::Microsoft,
        "github" => Kind::Github,
        "discord" => Kind::Discord,
        "facebook" => Kind::Facebook,
        "twitter" => Kind::Twitter,
        _ => Kind::Oidc,
    }
}

impl Kind {
    /// The issuer it has unless another is configured.
    pub fn issuer(self, tenant: Option<&str>) -> Option<String> {
        Some(match self {
            Kind::Google => "https://accounts.google.com".to_owned(),
            Kind::Apple => "https://appleid.apple.com".to_owned(),
            Kind::LinkedIn => "https://www.linkedin.com/oauth".to_owned(),
            Kind::GitLab => "https://gitlab.com".to_owned(),
            Kind::Microsoft => {
                format!("https://login.microsoftonline.com/{}/v2.0", tenant.unwrap_or("common"))
            }
            Kind::Github | Kind::Discord | Kind::Facebook | Kind::Twitter | Kind::Oidc => return None,
        })
    }

    /// OpenID Connect: endpoints and keys come from a discovery document, and who it is from an id token.
    pub const fn is_discovered(self) -> bool {
        !matches!(self, Kind::Github | Kind::Discord | Kind::Facebook | Kind::Twitter)
    }

    /// What reading a name and an address takes.
    pub const fn scopes(self) -> &'static [&'static str] {
        match self {
            Kind::Google | Kind::LinkedIn | Kind::GitLab | Kind::Microsoft | Kind::Oidc => {
                &["openid", "email", "profile"]
            }
            Kind::Apple => &["openid", "email", "name"],
            Kind::Github => &["read:user", "user:email"],
            Kind::Discord => &["identify", "email"],
            Kind::Facebook => &["email", "public_profile"],
            Kind::Twitter => &["users.read", "tweet.read", "users.email"],
        }
    }

    pub const fn client_authentication(self) -> ClientAuthentication {
        match self {
            Kind::Apple | Kind::LinkedIn | Kind::Github | Kind::Discord | Kind::Facebook => ClientAuthentication::Post,
            Kind::Twitter => ClientAuthentication::Basic,
            Kind::Google | Kind::GitLab | Kind::Microsoft | Kind::Oidc => ClientAuthentication::Announced,
        }
    }

    /// LinkedIn refuses a code verifier as an invalid client unless it enabled PKCE for the app, and its id tokens repeat no
    /// nonce; state and the browser's cookie bind the flow there.
    pub const fn repeats_nonce(self) -> bool {
        !matches!(self, Kind::LinkedIn)
    }

    pub const fn takes_verifier(self) -> bool {
        !matches!(self, Kind::LinkedIn)
    }

    /// Apple posts its answer when it is to tell a name or an address.
    pub const fn posts_back(self) -> bool {
        matches!(self, Kind::Apple)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_kind_and_any_other_an_issuer() {
        assert_eq!(kind("x"), Kind::Twitter);
        assert_eq!(canonical("x"), "twitter");
        assert_eq!(kind("my-company"), Kind::Oidc);
        assert!(kind("my-company").issuer(None).is_none());
        assert_eq!(
            kind("microsoft").issuer(Some("organizations")).unwrap(),
            "https://login.microsoftonline.com/organizations/v2.0"
        );
    }
}
