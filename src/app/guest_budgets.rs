//! How many guests a network may get, and the service as a whole: counted in the transaction that makes the guest, so the
//! same on every node (CONTRACT 1.8).

use chrysalis_domain::{Span, Timestamp};

use super::{App, Caller};
use crate::admission;
use crate::limits::{GUARD_48, GUARD_56, Network};
use crate::log::quota::spent;
use crate::log::{Ceiling, Counting, LogFault, Quota};

const MINUTE: Span = Span::from_secs(60);
const HOUR: Span = Span::from_hours(1);
const DAY: Span = Span::from_days(1);

/// Whose budget a quota is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Budgeted {
    Network,
    Service,
    /// What was shown for the guest: it is good once.
    Shown,
}

impl App {
    /// What one more guest from here counts against. The service's budget refuses nobody who showed what it asks for.
    pub(super) fn guest_budgets(&self, caller: &Caller, shown: bool) -> Vec<(Budgeted, Quota)> {
        if !self.config.rate_limits {
            return Vec::new();
        }
        let counting = if shown { Counting::Notes } else { Counting::Takes };
        let service = Quota { counting, ..self.service_budget() };
        let networks = self.network_budgets(caller).into_iter().map(|quota| (Budgeted::Network, quota));
        networks.chain([(Budgeted::Service, service)]).filter(|(_, quota)| !quota.ceilings.is_empty()).collect()
    }

    /// The budgets of the network, and of those around it: whoever commands a /48 has 65,536 networks.
    fn network_budgets(&self, caller: &Caller) -> Vec<Quota> {
        let guests = &self.config.guests;
        let quota = |network: Network, factor: u32| {
            let key = self.keyring.lookup("quota/guests", &[network.to_string().as_bytes()]).hash;
            let limits = [(guests.per_minute, MINUTE), (guests.per_hour, HOUR), (guests.per_day, DAY)];
            budget(key, limits.map(|(limit, span)| (limit.saturating_mul(factor), span)))
        };
        let address = caller.address;
        let around = [(address.network56(), GUARD_56), (address.network48(), GUARD_48)];
        let around = around.into_iter().filter_map(|(network, factor)| Some(quota(network?, factor)));
        std::iter::once(quota(address.bucket(), 1)).chain(around).collect()
    }

    fn service_budget(&self) -> Quota {
        let guests = &self.config.guests;
        let key = self.keyring.lookup("quota/guests", &[b"in all"]).hash;
        budget(key, [(guests.service_per_hour, HOUR), (guests.service_per_day, DAY)])
    }

    /// Whether the service has had its guests, as far as this look tells: the batch that makes one decides.
    pub(super) async fn service_is_spent(&self, now: Timestamp) -> Result<bool, LogFault> {
        let quota = self.service_budget();
        let spent = spent(self.log.as_ref(), &quota, now).await?;
        Ok(quota.ceilings.iter().zip(spent).any(|(ceiling, spent)| spent >= u64::from(ceiling.limit)))
    }

    /// By how much more work a guest from here costs now than at first. A minute says nothing: a class comes in one.
    pub(super) async fn dearer(&self, caller: &Caller) -> Result<u32, LogFault> {
        let mut most = 1;
        for mut quota in self.network_budgets(caller).into_iter().chain([self.service_budget()]) {
            quota.ceilings.retain(|ceiling| ceiling.span >= HOUR);
            let spent = spent(self.log.as_ref(), &quota, caller.at).await?;
            let times = quota.ceilings.iter().zip(spent).map(|(ceiling, spent)| admission::times(spent, ceiling.limit));
            most = times.fold(most, u32::max);
        }
        Ok(most)
    }
}

/// Ceilings of 0 are none.
fn budget<const N: usize>(key: [u8; 32], limits: [(u32, Span); N]) -> Quota {
    let ceilings = limits.into_iter().filter(|(limit, _)| *limit > 0).map(|(limit, span)| Ceiling { limit, span });
    Quota { key: key.to_vec(), ceilings: ceilings.collect(), counting: Counting::Takes }
}
