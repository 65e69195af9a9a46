//! What providers say of a person, read: never trusted to be there, to be of its type, or to be short.

use http::Request;
use http::header::{ACCEPT, AUTHORIZATION};
use serde_json::Value;

use super::known::Kind;
use super::{ProfileEmail, ProviderError};
use crate::config::SocialProvider;
use crate::outgoing::Outgoing;

/// Microsoft's tenant of personal accounts.
pub(super) const PERSONAL_TENANT: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

/// Reads a JSON document about whoever the access token is of.
pub(super) async fn get(outgoing: &Outgoing, place: &str, access_token: &str) -> Result<Value, ProviderError> {
    let failed = |why: String| ProviderError::UserInfo(why);
    let request = Request::get(place)
        .header(ACCEPT, "application/json")
        .header(AUTHORIZATION, format!("Bearer {access_token}"))
        .body(Vec::new())
        .map_err(|error| failed(error.to_string()))?;
    let answer = outgoing.send(request).await.map_err(|error| failed(error.to_string()))?;
    if !answer.status().is_success() {
        return Err(failed(format!("answered {}", answer.status().as_u16())));
    }
    serde_json::from_slice(answer.body()).map_err(|error| failed(error.to_string()))
}

/// The address that claims name, and whether the provider's word on it is taken (CONTRACT 4).
pub(super) fn email(claims: &Value, settings: &SocialProvider, tenant: Option<&str>) -> Option<ProfileEmail> {
    let address = claims["email"].as_str().filter(|address| !address.is_empty())?.to_owned();
    let verified = truth(&claims["email_verified"]);
    let vouched = match settings.kind {
        Kind::Google | Kind::Apple | Kind::LinkedIn | Kind::GitLab => verified,
        // The bare claim is what an administrator of any tenant typed.
        Kind::Microsoft => truth(&claims["xms_edov"]) || tenant == Some(PERSONAL_TENANT),
        Kind::Oidc => verified && settings.trust_email,
        Kind::Github | Kind::Discord | Kind::Facebook | Kind::Twitter => false,
    };
    Some(ProfileEmail { address, vouched })
}

/// Some say `"true"`, and Microsoft 1.
pub(super) fn truth(value: &Value) -> bool {
    match value {
        Value::Bool(truth) => *truth,
        Value::String(text) => matches!(text.as_str(), "true" | "1"),
        Value::Number(number) => number.as_u64() == Some(1),
        _ => false,
    }
}

/// The name in what Apple says on first consent: `{"name": {"firstName", "lastName"}}`. It comes through the browser, so
/// nothing but a name is taken from it.
pub(super) fn apple_name(user: &str) -> Option<String> {
    let user: Value = serde_json::from_str(user).ok()?;
    let part = |field: &str| user["name"][field].as_str().map(str::trim).filter(|part| !part.is_empty());
    let name: Vec<&str> = [part("firstName"), part("lastName")].into_iter().flatten().collect();
    (!name.is_empty()).then(|| name.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn settings(kind: Kind, trust_email: bool) -> SocialProvider {
        SocialProvider {
            id: "id".to_owned(),
            kind,
            trust_email,
            ..SocialProvider::new("id", "client".to_owned(), None)
        }
    }

    #[test]
    fn only_who_checks_addresses_vouches_for_them() {
        let said = json!({ "email": "a@b.c", "email_verified": true });
        let vouched = |kind, trust, claims: &Value, tenant: Option<&str>| {
            email(claims, &settings(kind, trust), tenant).unwrap().vouched
        };
        for kind in [Kind::Google, Kind::Apple, Kind::LinkedIn, Kind::GitLab] {
            assert!(vouched(kind, false, &said, None));
            assert!(vouched(kind, false, &json!({ "email": "a@b.c", "email_verified": "true" }), None));
            assert!(!vouched(kind, false, &json!({ "email": "a@b.c", "email_verified": false }), None));
            assert!(!vouched(kind, false, &json!({ "email": "a@b.c" }), None));
        }
        assert!(!vouched(Kind::Oidc, false, &said, None));
        assert!(vouched(Kind::Oidc, true, &said, None));
        assert!(!vouched(Kind::Microsoft, true, &said, Some("another-tenant")));
        assert!(vouched(Kind::Microsoft, false, &said, Some(PERSONAL_TENANT)));
        assert!(vouched(Kind::Microsoft, false, &json!({ "email": "a@b.c", "xms_edov": 1 }), Some("x")));
        for kind in [Kind::Facebook, Kind::Twitter] {
            assert!(!vouched(kind, true, &said, None));
        }
        assert_eq!(email(&json!({ "email": "" }), &settings(Kind::Google, true), None), None);
        assert_eq!(email(&json!({ "email": ["a@b.c"] }), &settings(Kind::Google, true), None), None);
    }

    #[test]
    fn apple_tells_a_name_once_and_in_parts() {
        let name = |text: &str| apple_name(text);
        assert_eq!(name(r#"{"name":{"firstName":"Jane","lastName":"Doe"},"email":"x@y.z"}"#).unwrap(), "Jane Doe");
        assert_eq!(name(r#"{"name":{"firstName":" Jane "}}"#).unwrap(), "Jane");
        for none in ["", "{}", r#"{"name":"Jane"}"#, r#"{"name":{"firstName":1}}"#, "["] {
            assert_eq!(name(none), None);
        }
    }
}
