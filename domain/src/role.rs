//! What a user may do in the app, by name: a list compared by equality of its parts, never by what it contains.

use serde::{Deserialize, Serialize, de};

/// The role that administers.
pub const ADMIN: &str = "admin";
/// The role of everybody who was given none.
pub const USER: &str = "user";

/// The roles of a user, with commas between: at least one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Roles(String);

impl Roles {
    /// Roles that a user may have.
    pub const MAX: usize = 16;
    /// Characters of a role.
    const LONGEST: usize = 64;

    /// Every part is a word of letters, digits, `-` and `_`. One that is said twice counts once.
    pub fn parse(text: &str) -> Option<Self> {
        let word = |role: &str| {
            (1..=Self::LONGEST).contains(&role.len())
                && role.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        let mut roles: Vec<&str> = Vec::new();
        for role in text.split(',').map(str::trim) {
            if !word(role) {
                return None;
            }
            if !roles.contains(&role) {
                roles.push(role);
            }
        }
        (roles.len() <= Self::MAX).then(|| Self(roles.join(",")))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split(',')
    }

    pub fn has(&self, role: &str) -> bool {
        listed(&self.0, role)
    }

    /// The same with one more.
    pub fn with(&self, role: &str) -> Option<Self> {
        Self::parse(&format!("{},{role}", self.0))
    }
}

/// Whether a role is one of those that stand with commas between, as rows hold them.
pub fn listed(roles: &str, role: &str) -> bool {
    roles.split(',').any(|own| own == role)
}

/// Of everybody who was given none.
impl Default for Roles {
    fn default() -> Self {
        Self(USER.to_owned())
    }
}

impl<'de> Deserialize<'de> for Roles {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Roles::parse(&text).ok_or_else(|| de::Error::custom("roles are words with commas between"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_compared_whole() {
        let roles = |text| Roles::parse(text).unwrap();
        assert!(roles("admin").has(ADMIN) && roles("user, admin").has(ADMIN));
        for text in ["user", "administrator", "superadmin", "Admin", "admin-2"] {
            assert!(!roles(text).has(ADMIN), "{text}");
        }
        assert_eq!(roles("user,admin , user").as_str(), "user,admin");
        assert_eq!(Roles::default().with(ADMIN), Some(roles("user,admin")));
        assert_eq!(roles("user,admin").with(ADMIN), Some(roles("user,admin")));
    }

    #[test]
    fn what_is_no_list_of_words_is_refused() {
        for text in [
            "",
            ",",
            "admin,",
            "a b",
            "a;b",
            "ädmin",
            &"x".repeat(65),
            &vec!["r"; 17].iter().enumerate().map(|(n, r)| format!("{r}{n}")).collect::<Vec<_>>().join(","),
        ] {
            assert_eq!(Roles::parse(text), None, "{text}");
        }
    }
}
