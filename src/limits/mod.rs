//! How often anyone may ask.
//!
//! Two kinds: a [`Rule`] counts requests, before anything else is done with them; a [`Budget`] counts bad outcomes, by
//! taking a place beforehand and giving it back when the outcome is good. All counting is per node and in memory; who is
//! counted is known only as a keyed hash. Exact rules never let a span hold more than the limit; the default rule and the
//! coarse guards refill. Every table is bounded, and none gives up counting when it is full.

pub mod address;
mod key;
mod ledger;
mod refilling;
pub mod rules;
mod steady;
pub mod window;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrysalis_domain::{Span, Timestamp};
use serde::Deserialize;
use thiserror::Error;

pub use address::{ClientAddress, Network, TrustedProxies};
pub use key::{Key, Seed};
pub use ledger::Reservation;
pub use rules::{Budget, By, Ceiling, Particulars, Rule, rule_for};
pub use window::ExactWindows;

use ledger::Ledger;
use refilling::Refilling;
use steady::SteadyTime;

const MINUTE: Span = Span::from_secs(60);

/// One end of a /56 may use four times what a /64 may, one of a /48 sixteen times.
pub const GUARD_56: u32 = 4;
pub const GUARD_48: u32 = 16;

/// Sessions of guests cost nothing to get, so an address may not multiply its default limit by them without end.
const GUEST_SESSIONS: u32 = 5;

/// Refused for now. On the wire: 429, `Retry-After` and `details.tryAgainIn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("Rate limit exceeded.")]
pub struct RetryAfter(Span);

impl RetryAfter {
    fn new(wait: Span) -> Self {
        Self(wait)
    }

    /// Whole seconds to wait, at least 1.
    pub fn seconds(&self) -> u64 {
        u64::try_from(self.0.as_secs_ceil()).unwrap_or(0).max(1)
    }
}

/// Who asks, as far as it is known when it is counted. What was presented but not found valid does not belong here: a
/// client must not be able to choose by what it is counted.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    pub address: ClientAddress,
    pub authority: Authority<'a>,
    /// The e-mail address in question, normalised; budgets alone count by it.
    pub email: Option<&'a str>,
}

/// In whose name a request is made.
#[derive(Clone, Copy, Debug, Default)]
pub enum Authority<'a> {
    #[default]
    Nobody,
    /// A live session of a guest, by session id.
    Guest(&'a str),
    /// A live session of a member, by session id.
    Member(&'a str),
    /// A live session of an administrator, by session id.
    Admin(&'a str),
    /// A valid API key, by key id.
    ApiKey(&'a str),
}

impl<'a> Caller<'a> {
    pub fn at(address: ClientAddress) -> Self {
        Self { address, authority: Authority::Nobody, email: None }
    }

    pub fn with_authority(self, authority: Authority<'a>) -> Self {
        Self { authority, ..self }
    }

    pub fn with_email(self, email: &'a str) -> Self {
        Self { email: Some(email), ..self }
    }

    fn session(&self) -> Option<&'a str> {
        match self.authority {
            Authority::Guest(id) | Authority::Member(id) | Authority::Admin(id) => Some(id),
            Authority::Nobody | Authority::ApiKey(_) => None,
        }
    }

    /// The key under which this caller is counted by `by`; `None` when there is nothing to count. Keys of different kinds
    /// differ even where their texts agree.
    fn key(&self, by: By, seed: &Seed) -> Option<Key> {
        let address = || seed.key(("address", self.address.bucket()));
        let session = |id: &str| seed.key(("session", id));
        match by {
            By::Address => Some(address()),
            By::Network56 => self.address.network56().map(|network| seed.key(("network", network))),
            By::Network48 => self.address.network48().map(|network| seed.key(("network", network))),
            By::Email => self.email.map(|email| seed.key(("email", email))),
            By::EmailAtAddress => self.email.map(|email| seed.key(("email", email, self.address.bucket()))),
            By::Session => self.session().map(session),
            By::AuthorityElseAddress => Some(match self.authority {
                Authority::ApiKey(id) => seed.key(("key", id)),
                Authority::Admin(id) => session(id),
                _ => address(),
            }),
        }
    }
}

/// What a deployment can change about the limits.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Off admits everything; for tests of other things.
    pub enabled: bool,
    /// Requests per 60 seconds, for rules that should differ from the table.
    pub per_minute: BTreeMap<Rule, NonZeroU32>,
    /// Factors by which budgets exceed the table.
    pub budget_factor: BTreeMap<Budget, NonZeroU32>,
    /// Callers remembered per counter.
    pub capacity: usize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            per_minute: BTreeMap::new(),
            budget_factor: BTreeMap::new(),
            capacity: window::DEFAULT_CAPACITY,
        }
    }
}

/// All limits of this node.
pub struct Limits {
    enabled: bool,
    seed: Seed,
    time: Arc<SteadyTime>,
    /// In the order of [`Rule::ALL`].
    rules: Vec<RuleCounters>,
    /// In the order of [`Budget::ALL`].
    budgets: Vec<BudgetCounters>,
    default: Refilling,
    guests: Refilling,
}

struct RuleCounters {
    limit: u32,
    exact: Ledger,
    guard56: Refilling,
    guard48: Refilling,
    refusals: AtomicU64,
}

struct BudgetCounters {
    exact: Ledger,
    refusals: AtomicU64,
}

impl Limits {
    pub fn new(config: &LimitsConfig, seed: Seed) -> Self {
        let time = Arc::new(SteadyTime::default());
        let capacity = config.capacity;
        let limit = |rule: Rule| config.per_minute.get(&rule).map_or(rule.limit(), |limit| limit.get());
        let refilling = |limit: u32, factor: u32| {
            let limit = NonZeroU32::MIN.saturating_add(limit.saturating_mul(factor).saturating_sub(1));
            Refilling::new(limit, MINUTE, capacity, Arc::clone(&time))
        };
        let rule = |rule: Rule| RuleCounters {
            limit: limit(rule),
            exact: Ledger::new(rule.ceilings(limit(rule)), capacity, seed),
            guard56: refilling(limit(rule), GUARD_56),
            guard48: refilling(limit(rule), GUARD_48),
            refusals: AtomicU64::new(0),
        };
        let budget = |budget: Budget| BudgetCounters {
            exact: Ledger::new(
                budget.ceilings(config.budget_factor.get(&budget).map_or(1, |f| f.get())),
                capacity,
                seed,
            ),
            refusals: AtomicU64::new(0),
        };
        Self {
            enabled: config.enabled,
            seed,
            rules: Rule::ALL.into_iter().map(rule).collect(),
            budgets: Budget::ALL.into_iter().map(budget).collect(),
            default: refilling(limit(Rule::Default), 1),
            guests: refilling(limit(Rule::Default), GUEST_SESSIONS),
            time,
        }
    }

    /// Requests per 60 seconds that `rule` allows here.
    pub fn limit(&self, rule: Rule) -> u32 {
        self.rules[rule as usize].limit
    }

    /// Checks and counts one request in one step.
    ///
    /// # Errors
    /// [`RetryAfter`] when the rule has no room for it; nothing is counted then.
    pub fn admit(&self, rule: Rule, caller: &Caller<'_>, now: Timestamp) -> Result<(), RetryAfter> {
        if !self.enabled || rule == Rule::GuestCreation {
            return Ok(());
        }
        let now = self.time.at(now);
        let outcome = match rule {
            Rule::Default => self.admit_by_default(caller),
            _ => self.admit_exactly(rule, caller, now),
        };
        outcome.inspect_err(|_| self.count_refusal(rule))
    }

    /// Takes a place in a budget, before it is known whether the outcome will be a bad one. Take it as late as possible:
    /// while it is held it narrows the budget for everybody else who shares it.
    ///
    /// # Errors
    /// [`RetryAfter`] when the budget is used up.
    pub fn reserve(&self, budget: Budget, caller: &Caller<'_>, now: Timestamp) -> Result<Reservation, RetryAfter> {
        if !self.enabled {
            return Ok(Reservation::default());
        }
        let counters = &self.budgets[budget as usize];
        let outcome = counters.exact.reserve(caller, self.time.at(now));
        outcome.inspect_err(|_| {
            counters.refusals.fetch_add(1, Ordering::Relaxed);
        })
    }

    /// Notes a refusal that was decided elsewhere: by the log, of a guest.
    pub fn count_refusal(&self, rule: Rule) {
        self.rules[rule as usize].refusals.fetch_add(1, Ordering::Relaxed);
    }

    /// Refusals since the start by the name of the rule or budget.
    pub fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let rules = Rule::ALL.into_iter().zip(&self.rules).map(|(rule, of)| (rule.name(), &of.refusals));
        let budgets = Budget::ALL.into_iter().zip(&self.budgets).map(|(budget, of)| (budget.name(), &of.refusals));
        rules.chain(budgets).map(|(name, count)| (name, count.load(Ordering::Relaxed)))
    }

    /// Allocates nothing and takes no exclusive lock for a caller seen before: it runs for every `get-session`.
    fn admit_by_default(&self, caller: &Caller<'_>) -> Result<(), RetryAfter> {
        let by_address = |limit: &Refilling| match caller.key(By::Address, &self.seed) {
            Some(key) => limit.check(key),
            None => Ok(()),
        };
        match caller.key(By::Session, &self.seed) {
            Some(session) => {
                if matches!(caller.authority, Authority::Guest(_)) {
                    by_address(&self.guests)?;
                }
                self.default.check(session)
            }
            None => {
                by_address(&self.default)?;
                self.guard(Rule::Default, caller)
            }
        }
    }

    fn admit_exactly(&self, rule: Rule, caller: &Caller<'_>, now: Timestamp) -> Result<(), RetryAfter> {
        let taken = self.rules[rule as usize].exact.reserve(caller, now)?;
        let authority = matches!(caller.authority, Authority::Admin(_) | Authority::ApiKey(_));
        if rule == Rule::Admin && authority {
            return Ok(());
        }
        match self.guard(rule, caller) {
            Ok(()) => Ok(()),
            Err(refusal) => {
                taken.refund();
                Err(refusal)
            }
        }
    }

    /// Whoever commands a whole /56 or /48 has 256 or 65,536 buckets; these stop at 4 and 16 times the limit of one.
    fn guard(&self, rule: Rule, caller: &Caller<'_>) -> Result<(), RetryAfter> {
        let counters = &self.rules[rule as usize];
        for (by, guard) in [(By::Network56, &counters.guard56), (By::Network48, &counters.guard48)] {
            if let Some(key) = caller.key(by, &self.seed) {
                guard.check(key)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
