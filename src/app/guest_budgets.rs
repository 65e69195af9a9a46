//! How many guests a network may get, and the service as a whole: counted in the transaction that makes the guest, so the
//! same on every node (CONTRACT 1.8).

use chrysalis_domain::Span;

use super::{App, Caller};
use crate::limits::{GUARD_48, GUARD_56, Network};
use crate::log::{Ceiling, Counting, Quota};

const MINUTE: Span = Span::from_secs(60);
const HOUR: Span = Span::from_hours(1);
const DAY: Span = Span::from_days(1);

impl App {
    /// What one more guest from here counts against.
    pub(super) fn guest_quotas(&self, caller: &Caller) -> Vec<Quota> {
        if !self.config.rate_limits {
            return Vec::new();
        }
        let quotas = self.network_budgets(caller).into_iter().chain([self.service_budget()]);
        quotas.filter(|quota| !quota.ceilings.is_empty()).collect()
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
}

/// Ceilings of 0 are none.
fn budget<const N: usize>(key: [u8; 32], limits: [(u32, Span); N]) -> Quota {
    let ceilings = limits.into_iter().filter(|(limit, _)| *limit > 0).map(|(limit, span)| Ceiling { limit, span });
    Quota { key: key.to_vec(), ceilings: ceilings.collect(), counting: Counting::Takes }
}
