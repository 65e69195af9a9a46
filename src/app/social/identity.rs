//! Whose an identity is, and what follows (CONTRACT 2.4, 2.5, 2.6, 4).
//!
//! An identity is known by its issuer and subject, never by an address. An address leads to an account only where both
//! sides are sure of it: the provider vouches, and the holder proved it; a reservation yields to the provider's word as to
//! any other proof. What belongs to somebody else never swallows the guest.

use chrysalis_domain::EmailAddress;
use chrysalis_domain::challenge::Intent;
use chrysalis_domain::id::{AccountId, ChallengeId, ClaimId, PersonId, UserId};
use chrysalis_domain::user::UserCommand;
use chrysalis_domain::user::command::{
    NewVerification, Renewal, Rotation, RotationPolicy, SocialEmail, SocialIdentity,
};
use chrysalis_domain::value::Authentication;
use chrysalis_projections::claims::Holder;

use super::{Completed, SocialError, SocialRefusal};
use crate::app::identify::Presented;
use crate::app::mailbox::sign_up_open;
use crate::app::new_session::Opening;
use crate::app::{App, AppError, Caller, Refusal};
use crate::keys::{PersonSealer, SealKind, SessionToken};
use crate::log::cqrs::Ask;
use crate::log::{Actor, Claim, SealedRecord};
use crate::social::Profile;

/// How often it is looked at again when the identity or the address changed hands meanwhile.
const ATTEMPTS: usize = 4;

/// Somebody whom a provider knows, and where they came.
pub(super) struct Came<'a> {
    pub(super) provider: &'a str,
    pub(super) profile: Profile,
    pub(super) intent: Intent,
    /// The session in which it began.
    pub(super) start: Option<&'a Presented>,
    /// It ended in the same browser.
    pub(super) here: bool,
    pub(super) presented: Option<&'a Presented>,
    /// Claims that this browser can show it made.
    pub(super) claims: &'a [ClaimId],
    pub(super) flow: Option<Flow>,
    pub(super) callback_url: Option<String>,
}

/// The flow that brought them.
pub(super) struct Flow {
    /// Of the user in whose session it began.
    pub(super) epoch: Option<u32>,
    /// Who was nobody's person when it began becomes this user's.
    pub(super) nobody: Option<(PersonId, PersonSealer)>,
}

/// What the provider told, sealed for whoever it is now.
struct Told {
    identity: SocialIdentity,
    sealed: Vec<SealedRecord>,
    claims: Vec<Claim>,
    /// The address that a mail goes to, where nobody proved it.
    mails: Option<EmailAddress>,
}

impl App {
    pub(super) async fn came(&self, caller: &Caller, came: &Came<'_>) -> Result<Completed, SocialError> {
        let mut caller = caller.clone();
        for _ in 0..ATTEMPTS {
            let done = match came.intent {
                Intent::SignIn => self.sign_in_by_identity(&caller, came).await,
                Intent::Upgrade => self.upgrade_by_identity(&caller, came).await,
                Intent::Link => self.link_identity(&caller, came).await,
            };
            match done {
                // A code is good once: what it told is decided about again here, not by asking the provider again.
                Err(SocialError::App(AppError::SettingsMoved)) => caller.settings = self.settings.fresh().await?,
                Err(SocialError::Refused(SocialRefusal::SignUpDisabled)) => {
                    let settings = self.settings.fresh().await?;
                    if settings.version == caller.settings.version {
                        return done;
                    }
                    caller.settings = settings;
                }
                // Somebody else took the identity or the address, or gave it up, between the look and the deed.
                Err(SocialError::App(AppError::Refused(Refusal::EmailInUse | Refusal::AddressMoved))) => {}
                done => return done,
            }
        }
        Err(SocialError::App(AppError::Unavailable { retry_after: chrysalis_domain::Span::from_secs(1) }))
    }

    async fn sign_in_by_identity(&self, caller: &Caller, came: &Came<'_>) -> Result<Completed, SocialError> {
        let guest = came.start.filter(|start| start.is_guest());
        if let Some(holder) = another(guest, self.holder(&self.keyring.identity_claim(&came.key())).await?) {
            return self.signed_in_as_known(caller, came, holder).await;
        }
        let email = self.usable(came);
        match (another(guest, self.holder_of(email.as_ref()).await?), guest) {
            (Some(holder), _) if came.vouched() => self.signed_in_by_address(caller, came, holder).await,
            (Some(_), _) => Err(SocialRefusal::NotLinked.into()),
            (None, Some(guest)) => self.upgraded(caller, came, guest, email).await,
            (None, None) => self.signed_up(caller, came, email).await,
        }
    }

    /// The guest becomes a member, or stays as it is.
    async fn upgrade_by_identity(&self, caller: &Caller, came: &Came<'_>) -> Result<Completed, SocialError> {
        let guest = came.start.filter(|start| start.is_guest()).ok_or(SocialRefusal::StateMismatch)?;
        if another(Some(guest), self.holder(&self.keyring.identity_claim(&came.key())).await?).is_some() {
            return Err(SocialRefusal::LinkedToAnother.into());
        }
        let email = self.usable(came);
        if another(Some(guest), self.holder_of(email.as_ref()).await?).is_some() {
            return Err(SocialRefusal::EmailInUse.into());
        }
        self.upgraded(caller, came, guest, email).await
    }

    async fn link_identity(&self, caller: &Caller, came: &Came<'_>) -> Result<Completed, SocialError> {
        let member = came.start.filter(|start| !start.is_guest()).ok_or(SocialRefusal::StateMismatch)?;
        let user = self.user_row(member.row.user.user).await?.ok_or(SocialRefusal::StateMismatch)?;
        if let Some(holder) = self.holder(&self.keyring.identity_claim(&came.key())).await? {
            return Err(if holder.user == user.user {
                Refusal::AlreadyLinked.into()
            } else {
                SocialRefusal::LinkedToAnother.into()
            });
        }
        let email = came.email();
        let own = self.view_user(&user)?.email;
        let same = own.as_deref() == email.as_ref().map(EmailAddress::as_str);
        if own.is_some() && !same && !self.config.link_different_emails {
            return Err(SocialRefusal::EmailDoesNotMatch.into());
        }
        // A member without an address takes the provider's.
        let taken = self.usable(came).filter(|_| own.is_none());
        if self.holder_of(taken.as_ref()).await?.is_some() {
            return Err(SocialRefusal::EmailInUse.into());
        }
        let mut told = self.told(caller, came, &self.sealer(&user)?, taken);
        told.identity.vouches_for_held = same && own.is_some() && came.vouched();
        told.mails = told.mails.or(self.unproven(&user)?);
        let unused = SessionToken::create(self.entropy.as_ref(), caller.at);
        let command = UserCommand::LinkSocial {
            session: member.row.session,
            identity: told.identity.clone(),
            // Of no use to a member: nothing about the session changes.
            renewal: self.renewal(member, caller, true, &unused)?,
            strict: false,
            opens: None,
            epoch: came.epoch(),
            notice: Some(self.notice(caller)),
        };
        let ask = self.ask(caller, member.actor(), user.user, command);
        self.store(caller, told, ask, Vec::new()).await?;
        Ok(Completed { signed_in: None, new_user: false, reclaimed: false })
    }

    // --- what follows ---

    async fn signed_in_as_known(
        &self,
        caller: &Caller,
        came: &Came<'_>,
        holder: Holder,
    ) -> Result<Completed, SocialError> {
        let user = self.user_row(holder.user).await?.ok_or(Refusal::AddressMoved)?;
        let opening = self.opened(caller, came, &self.sealer(&user)?)?;
        let command = UserCommand::SignInSocial { identity: holder.claim, session: opening.session.clone() };
        let mut ask = self.ask(caller, Actor::user(user.user).by(opening.session.id), user.user, command);
        ask.sealed = vec![opening.client.clone()];
        self.execute(ask).await?;
        self.in_new_session(caller, came, opening, Completed::default()).await
    }

    /// The provider vouches for an address that somebody holds.
    async fn signed_in_by_address(
        &self,
        caller: &Caller,
        came: &Came<'_>,
        holder: Holder,
    ) -> Result<Completed, SocialError> {
        let user = self.user_row(holder.user).await?.ok_or(Refusal::AddressMoved)?;
        let sealer = self.sealer(&user)?;
        let mut told = self.told(caller, came, &sealer, None);
        told.identity.vouches_for_held = true;
        let own = Self::is_own(&holder, came.presented, came.claims);
        let opening = self.opened(caller, came, &sealer)?;
        let command = UserCommand::SignInVouched {
            claim: holder.claim,
            own,
            identity: told.identity.clone(),
            session: opening.session.clone(),
            notice: self.notice(caller),
        };
        let ask = self.ask(caller, Actor::user(user.user).by(opening.session.id), user.user, command);
        self.store(caller, told, ask, vec![opening.client.clone()]).await?;
        let reclaimed = !own && !holder.verified;
        self.in_new_session(caller, came, opening, Completed { reclaimed, ..Completed::default() }).await
    }

    async fn upgraded(
        &self,
        caller: &Caller,
        came: &Came<'_>,
        guest: &Presented,
        email: Option<EmailAddress>,
    ) -> Result<Completed, SocialError> {
        sign_up_open(caller).map_err(AppError::from)?;
        let user = guest.row.user.user;
        let sealer = self.sealer(&guest.row.user)?;
        let told = self.told(caller, came, &sealer, email);
        let token = SessionToken::create(self.entropy.as_ref(), caller.at);
        let mut renewal = self.renewal(guest, caller, true, &token)?;
        let opening = if came.here { None } else { Some(self.opened(caller, came, &sealer)?) };
        if opening.is_some() {
            // A new token could not reach the app in whose session it began.
            renewal = Renewal { rotation: Rotation { policy: RotationPolicy::Never, ..renewal.rotation }, ..renewal };
        }
        let command = UserCommand::LinkSocial {
            session: guest.row.session,
            identity: told.identity.clone(),
            renewal,
            strict: self.config.upgrade.require_verified_email,
            opens: opening.as_ref().map(|opening| opening.session.clone()),
            epoch: came.epoch(),
            notice: Some(self.notice(caller)),
        };
        let ask = self.ask(caller, guest.actor(), user, command);
        let client = opening.as_ref().map(|opening| opening.client.clone());
        self.store(caller, told, ask, client.into_iter().collect()).await?;
        match opening {
            Some(opening) => self.in_new_session(caller, came, opening, Completed::default()).await,
            None => {
                let signed_in = self.signed_in(guest, &token).await?;
                Ok(Completed { signed_in: Some(signed_in), ..Completed::default() })
            }
        }
    }

    async fn signed_up(
        &self,
        caller: &Caller,
        came: &Came<'_>,
        email: Option<EmailAddress>,
    ) -> Result<Completed, SocialError> {
        sign_up_open(caller).map_err(AppError::from)?;
        let user = UserId::from_ulid(self.fresh(caller.at));
        let made;
        let nobody = came.flow.as_ref().and_then(|flow| flow.nobody.as_ref());
        let (person, sealer, key) = match nobody {
            Some((person, sealer)) => (*person, sealer, None),
            None => {
                let person = PersonId::from_ulid(self.fresh(caller.at));
                let (sealer, key) = PersonSealer::create(&self.keyring, person, self.entropy.as_ref())?;
                made = sealer;
                (person, &made, Some(key))
            }
        };
        let told = self.told(caller, came, sealer, email);
        let opening = self.opened(caller, came, sealer)?;
        let command = UserCommand::SignUpSocial {
            user,
            person,
            identity: told.identity.clone(),
            session: opening.session.clone(),
        };
        let mut ask = self.ask_new(caller, Actor::user(user).by(opening.session.id), user, command);
        ask.person_keys = key.into_iter().collect();
        self.store(caller, told, ask, vec![opening.client.clone()]).await?;
        self.in_new_session(caller, came, opening, Completed { new_user: true, ..Completed::default() }).await
    }

    // --- what it is made of ---

    fn opened(&self, caller: &Caller, came: &Came<'_>, sealer: &PersonSealer) -> Result<Opening, AppError> {
        self.opening(caller, sealer, Authentication::social(came.provider, caller.at), true)
    }

    async fn store(
        &self,
        caller: &Caller,
        told: Told,
        mut ask: Ask,
        others: Vec<SealedRecord>,
    ) -> Result<(), SocialError> {
        (ask.sealed, ask.claims) = (told.sealed, told.claims);
        ask.sealed.extend(others);
        self.execute_mailing(caller, told.mails.as_ref(), ask).await?;
        Ok(())
    }

    async fn in_new_session(
        &self,
        caller: &Caller,
        came: &Came<'_>,
        opening: Opening,
        completed: Completed,
    ) -> Result<Completed, SocialError> {
        let row = self.session_row(opening.session.id).await?.ok_or(Refusal::SessionNotLive)?;
        let signed_in = self.signed_in_as(&row, opening.token.as_str())?;
        // A ticket only where it began and ended in the guest's own browser.
        let guest = came.start.filter(|_| came.here);
        let signed_in = self.with_ticket(caller, guest, signed_in).await?;
        Ok(Completed { signed_in: Some(signed_in), ..completed })
    }

    fn told(&self, caller: &Caller, came: &Came<'_>, sealer: &PersonSealer, email: Option<EmailAddress>) -> Told {
        let seal = |kind, text: &str| sealer.seal(kind, text, self.entropy.as_ref(), caller.at);
        let key = came.key();
        let subject = seal(SealKind::Subject, &key);
        let name = came.profile.name.as_deref().map(|name| seal(SealKind::Name, name));
        let image = came.profile.image.as_deref().map(|image| seal(SealKind::Image, image));
        let id = |record: &Option<SealedRecord>| record.as_ref().map(|record| record.id);
        let fresh = || ClaimId::from_ulid(self.fresh(caller.at));
        let mut claims = vec![Claim { claim: fresh(), key: self.keyring.identity_claim(&key) }];
        let mut identity = SocialIdentity {
            account: AccountId::from_ulid(self.fresh(caller.at)),
            claim: claims[0].claim,
            provider: came.provider.to_owned(),
            subject: subject.id,
            email: None,
            name: id(&name),
            image: id(&image),
            scopes: came.profile.scopes.clone(),
            vouches_for_held: false,
        };
        let mut sealed: Vec<_> = [Some(subject), name, image].into_iter().flatten().collect();
        let mails = email.clone().filter(|_| !came.vouched());
        if let Some(email) = email {
            let address = seal(SealKind::Email, email.as_str());
            let callback = came.callback_url.as_deref().map(|url| seal(SealKind::CallbackUrl, url));
            let claim = Claim { claim: fresh(), key: self.keyring.email_claim(&email) };
            identity.email = Some(SocialEmail {
                claim: claim.claim,
                address: address.id,
                vouched: came.vouched(),
                verification: mails.is_some().then(|| NewVerification {
                    challenge: ChallengeId::from_ulid(self.fresh(caller.at)),
                    callback_url: id(&callback),
                    locale: caller.locale,
                    expires_at: caller.at + self.config.email.verification_ttl,
                }),
            });
            claims.push(claim);
            sealed.extend([Some(address), callback].into_iter().flatten());
        }
        Told { identity, sealed, claims, mails }
    }

    /// The address that is looked at and taken. Where nobody is told which addresses are taken, one that the provider does
    /// not vouch for would tell.
    fn usable(&self, came: &Came<'_>) -> Option<EmailAddress> {
        came.email().filter(|_| came.vouched() || !self.config.email.private)
    }

    async fn holder_of(&self, email: Option<&EmailAddress>) -> Result<Option<Holder>, AppError> {
        match email {
            Some(email) => Ok(self.holder(&self.keyring.email_claim(email)).await?),
            None => Ok(None),
        }
    }
}

/// Who holds it, unless it is the guest's own: reserved or linked for an upgrade that awaits proof, which the next one
/// replaces.
fn another(guest: Option<&Presented>, holder: Option<Holder>) -> Option<Holder> {
    holder.filter(|holder| guest.is_none_or(|guest| guest.row.user.user != holder.user))
}

impl Came<'_> {
    /// What an identity is known by: issuer and subject. No issuer has a space.
    fn key(&self) -> String {
        format!("{} {}", self.profile.issuer, self.profile.subject)
    }

    /// The address, if it is one.
    fn email(&self) -> Option<EmailAddress> {
        EmailAddress::parse(&self.profile.email.as_ref()?.address).ok()
    }

    fn vouched(&self) -> bool {
        self.profile.email.as_ref().is_some_and(|email| email.vouched)
    }

    fn epoch(&self) -> Option<u32> {
        self.flow.as_ref().and_then(|flow| flow.epoch)
    }
}
