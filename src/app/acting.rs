//! In whose name something is done that can be asked for both over HTTP, by an administrator or a key, and on the command
//! line, by the operator.

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::CommandId;

use super::authority::Authority;
use super::{App, Caller};
use crate::entropy::{self, Entropy};
use crate::keys::Keyring;
use crate::log::{Context, Log};

/// Somebody who acts, when, and with what.
pub struct Acting<'a> {
    pub log: &'a dyn Log,
    pub keyring: &'a Keyring,
    pub entropy: &'a dyn Entropy,
    pub context: Context,
    pub at: Timestamp,
}

impl<'a> Acting<'a> {
    /// The operator, in the installation's own name: no server, and no settings, are asked.
    pub fn operator(log: &'a dyn Log, keyring: &'a Keyring, entropy: &'a dyn Entropy, at: Timestamp) -> Self {
        let context = Context::of_system(CommandId::from_ulid(entropy::ulid(entropy, at)));
        Self { log, keyring, entropy, context, at }
    }
}

impl App {
    pub(super) fn acting(&self, caller: &Caller, authority: &Authority) -> Acting<'_> {
        Acting {
            log: self.log.as_ref(),
            keyring: &self.keyring,
            entropy: self.entropy.as_ref(),
            context: self.asking(caller, authority.actor()).context,
            at: caller.at,
        }
    }
}
