//! What can be set while a server runs, in one table: each setting with its type, what it means, and what it may be.

use serde::{Deserialize, Deserializer, Serialize};

use crate::password::PasswordPolicy;
use crate::time::Span;
use crate::user::command::ExpiryTerms;

/// Declares the settings. A name once written is for ever: it stands in events.
macro_rules! settings {
    ($($group:ident: $Group:ident, $GroupChange:ident {
        $($(#[$about:meta])* $name:ident: $type:ty $(, $fits:expr)?;)*
    })*) => {
        /// Every setting with its value.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Values {
            $(pub $group: $Group,)*
        }

        /// Some settings with their values.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct Changes {
            $(#[serde(default, skip_serializing_if = "is_empty")]
            pub $group: $GroupChange,)*
        }

        $(
            #[derive(Clone, Debug, PartialEq, Eq)]
            pub struct $Group {
                $($(#[$about])* pub $name: $type,)*
            }

            #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
            pub struct $GroupChange {
                $($(#[$about])*
                #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
                pub $name: Option<$type>,)*
            }
        )*

        impl Values {
            /// These values with those of `changes` in their place.
            pub fn with(&self, changes: &Changes) -> Values {
                Values {
                    $($group: $Group {
                        $($name: changes.$group.$name.clone().unwrap_or_else(|| self.$group.$name.clone()),)*
                    },)*
                }
            }

            /// Of what is wished, that which differs: as it is, and as it would be.
            pub fn apart(&self, wished: Changes) -> (Changes, Changes) {
                let (mut before, mut after) = (Changes::default(), Changes::default());
                $($(
                    if let Some(value) = wished.$group.$name
                        && value != self.$group.$name
                    {
                        before.$group.$name = Some(self.$group.$name.clone());
                        after.$group.$name = Some(value);
                    }
                )*)*
                (before, after)
            }
        }

        impl Changes {
            /// Adds later changes to these.
            pub fn merge(&mut self, later: &Changes) {
                $($(
                    if let Some(value) = &later.$group.$name {
                        self.$group.$name = Some(value.clone());
                    }
                )*)*
            }

            /// The name and the rule of each setting that may not be what it is here.
            pub fn mistakes(&self) -> Vec<Mistake> {
                #[allow(unused_mut, reason = "not every setting has a rule")]
                let mut mistakes = Vec::new();
                $($($(
                    if let Some(value) = &self.$group.$name
                        && let Err(rule) = $fits(value)
                    {
                        mistakes.push(Mistake { name: concat!(stringify!($group), ".", stringify!($name)), rule });
                    }
                )?)*)*
                mistakes
            }
        }
    };
}

settings! {
    anonymous: Anonymous, AnonymousChange {
        /// Whether guests may be made.
        enabled: bool;
        /// How long after their last activity guests are kept; none is for ever.
        max_age: Option<Span>, max_age;
    }
    methods: Methods, MethodsChange {
        /// Whether passwords may be used.
        email_password: bool;
        magic_link: bool;
        email_otp: bool;
        organization: bool;
    }
    passwords: Passwords, PasswordsChange {
        /// Password sign-in only after the address was proven.
        require_email_verification: bool;
        /// Whether a sign-up opens a session.
        auto_sign_in: bool;
        min_length: u16, min_length;
        max_length: u16, max_length_of_passwords;
    }
    features: Features, FeaturesChange {
        /// Whether new members may come, upgrades included.
        sign_up: bool;
    }
    sessions: Sessions, SessionsChange {
        /// No session lives longer than this, however often it is used; none is no bound.
        max_length: Option<Span>, max_length;
        /// How long a session lives from its last extension.
        inactivity_timeout: Span, inactivity_timeout;
        /// How long a token for other services is good.
        access_token_duration: Span, access_token_duration;
        /// Origins that may call with cookies, besides those of the start-up configuration.
        cors_origins: Vec<String>, cors_origins;
    }
}

/// A setting that may not be what it was wished to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Group and name, with a dot between.
    pub name: &'static str,
    /// What it must be.
    pub rule: &'static str,
}

impl Passwords {
    pub fn policy(&self) -> PasswordPolicy {
        PasswordPolicy { min: self.min_length.into(), max: self.max_length.into() }
    }
}

/// A field that is there has a value, `null` included where the value may be none.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

fn is_empty<T: Default + PartialEq>(changes: &T) -> bool {
    *changes == T::default()
}

type Fits = Result<(), &'static str>;

fn fits(fit: bool, rule: &'static str) -> Fits {
    if fit { Ok(()) } else { Err(rule) }
}

const HOUR: Span = Span::from_hours(1);

fn max_age(age: &Option<Span>) -> Fits {
    let within = ExpiryTerms::MAX_AGE;
    let whole = |age: &Span| age.as_millis() % 1000 == 0;
    let rule = "must be a whole number of seconds from 3600 (an hour) to 315360000 (ten years), or null";
    fits(age.as_ref().is_none_or(|age| within.contains(age) && whole(age)), rule)
}

fn min_length(length: &u16) -> Fits {
    fits((8..=64).contains(length), "must be a whole number from 8 to 64")
}

fn max_length_of_passwords(length: &u16) -> Fits {
    fits((64..=256).contains(length), "must be a whole number from 64 to 256")
}

fn max_length(length: &Option<Span>) -> Fits {
    let within = HOUR..=Span::from_days(3650);
    fits(length.as_ref().is_none_or(|length| within.contains(length)), "must be from 1 hour to 3650 days, or null")
}

fn inactivity_timeout(timeout: &Span) -> Fits {
    fits((HOUR..=Span::from_days(400)).contains(timeout), "must be from 1 hour to 400 days")
}

/// A token outlives sign-out and deletion: never by more than this (SECURITY S10).
fn access_token_duration(duration: &Span) -> Fits {
    fits((Span::from_secs(60)..=Span::from_secs(900)).contains(duration), "must be from 1 to 15 minutes")
}

/// Which origins may be trusted at all is for those to say who can read them.
fn cors_origins(origins: &[String]) -> Fits {
    let short = |origin: &String| origin.len() <= 255;
    fits(origins.len() <= 100 && origins.iter().all(short), "must be at most 100 origins of at most 255 characters")
}
