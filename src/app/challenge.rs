//! Proofs that are mailed: asked for here, brought back here. What comes of one is told in [`super::mailbox`].

use chrysalis_domain::challenge::event::ChallengeIssued;
use chrysalis_domain::challenge::{Asker, Bound, Challenge, ChallengeCommand, Purpose};
use chrysalis_domain::id::{ChallengeId, PersonId};
use chrysalis_domain::user::User;
use chrysalis_domain::value::Locale;
use chrysalis_domain::{EmailAddress, Span};
use chrysalis_projections::claims::Holder;
use chrysalis_projections::{codes, mails};
use serde::{Deserialize, Serialize};

use super::identify::Presented;
use super::{App, AppError, Caller, Refusal};
use crate::keys::{PersonSealer, Record, SealKind, challenge_of};
use crate::log::cqrs::{Ask, Concurrency, Step, load};
use crate::log::{Actor, Claim, LogFault, PersonKey, SealedRecord};

/// What the asker said besides the address, and from where they asked: sealed with the challenge.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Details {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_user_callback_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_callback_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The hash of a password that was given with the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// JSON, as it will stand in the profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
    /// The asker's network, as limits count it.
    #[serde(default)]
    pub network: String,
    #[serde(default)]
    pub user_agent: String,
}

/// A challenge about to be asked for.
pub(super) struct Wanted<'a> {
    pub(super) purpose: Purpose,
    pub(super) email: &'a EmailAddress,
    pub(super) holder: Option<Holder>,
    pub(super) presented: Option<&'a Presented>,
    pub(super) details: Details,
    pub(super) locale: Locale,
    pub(super) life: Span,
}

/// A challenge that was brought back and stands.
pub(super) struct Brought {
    pub(super) challenge: ChallengeId,
    pub(super) issued: ChallengeIssued,
    pub(super) sealer: PersonSealer,
    pub(super) email: EmailAddress,
    pub(super) details: Details,
}

impl Brought {
    /// Uses the challenge up.
    pub(super) fn met(&self) -> Step {
        let command = ChallengeCommand::Meet { purpose: self.issued.purpose };
        Step::Challenge(self.challenge, Concurrency::Exact, command)
    }
}

/// Under whose key the records of a challenge stand.
struct Owner {
    person: PersonId,
    sealer: PersonSealer,
    /// Set when the person appears for the first time.
    key: Option<PersonKey>,
}

impl App {
    /// Stores the challenge; the mail follows from it. `None` when the address has had its share of mails: then nothing
    /// is made, and what was mailed before stays valid.
    pub(super) async fn challenge(&self, caller: &Caller, wanted: Wanted<'_>) -> Result<Option<ChallengeId>, AppError> {
        let challenge = ChallengeId::from_ulid(self.fresh(caller.at));
        let ask = self.issuing(caller, challenge, &wanted).await?;
        match self.execute(ask).await.map_err(AppError::from) {
            Ok(_) => Ok(Some(challenge)),
            Err(AppError::Refused(Refusal::TooMany(_))) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn issuing(
        &self,
        caller: &Caller,
        challenge: ChallengeId,
        wanted: &Wanted<'_>,
    ) -> Result<Ask, AppError> {
        let owner = self.owner(caller, wanted).await?;
        let email = wanted.email.as_str();
        let address = owner.sealer.seal(SealKind::Email, email, self.entropy.as_ref(), caller.at);
        let details = self.seal_details(caller, &owner.sealer, &wanted.details)?;
        let holder = match wanted.holder {
            Some(holder) => Some(self.bound(holder.user).await?),
            None => None,
        };
        let asker = match wanted.presented {
            Some(presented) => {
                let Bound { user, epoch } = self.bound(presented.row.user.user).await?;
                Some(Asker { user, epoch, session: presented.row.session })
            }
            None => None,
        };
        let issued = ChallengeIssued {
            challenge,
            purpose: wanted.purpose,
            person: owner.person,
            address: address.id,
            details: Some(details.id),
            asker,
            holder,
            // A verified address never yields: nothing could come of it, and the asker is not to know.
            silent: wanted.purpose == Purpose::ChangeEmail && wanted.holder.is_some_and(|holder| holder.verified),
            locale: wanted.locale,
            at: caller.at,
            expires_at: caller.at + wanted.life,
        };
        let actor = wanted.presented.map_or_else(Actor::somebody, Presented::actor);
        let command = ChallengeCommand::Issue(Box::new(issued));
        let mut ask = self.asking(caller, actor).then(Step::Challenge(challenge, Concurrency::New, command));
        ask.sealed = vec![address, details];
        ask.person_keys = owner.key.into_iter().collect();
        ask.quotas = self.mail_quotas(caller, wanted.email);
        if wanted.purpose.is_code() {
            ask.keys = vec![Claim { claim: codes::of_address(challenge), key: self.keyring.email_claim(wanted.email) }];
        }
        Ok(ask)
    }

    /// What was said, with where it was said from.
    pub(super) fn seal_details(
        &self,
        caller: &Caller,
        sealer: &PersonSealer,
        details: &Details,
    ) -> Result<SealedRecord, LogFault> {
        let details = Details {
            network: caller.address.bucket().to_string(),
            user_agent: caller.user_agent.clone(),
            ..details.clone()
        };
        let json = serde_json::to_string(&details).map_err(|error| LogFault::Bug(error.to_string()))?;
        Ok(sealer.seal(SealKind::Details, &json, self.entropy.as_ref(), caller.at))
    }

    async fn owner(&self, caller: &Caller, wanted: &Wanted<'_>) -> Result<Owner, AppError> {
        let known = match (wanted.holder, wanted.presented) {
            (Some(holder), _) => self.user_row(holder.user).await?,
            (None, presented) => presented.map(|presented| presented.row.user.clone()),
        };
        if let Some(user) = known {
            return Ok(Owner { person: user.person, sealer: self.sealer(&user)?, key: None });
        }
        let person = PersonId::from_ulid(self.fresh(caller.at));
        let (sealer, key) = PersonSealer::create(&self.keyring, person, self.entropy.as_ref())?;
        Ok(Owner { person, sealer, key: Some(key) })
    }

    pub(super) async fn bound(&self, user: chrysalis_domain::id::UserId) -> Result<Bound, LogFault> {
        Ok(Bound { user, epoch: load::<User>(self.log.as_ref(), user).await?.state.epoch })
    }

    /// The challenge behind a token that came back, if it can still be met.
    pub(super) async fn brought(&self, caller: &Caller, purpose: Purpose, token: &str) -> Result<Brought, AppError> {
        let challenge = challenge_of(&self.keyring, mails::kind_of(purpose), token).ok_or(Refusal::InvalidToken)?;
        self.standing(caller, purpose, challenge).await
    }

    pub(super) async fn standing(
        &self,
        caller: &Caller,
        purpose: Purpose,
        challenge: ChallengeId,
    ) -> Result<Brought, AppError> {
        let state = load::<Challenge>(self.log.as_ref(), challenge).await?.state;
        let issued = state.standing(purpose, caller.at)?.clone();
        if !purpose.outlives_epochs() {
            self.still_bound(&issued).await?;
        }
        let erased = || AppError::from(Refusal::InvalidToken);
        let log = self.log.as_ref();
        let record = Record::find(log, &self.keyring, issued.address).await?.ok_or_else(erased)?;
        let address = record.read(SealKind::Email)?.ok_or_else(erased)?;
        let details = match issued.details {
            Some(sealed) => Record::open(log, &self.keyring, SealKind::Details, sealed).await?,
            None => None,
        };
        let details = details.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default();
        let email = EmailAddress::parse(&address)
            .map_err(|_| LogFault::Damaged(format!("the address of {challenge} is none")))?;
        Ok(Brought { challenge, issued, sealer: record.sealer, email, details })
    }

    /// A proof dies with whatever ends the pending acts of who asked for it, or of who held the address then (SECURITY S2).
    async fn still_bound(&self, issued: &ChallengeIssued) -> Result<(), AppError> {
        let asker = issued.asker.map(|asker| Bound { user: asker.user, epoch: asker.epoch });
        for bound in [asker, issued.holder].into_iter().flatten() {
            if self.bound(bound.user).await?.epoch != bound.epoch {
                return Err(Refusal::InvalidToken.into());
            }
        }
        Ok(())
    }
}
