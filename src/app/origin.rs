//! Which network somebody comes from, so that nobody can read it who has only the tables.

use chrysalis_domain::Span;
use chrysalis_domain::id::UserId;

use super::{App, Caller};
use crate::limits::{ClientAddress, Network};
use crate::log::origins::{NetworkHash, Networks, Origin};

impl App {
    /// What is kept of where a guest came from; nothing where nothing is to be kept.
    pub(super) fn origin(&self, caller: &Caller, user: UserId) -> Option<Origin> {
        let kept = self.config.guests.origins_kept > Span::ZERO;
        kept.then(|| Origin { user, at: caller.at, networks: self.networks(caller.address) })
    }

    fn networks(&self, address: ClientAddress) -> Networks {
        let hash = |network: Network| self.keyring.lookup("origin", &[network.to_string().as_bytes()]);
        let (cut, network) =
            (|hash: [u8; 32]| -> NetworkHash { std::array::from_fn(|at| hash[at]) }, hash(address.bucket()));
        Networks {
            key_id: network.key_id,
            network: cut(network.hash),
            network56: address.network56().map(|network| cut(hash(network).hash)),
            network48: address.network48().map(|network| cut(hash(network).hash)),
        }
    }
}
