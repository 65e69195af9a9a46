//! Which answers are failures that matter to whoever looks on, and are counted ([`crate::attempts`]).

use axum::response::Response;
use chrysalis_domain::attempts::AttemptKind;
use chrysalis_domain::id::UserId;

use super::state::Http;
use crate::attempts::Attempt;
use crate::limits::ClientAddress;
use crate::wire::error::Refused;

/// Who asked, as far as it is known.
#[derive(Clone, Copy)]
pub struct Asker {
    pub address: ClientAddress,
    /// The user in whose session it was asked.
    pub user: Option<UserId>,
}

impl Http {
    /// Counts an answer, if it is one of these. `path` is a route's, below the base path; none of what is no route.
    pub(super) fn count_failure(&self, path: Option<&str>, asker: Asker, response: &Response) {
        let Some(Refused { code, about }) = response.extensions().get() else { return };
        let refused = response.status().is_client_error();
        let Some(kind) = kind(path.unwrap_or_default(), code).filter(|_| refused) else { return };
        // Whoever has a session and guesses at another account fails at that one, or at nobody's.
        let user = if guesses_at_others(code) { *about } else { about.or(asker.user) };
        let attempt =
            Attempt { code: code.clone(), path: path.map(str::to_owned), network: asker.address.bucket(), user };
        self.attempts.count(kind, attempt, self.app.clock.now());
    }
}

fn kind(path: &str, code: &str) -> Option<AttemptKind> {
    let signs_in = path.starts_with("/sign-in/") || path == "/anonymous/recovery";
    match code {
        "RATE_LIMITED" => Some(AttemptKind::RateLimit),
        "INVALID_API_KEY" | "INSUFFICIENT_PERMISSION" => Some(AttemptKind::ApiKey),
        "INVALID_EMAIL_OR_PASSWORD" | "INVALID_PASSWORD" | "INVALID_OTP" | "OTP_EXPIRED" | "TOO_MANY_ATTEMPTS" => {
            Some(AttemptKind::SignIn)
        }
        "BANNED_USER" | "EMAIL_NOT_VERIFIED" | "INVALID_TOKEN" | "TOKEN_EXPIRED" if signs_in => {
            Some(AttemptKind::SignIn)
        }
        _ if path.starts_with("/anonymous/upgrade") => Some(AttemptKind::Upgrade),
        _ => None,
    }
}

fn guesses_at_others(code: &str) -> bool {
    matches!(code, "INVALID_EMAIL_OR_PASSWORD" | "INVALID_OTP" | "OTP_EXPIRED" | "TOO_MANY_ATTEMPTS" | "INVALID_TOKEN")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_is_counted_and_what_does_not_is_not() {
        for (path, code, counted) in [
            ("/sign-in/email", "INVALID_EMAIL_OR_PASSWORD", Some(AttemptKind::SignIn)),
            ("/sign-in/email-otp", "INVALID_OTP", Some(AttemptKind::SignIn)),
            ("/sign-in/email", "BANNED_USER", Some(AttemptKind::SignIn)),
            ("/sign-in/social", "INVALID_TOKEN", Some(AttemptKind::SignIn)),
            ("/anonymous/recovery", "INVALID_TOKEN", Some(AttemptKind::SignIn)),
            ("/change-password", "INVALID_PASSWORD", Some(AttemptKind::SignIn)),
            ("/anonymous/upgrade", "EMAIL_ALREADY_IN_USE", Some(AttemptKind::Upgrade)),
            ("/anonymous/upgrade", "RATE_LIMITED", Some(AttemptKind::RateLimit)),
            ("", "RATE_LIMITED", Some(AttemptKind::RateLimit)),
            ("/banata/audit-logs/list", "INSUFFICIENT_PERMISSION", Some(AttemptKind::ApiKey)),
            ("/sign-in/email", "VALIDATION_ERROR", None),
            ("/list-sessions", "UNAUTHORIZED", None),
            ("/list-sessions", "BANNED_USER", None),
        ] {
            assert_eq!(kind(path, code), counted, "{path} {code}");
        }
    }
}
