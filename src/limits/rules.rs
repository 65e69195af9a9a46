//! The limits as one table: which request falls under which rule, and how much each rule and budget allows.

use chrysalis_domain::Span;
use serde::Deserialize;

const MINUTE: Span = Span::from_secs(60);
const HOUR: Span = Span::from_hours(1);
const DAY: Span = Span::from_days(1);

/// How often something may be asked for. Every request falls under exactly one rule; see [`rule_for`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Counted by the log in the batch that makes the guest, exactly across nodes; admitted unseen here.
    GuestCreation,
    SignIn,
    SignUp,
    OtpSend,
    OtpVerify,
    Mail,
    LinkVerify,
    Password,
    Admin,
    Default,
}

/// How often something may turn out badly: counted by outcome, not by request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Budget {
    /// Answers that tell that an address is taken.
    Conflict,
    /// Wrong passwords for an e-mail address, known or not.
    WrongPassword,
    /// Wrong passwords for an e-mail address from a network from which its owner signed in lately: strangers who use up
    /// [`Budget::WrongPassword`] don't lock the owner out.
    WrongPasswordFamiliar,
    /// Wrong one-time codes for an e-mail address.
    WrongCode,
    /// Wrong codes by which guests come back.
    WrongRecovery,
    /// What was shown for a guest and was not good: each may cost a call to somebody else's server.
    FailedChallenge,
}

/// What a limit is counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Address,
    Network56,
    Network48,
    Email,
    EmailAtAddress,
    /// The live session; not counted without one.
    Session,
    /// The valid API key or the admin's session, else the address.
    AuthorityElseAddress,
}

/// At most `limit` in `span` for each value of `by`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ceiling {
    pub limit: u32,
    pub span: Span,
    pub by: By,
}

const fn ceiling(limit: u32, span: Span, by: By) -> Ceiling {
    Ceiling { limit, span, by }
}

impl Rule {
    pub const ALL: [Rule; 10] = [
        Rule::GuestCreation,
        Rule::SignIn,
        Rule::SignUp,
        Rule::OtpSend,
        Rule::OtpVerify,
        Rule::Mail,
        Rule::LinkVerify,
        Rule::Password,
        Rule::Admin,
        Rule::Default,
    ];

    /// Requests per 60 seconds.
    pub const fn limit(self) -> u32 {
        match self {
            Rule::GuestCreation | Rule::SignIn | Rule::SignUp | Rule::OtpSend | Rule::OtpVerify => 30,
            Rule::Mail | Rule::Password => 10,
            Rule::LinkVerify => 100,
            Rule::Admin => 120,
            Rule::Default => 600,
        }
    }

    /// What is counted exactly. The default rule refills instead and has none of these.
    pub fn ceilings(self, limit: u32) -> Vec<Ceiling> {
        match self {
            Rule::GuestCreation | Rule::Default => vec![],
            Rule::Password => vec![ceiling(limit, MINUTE, By::Session), ceiling(limit, MINUTE, By::Address)],
            Rule::Admin => vec![ceiling(limit, MINUTE, By::AuthorityElseAddress)],
            _ => vec![ceiling(limit, MINUTE, By::Address)],
        }
    }

    /// For metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Rule::GuestCreation => "guest-creation",
            Rule::SignIn => "sign-in",
            Rule::SignUp => "sign-up",
            Rule::OtpSend => "otp-send",
            Rule::OtpVerify => "otp-verify",
            Rule::Mail => "mail",
            Rule::LinkVerify => "link-verify",
            Rule::Password => "password",
            Rule::Admin => "admin",
            Rule::Default => "default",
        }
    }
}

impl Budget {
    pub const ALL: [Budget; 6] = [
        Budget::Conflict,
        Budget::WrongPassword,
        Budget::WrongPasswordFamiliar,
        Budget::WrongCode,
        Budget::WrongRecovery,
        Budget::FailedChallenge,
    ];

    /// The budget a password guess is taken from.
    pub const fn password(familiar_network: bool) -> Self {
        if familiar_network { Budget::WrongPasswordFamiliar } else { Budget::WrongPassword }
    }

    /// All of these must have room. `factor` raises them together, for deployments where many people share an address.
    pub fn ceilings(self, factor: u32) -> Vec<Ceiling> {
        let table: &[Ceiling] = match self {
            Budget::Conflict => &[
                ceiling(5, HOUR, By::Session),
                ceiling(20, HOUR, By::Address),
                ceiling(80, HOUR, By::Network56),
                ceiling(320, HOUR, By::Network48),
                ceiling(3, HOUR, By::Email),
            ],
            Budget::WrongPassword => &[ceiling(10, Span::from_secs(600), By::Email), ceiling(100, DAY, By::Email)],
            Budget::WrongPasswordFamiliar => {
                &[ceiling(10, Span::from_secs(600), By::EmailAtAddress), ceiling(100, DAY, By::EmailAtAddress)]
            }
            Budget::WrongCode => &[ceiling(10, MINUTE, By::Email)],
            Budget::WrongRecovery => &[ceiling(10, MINUTE, By::Address)],
            Budget::FailedChallenge => &[
                ceiling(30, Span::from_secs(600), By::Address),
                ceiling(120, Span::from_secs(600), By::Network56),
                ceiling(480, Span::from_secs(600), By::Network48),
            ],
        };
        table.iter().map(|line| Ceiling { limit: line.limit.saturating_mul(factor), ..*line }).collect()
    }

    /// For metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Budget::Conflict => "conflict",
            Budget::WrongPassword => "wrong-password",
            Budget::WrongPasswordFamiliar => "wrong-password-familiar",
            Budget::WrongCode => "wrong-code",
            Budget::WrongRecovery => "wrong-recovery",
            Budget::FailedChallenge => "failed-challenge",
        }
    }
}

/// What tells two requests to one path apart.
#[derive(Clone, Copy, Debug, Default)]
pub struct Particulars {
    /// The method is POST.
    pub post: bool,
    /// The body has an `otp`.
    pub otp: bool,
    /// A valid API key was presented.
    pub by_key: bool,
}

/// When a line of the table holds.
enum When {
    Always,
    WithOtp,
    WithoutOtp,
    Posted,
    ByKey,
}
use When::{Always, ByKey, Posted, WithOtp, WithoutOtp};

/// First match; a trailing `*` stands for anything, nothing included.
///
/// `/sign-in/anonymous` is not here: it falls under the default rule, and if it makes a guest the log counts that.
/// `/verify-email/confirm` stands before `/verify-email*`: showing the form is a look at a link, posting it is a guess at a
/// password.
const TABLE: &[(&str, When, Rule)] = &[
    ("/sign-in/email", Always, Rule::SignIn),
    ("/sign-in/social", Always, Rule::SignIn),
    ("/sign-in/magic-link", Always, Rule::SignIn),
    ("/link-social", Always, Rule::SignIn),
    ("/anonymous/upgrade-with-social", Always, Rule::SignIn),
    ("/sign-up/*", Always, Rule::SignUp),
    ("/anonymous/upgrade", Always, Rule::SignUp),
    ("/email-otp/send-verification-otp", Always, Rule::OtpSend),
    ("/sign-in/email-otp", WithoutOtp, Rule::OtpSend),
    ("/sign-in/email-otp", WithOtp, Rule::OtpVerify),
    ("/email-otp/verify-email", Always, Rule::OtpVerify),
    ("/email-otp/check-verification-otp", Always, Rule::OtpVerify),
    ("/email-otp/reset-password", Always, Rule::OtpVerify),
    ("/request-password-reset", Always, Rule::Mail),
    ("/forget-password*", Always, Rule::Mail),
    ("/reset-password", Always, Rule::Mail),
    ("/reset-password/confirm", Always, Rule::Mail),
    ("/email-otp/request-password-reset", Always, Rule::Mail),
    ("/send-verification-email", Always, Rule::Mail),
    ("/change-email*", Always, Rule::Mail),
    ("/verify-email/confirm", Posted, Rule::Password),
    ("/magic-link/verify*", Always, Rule::LinkVerify),
    ("/verify-email*", Always, Rule::LinkVerify),
    ("/reset-password/*", Always, Rule::LinkVerify),
    ("/change-password", Always, Rule::Password),
    ("/set-password", Always, Rule::Password),
    ("/delete-user", Always, Rule::Password),
    ("/admin/*", Always, Rule::Admin),
    ("/audit/*", Always, Rule::Admin),
    ("/banata/*", Always, Rule::Admin),
    ("/api-key/*", Always, Rule::Admin),
    ("/analytics/*", Always, Rule::Admin),
    ("/organization/*", ByKey, Rule::Admin),
];

/// The rule of a request; `path` is relative to the base path and begins with a slash.
pub fn rule_for(path: &str, particulars: Particulars) -> Rule {
    let fits = |pattern: &str| match pattern.strip_suffix('*') {
        Some(prefix) => path.starts_with(prefix),
        None => path == pattern,
    };
    let holds = |when: &When| match when {
        Always => true,
        WithOtp => particulars.otp,
        WithoutOtp => !particulars.otp,
        Posted => particulars.post,
        ByKey => particulars.by_key,
    };
    let line = TABLE.iter().find(|(pattern, when, _)| fits(pattern) && holds(when));
    line.map_or(Rule::Default, |(_, _, rule)| *rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(path: &str) -> Rule {
        rule_for(path, Particulars { post: true, ..Particulars::default() })
    }

    #[test]
    fn similar_paths_fall_under_their_own_rules() {
        let expected = [
            ("/get-session", Rule::Default),
            ("/sign-in/anonymous", Rule::Default),
            ("/sign-in/email", Rule::SignIn),
            ("/anonymous/upgrade", Rule::SignUp),
            ("/anonymous/upgrade-with-social", Rule::SignIn),
            ("/anonymous/transfer", Rule::Default),
            ("/sign-up/email", Rule::SignUp),
            ("/forget-password", Rule::Mail),
            ("/forget-password/email-otp", Rule::Mail),
            ("/reset-password", Rule::Mail),
            ("/reset-password/confirm", Rule::Mail),
            ("/reset-password/some-token", Rule::LinkVerify),
            ("/email-otp/reset-password", Rule::OtpVerify),
            ("/magic-link/verify", Rule::LinkVerify),
            ("/verify-email", Rule::LinkVerify),
            ("/verify-email/confirm", Rule::Password),
            ("/delete-user", Rule::Password),
            ("/delete-user/callback", Rule::Default),
            ("/admin/list-users", Rule::Admin),
            ("/audit/events", Rule::Admin),
            ("/organization/create", Rule::Default),
        ];
        for (path, rule) in expected {
            assert_eq!(plain(path), rule, "{path}");
        }
    }

    #[test]
    fn one_path_may_be_two_requests() {
        let otp = Particulars { otp: true, ..Particulars::default() };
        assert_eq!(rule_for("/sign-in/email-otp", otp), Rule::OtpVerify);
        assert_eq!(plain("/sign-in/email-otp"), Rule::OtpSend);
        assert_eq!(rule_for("/verify-email/confirm", Particulars::default()), Rule::LinkVerify);
        let by_key = Particulars { by_key: true, ..Particulars::default() };
        assert_eq!(rule_for("/organization/create", by_key), Rule::Admin);
    }

    #[test]
    fn a_name_in_the_configuration_is_the_name_in_the_metrics() {
        for rule in Rule::ALL {
            let name = serde_json::Value::from(rule.name());
            assert_eq!(serde_json::from_value::<Rule>(name).unwrap(), rule);
        }
        for budget in Budget::ALL {
            let name = serde_json::Value::from(budget.name());
            assert_eq!(serde_json::from_value::<Budget>(name).unwrap(), budget);
        }
    }
}
