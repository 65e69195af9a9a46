//! Somebody is erased because it was asked for, and it can be said afterwards that they were. It is the deletion that a
//! clean-up and a user's own wish lead to as well: there is one way to go.
//!
//! That somebody was erased is their last event. It is found in their own stream: nothing is kept, and nothing is asked by
//! anybody else, of those who are gone.

use std::sync::Arc;

use chrysalis_domain::id::{PersonId, UserId};
use chrysalis_domain::user::event::{DeletionReason, UserDeleted};
use chrysalis_domain::user::{UserCommand, UserEvent, UserRefusal};
use chrysalis_domain::{Event, Permission, Timestamp};
use chrysalis_projections::{Question, table};

use crate::app::acting::Acting;
use crate::app::authority::Authority;
use crate::app::{App, AppError, Caller, Refusal};
use crate::clock::Clock;
use crate::keys::Keyring;
use crate::log::cqrs::{Ask, Concurrency, ExecuteError, Step, execute};
use crate::log::{Log, LogFault, Recorded, SealedRef, Store, StreamId, ask_one, read_event};
use crate::proof::{self, Certificate, Erasure, Prover, ProverFault, Signer};
use crate::wire::json_time::JsonTime;

/// Events read at a time.
const PAGE: usize = 1_000;
/// Events that the tree over the log may take in while somebody waits for an answer: a fraction of a second's worth.
const WHILE_ONE_WAITS: u64 = 32_768;

/// That somebody was erased, as the log has it.
#[derive(Clone, Debug)]
pub struct Erased {
    pub user: UserId,
    /// None where it happened before persons were named.
    pub person: Option<PersonId>,
    pub reason: DeletionReason,
    pub was_guest: bool,
    /// Sealed records that the events of the user name: nothing is left of any of them.
    pub records: u64,
    /// The event that says so.
    pub recorded: Recorded,
}

/// `?1` = person id. What of a person stands: their key, and what is sealed under it.
static LEFT: Question<i64> = Question {
    sql: "SELECT (SELECT count(*) FROM person_keys k WHERE k.person_id = ?1)
               + (SELECT count(*) FROM sealed s WHERE s.person_id = ?1)",
    read: |row| row.integer(0),
};

impl Erased {
    /// None where the user is there, or never was.
    ///
    /// # Errors
    /// [`LogFault::Damaged`] when the log says that they were erased, and something of them stands.
    pub async fn find(log: &dyn Log, user: UserId) -> Result<Option<Self>, LogFault> {
        let (stream, mut records, mut last) = (StreamId::user(user), 0, None::<Recorded>);
        loop {
            let after = last.as_ref().map_or(0, |last| last.version);
            let page = log.read_stream(&stream, after, PAGE).await?;
            let ended = page.len() < PAGE;
            records += page.iter().map(|recorded| SealedRef::decode(&recorded.sealed).len() as u64).sum::<u64>();
            last = page.into_iter().next_back().or(last);
            if ended {
                break;
            }
            // Reading may take this thread; others have their turn in between.
            tokio::task::yield_now().await;
        }
        let Some(recorded) = last else { return Ok(None) };
        let Some(Event::User(_, UserEvent::UserDeleted(deleted))) = read_event(&recorded)? else { return Ok(None) };
        let UserDeleted { person, reason, was_guest, .. } = deleted;
        if let Some(person) = person
            && ask_one(log, &LEFT, &[table::id(person)]).await? != Some(0)
        {
            return Err(LogFault::Damaged(format!("{person} was erased, and something of them stands")));
        }
        Ok(Some(Self { user, person, reason, was_guest, records, recorded }))
    }

    pub fn at(&self) -> Timestamp {
        self.recorded.recorded_at
    }

    /// The certificate that the log gives of it: the same, whoever asks and how often. What covers the event is signed now, if
    /// it was not before.
    ///
    /// # Errors
    /// [`LogFault::Unavailable`] where the tree over the log would have to take in more than so many events for it.
    pub async fn certificate(
        &self,
        store: &Arc<dyn Store>,
        keyring: &Keyring,
        clock: &Arc<dyn Clock>,
        most: u64,
    ) -> Result<Certificate, LogFault> {
        let signer =
            Signer::of(keyring).ok_or_else(|| LogFault::Bug("there is no key to sign the log with".to_owned()))?;
        let (signer, erasure) = (Arc::new(signer), self.erasure());
        match Certificate::of(store.as_ref(), &signer, &erasure).await {
            // Not signed yet, or the tree is being made anew.
            Ok(None) | Err(LogFault::Unavailable(_)) => {}
            Ok(Some(certificate)) => return Ok(certificate),
            Err(fault) => return Err(fault),
        }
        let mut prover = Prover::new(store.clone(), signer.clone(), clock.clone());
        let covering = proof::covering(store.as_ref(), self.recorded.position).await?;
        let upto = covering.map_or(self.recorded.position, |signed| signed.size);
        if prover.lacks(upto).await? > most {
            return Err(LogFault::Unavailable("the tree over the log has yet to take in what was signed".to_owned()));
        }
        prover.cover(upto).await.map_err(|fault| match fault {
            ProverFault::Log(fault) => fault,
            ProverFault::Fork(fork) => LogFault::Damaged(fork.to_string()),
        })?;
        let certificate = Certificate::of(store.as_ref(), &signer, &erasure).await?;
        certificate.ok_or_else(|| LogFault::Unavailable("nothing that covers the event is signed yet".to_owned()))
    }

    fn erasure(&self) -> Erasure {
        let recorded = &self.recorded;
        Erasure {
            user: self.user.to_string(),
            person: self.person.map(|person| person.to_string()),
            at: JsonTime(self.at()).to_string(),
            reason: self.reason.name().to_owned(),
            by: (recorded.actor_type.clone(), recorded.actor_id.clone()),
            records: self.records,
            event: recorded.event_id.clone(),
            position: recorded.position,
            leaf: recorded.leaf(),
        }
    }
}

impl App {
    /// Whoever was erased before stays so, and is told of as then; of a member to those alone who may erase members, or read
    /// what happened.
    pub async fn erase_user(&self, caller: &Caller, authority: &Authority, user: UserId) -> Result<Erased, AppError> {
        let removed = match self.remove_user(caller, authority, user, false).await {
            Ok(()) => true,
            // Gone before, or meanwhile.
            Err(AppError::Refused(Refusal::UserUnknown)) => false,
            Err(error) => return Err(error),
        };
        let erased = self.erased(user).await?;
        if !removed && !erased.was_guest && !authority.may(Permission::AuditRead) {
            authority.needs(Permission::UsersDelete)?;
        }
        Ok(erased)
    }

    pub async fn certificate(&self, erased: &Erased) -> Result<Certificate, LogFault> {
        erased.certificate(&self.store, &self.keyring, &self.clock, WHILE_ONE_WAITS).await
    }

    pub async fn erased(&self, user: UserId) -> Result<Erased, AppError> {
        match Erased::find(self.log.as_ref(), user).await? {
            Some(erased) => Ok(erased),
            None if self.user_row(user).await?.is_some() => Err(Refusal::NotErased.into()),
            None => Err(Refusal::UserUnknown.into()),
        }
    }
}

/// The operator erases somebody.
pub async fn erase(acting: &Acting<'_>, user: UserId) -> Result<Erased, AppError> {
    let command = UserCommand::DeleteUser { reason: DeletionReason::Administrator, only_if_guest: false };
    let ask = Ask::new(acting.context.clone(), acting.at).then(Step::User(user, Concurrency::Exact, command));
    match execute(acting.log, acting.entropy, ask.whatever_the_settings()).await {
        Ok(_) | Err(ExecuteError::Refused(UserRefusal::Deleted)) => {}
        Err(ExecuteError::Refused(UserRefusal::NotFound)) => return Err(Refusal::UserUnknown.into()),
        Err(error) => return Err(error.into()),
    }
    Ok(Erased::find(acting.log, user).await?.ok_or(Refusal::UserUnknown)?)
}
