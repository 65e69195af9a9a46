//! Use cases: one file each. A use case looks up what the decision needs, hands it in as facts, has one command decided
//! and stored, and says what came of it.
//!
//! Nothing here knows HTTP; nothing here decides what the domain decides.

pub mod acting;
pub mod admin;
pub mod admission;
pub mod analytics;
pub mod api_keys;
pub mod audit;
pub mod authority;
pub mod beginning;
mod budgets;
pub mod challenge;
pub mod change_email;
pub mod change_password;
pub mod configure;
pub mod create_guest;
pub mod delete_user;
pub mod email_otp;
mod guest_budgets;
pub mod identify;
pub mod keyring;
pub mod list_accounts;
pub mod magic_link;
pub mod mailbox;
pub mod new_session;
pub mod organization;
mod origin;
mod private;
pub mod recovery;
pub mod refusal;
pub mod reset_password;
pub mod sessions;
pub mod sign_in;
pub mod sign_out;
pub mod sign_up;
pub mod social;
pub mod transfer;
pub mod unlink;
pub mod unrecorded;
pub mod update_user;
pub mod upgrade;
pub mod verify_email;
pub mod view;
pub mod webhooks;

use std::sync::Arc;

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::{CommandId, ProjectId, RequestId, UserId};
use chrysalis_domain::user::UserCommand;
use chrysalis_domain::value::Locale;
use chrysalis_projections::users::UserRow;
use ulid::Ulid;

use crate::admission::Admission;
use crate::clock::Clock;
use crate::config::Config;
use crate::entropy::{self, Entropy};
use crate::hasher::Hasher;
use crate::keys::{Keyring, PersonSealer};
use crate::limits::Limits;
use crate::limits::address::ClientAddress;
use crate::log::cqrs::{Ask, Concurrency, Done, ExecuteError, Step, execute};
use crate::log::{Actor, Context, Lane, Log, LogFault, Store};
use crate::outgoing::Outgoing;
use crate::settings::{Effective, Latest};
use beginning::Begun;
pub use refusal::{AppError, Refusal};
use unrecorded::Unrecorded;

/// What every use case works with.
#[derive(Clone)]
pub struct App {
    pub log: Arc<dyn Log>,
    /// The log with all that stands beside it: for what is signed.
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub keyring: Arc<Keyring>,
    pub hasher: Arc<Hasher>,
    pub limits: Arc<Limits>,
    pub admission: Arc<Admission>,
    /// How webhook endpoints are called.
    pub webhook_calls: Outgoing,
    pub settings: Arc<Latest>,
    pub config: Arc<Config>,
    pub unrecorded: Arc<Unrecorded>,
    pub begun: Arc<Begun>,
}

/// One request, as far as decisions and evidence ask about it.
#[derive(Clone, Debug)]
pub struct Caller {
    pub request: RequestId,
    pub at: Timestamp,
    pub address: ClientAddress,
    pub user_agent: String,
    /// The language that mails to the caller are written in.
    pub locale: Locale,
    /// What holds for the whole of the call, whatever is changed meanwhile: all that it decides is decided by these.
    pub settings: Arc<Effective>,
}

impl App {
    /// What holds now, as far as this node knows.
    pub fn settings(&self) -> Arc<Effective> {
        self.settings.now()
    }

    fn fresh(&self, at: Timestamp) -> Ulid {
        entropy::ulid(self.entropy.as_ref(), at)
    }

    /// A command on one user.
    fn ask(&self, caller: &Caller, actor: Actor, user: UserId, command: UserCommand) -> Ask {
        self.asking(caller, actor).then(Step::User(user, Concurrency::Exact, command))
    }

    /// A command that brings a user into being.
    fn ask_new(&self, caller: &Caller, actor: Actor, user: UserId, command: UserCommand) -> Ask {
        self.asking(caller, actor).then(Step::User(user, Concurrency::New, command))
    }

    fn asking(&self, caller: &Caller, actor: Actor) -> Ask {
        let context = Context {
            project: ProjectId::DEFAULT,
            actor,
            request: Some(caller.request),
            command: CommandId::from_ulid(self.fresh(caller.at)),
            cause: None,
            settings_version: caller.settings.version,
        };
        Ask::new(context, caller.at)
    }

    async fn execute(&self, ask: Ask) -> Result<Done, ExecuteError> {
        let proven = self.may_be_appointed(&ask);
        let done = execute(self.log.as_ref(), self.entropy.as_ref(), ask).await?;
        if let Some(user) = proven {
            self.appoint(user).await;
        }
        Ok(done)
    }

    /// Has the server do something of its own accord, behind all that anybody waits for.
    pub(crate) async fn execute_by_itself(&self, step: Step, at: Timestamp) -> Result<Done, ExecuteError> {
        let context = Context::of_system(CommandId::from_ulid(self.fresh(at)));
        let ask = Ask { lane: Lane::Bulk, ..Ask::new(context, at).then(step).whatever_the_settings() };
        execute(self.log.as_ref(), self.entropy.as_ref(), ask).await
    }

    /// What seals and opens a user's data.
    fn sealer(&self, user: &UserRow) -> Result<PersonSealer, LogFault> {
        let opened = PersonSealer::open(&self.keyring, user.person, user.key.as_ref())?;
        opened.ok_or_else(|| LogFault::Damaged(format!("the key of {} is missing or does not open", user.person)))
    }
}
