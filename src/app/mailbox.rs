//! Somebody showed that they read a mailbox: what comes of it (CONTRACT 2.5, 2.6 and 5).
//!
//! A guest who asked for the proof becomes a member in place. Nobody's address makes a new member; somebody's leads to
//! their account, and if it was only reserved and this is not its holder's browser, the account is taken over.

use chrysalis_domain::id::{AccountId, ClaimId, MailId, SealedId, UserId};
use chrysalis_domain::user::command::{
    ChosenPassword, NewNotice, Profile, ProvenAddress, Renewal, Rotation, RotationPolicy,
};
use chrysalis_domain::user::{UserCommand, UserRefusal};
use chrysalis_domain::value::{Authentication, Carrier, ProofKind};
use chrysalis_projections::claims::Holder;

use super::challenge::Brought;
use super::identify::Presented;
use super::new_session::{Opening, SignedIn};
use super::{App, AppError, Caller, Refusal};
use crate::keys::{PersonSealer, SealKind, SessionToken};
use crate::log::cqrs::{Ask, Concurrency, ExecuteError, Step};
use crate::log::{Actor, Claim, Quota, SealedRecord};

/// How often a proof is looked at again when the address changed hands meanwhile.
const ATTEMPTS: usize = 4;

/// A proof, and who brought it.
pub(super) struct Shown<'a> {
    pub(super) brought: Brought,
    pub(super) proof: ProofKind,
    /// The guest who is to become a member, if the address is nobody's.
    pub(super) guest: Option<&'a Presented>,
    /// Instead of it a guest in another browser, who becomes a member, and is signed in to here and no longer there.
    pub(super) bring: Option<&'a Presented>,
    /// Who presented what, and which claims this browser can show it made.
    pub(super) presented: Option<&'a Presented>,
    pub(super) claims: &'a [ClaimId],
    /// As given with the code.
    pub(super) name: Option<String>,
    pub(super) image: Option<String>,
    /// What the use of a code is counted by.
    pub(super) quotas: Vec<Quota>,
}

/// What came of a proof.
#[derive(Clone, Debug)]
pub struct Proven {
    pub signed_in: SignedIn,
    /// A member who was nobody before: neither a guest nor known.
    pub new_user: bool,
    /// The account was somebody's who had not proven the address.
    pub reclaimed: bool,
}

impl App {
    pub(super) async fn proven(&self, caller: &Caller, shown: &Shown<'_>) -> Result<Proven, AppError> {
        for _ in 0..ATTEMPTS {
            let holder = self.holder(&self.keyring.email_claim(&shown.brought.email)).await?;
            let proven = match (holder, shown.guest, shown.bring) {
                (Some(holder), ..) => self.signed_in_to_account(caller, shown, holder).await,
                (None, Some(guest), _) => self.upgraded_by_mail(caller, shown, guest).await,
                (None, None, Some(guest)) => self.brought_along(caller, shown, guest).await,
                (None, None, None) => self.signed_up_by_mail(caller, shown).await,
            };
            match proven {
                // Somebody else took the address, or gave it up, between the look and the deed.
                Err(AppError::Refused(Refusal::EmailInUse | Refusal::AddressMoved)) => {}
                done => return done,
            }
        }
        Err(AppError::Unavailable { retry_after: chrysalis_domain::Span::from_secs(1) })
    }

    /// Whether it was the holder's own browser, or a session of theirs by bearer. A session cookie alone does not count: it
    /// may have been planted.
    pub(super) fn is_own(holder: &Holder, presented: Option<&Presented>, claims: &[ClaimId]) -> bool {
        let by_bearer = presented.is_some_and(|presented| {
            presented.carrier == Carrier::Bearer
                && presented.row.user.user == holder.user
                && !presented.is_impersonated()
        });
        by_bearer || claims.contains(&holder.claim)
    }

    async fn signed_in_to_account(
        &self,
        caller: &Caller,
        shown: &Shown<'_>,
        holder: Holder,
    ) -> Result<Proven, AppError> {
        let user = self.user_row(holder.user).await?.ok_or(Refusal::AddressMoved)?;
        let sealer = self.sealer(&user)?;
        let Opening { session, token, client, .. } =
            self.opening(caller, &sealer, Authentication::mail(shown.proof, caller.at), true)?;
        let (id, own) = (session.id, Self::is_own(&holder, shown.presented, shown.claims));
        let command = UserCommand::SignInByMail {
            claim: holder.claim,
            proof: shown.proof,
            own,
            session,
            epoch: epoch_of(shown, holder.user),
            notice: self.notice(caller),
        };
        let ask = self.asking(caller, Actor::user(user.user).by(id));
        let mut ask = meeting(ask, shown).then(Step::User(user.user, Concurrency::Exact, command));
        ask.sealed = vec![client];
        self.execute(ask).await.map_err(moved)?;
        let row = self.session_row(id).await?.ok_or(Refusal::SessionNotLive)?;
        let signed_in = self.signed_in_as(&row, token.as_str())?;
        // Only where the guest whose browser this is asked for the proof.
        let asker = shown.brought.issued.asker;
        let began_here = |guest: &&Presented| asker.is_some_and(|asker| asker.session == guest.row.session);
        let signed_in = self.with_ticket(caller, shown.presented.filter(began_here), signed_in).await?;
        Ok(Proven { signed_in, new_user: false, reclaimed: !own && !holder.verified })
    }

    async fn upgraded_by_mail(
        &self,
        caller: &Caller,
        shown: &Shown<'_>,
        guest: &Presented,
    ) -> Result<Proven, AppError> {
        sign_up_open(caller)?;
        let user = guest.row.user.user;
        let sealer = self.sealer(&guest.row.user)?;
        let Said { proven, profile, sealed, claim } = self.said(caller, shown, &sealer, None);
        let token = SessionToken::create(self.entropy.as_ref(), caller.at);
        let command = UserCommand::UpgradeByMail {
            session: guest.row.session,
            proven,
            profile,
            renewal: self.renewal(guest, caller, true, &token)?,
            opens: None,
            epoch: epoch_of(shown, user),
        };
        let ask = self.asking(caller, guest.actor());
        let mut ask = meeting(ask, shown).then(Step::User(user, Concurrency::Exact, command));
        (ask.sealed, ask.claims) = (sealed, vec![claim]);
        self.execute(ask).await?;
        Ok(Proven { signed_in: self.signed_in(guest, &token).await?, new_user: false, reclaimed: false })
    }

    /// The guest becomes a member, and whoever opened the link has the only session on it: who asked in the guest's name may be
    /// somebody who hoped for just that (SECURITY S2).
    async fn brought_along(&self, caller: &Caller, shown: &Shown<'_>, guest: &Presented) -> Result<Proven, AppError> {
        sign_up_open(caller)?;
        let user = guest.row.user.user;
        let sealer = self.sealer(&guest.row.user)?;
        let Said { proven, profile, mut sealed, claim } = self.said(caller, shown, &sealer, None);
        let Opening { session, token, client, .. } =
            self.opening(caller, &sealer, Authentication::mail(shown.proof, caller.at), true)?;
        let (id, unused) = (session.id, SessionToken::create(self.entropy.as_ref(), caller.at));
        let renewal = self.renewal(guest, caller, true, &unused)?;
        let renewal = Renewal { rotation: Rotation { policy: RotationPolicy::Never, ..renewal.rotation }, ..renewal };
        let command = UserCommand::UpgradeByMail {
            session: guest.row.session,
            proven,
            profile,
            renewal,
            opens: Some(session),
            epoch: epoch_of(shown, user),
        };
        let ask = self.asking(caller, Actor::user(user).by(id));
        let mut ask = meeting(ask, shown).then(Step::User(user, Concurrency::Exact, command));
        sealed.push(client);
        (ask.sealed, ask.claims) = (sealed, vec![claim]);
        self.execute(ask).await?;
        let row = self.session_row(id).await?.ok_or(Refusal::SessionNotLive)?;
        Ok(Proven { signed_in: self.signed_in_as(&row, token.as_str())?, new_user: false, reclaimed: false })
    }

    async fn signed_up_by_mail(&self, caller: &Caller, shown: &Shown<'_>) -> Result<Proven, AppError> {
        sign_up_open(caller)?;
        let user = UserId::from_ulid(self.fresh(caller.at));
        let issued = &shown.brought.issued;
        // Whoever was nobody's person when they asked is this user's; a holder's or a guest's stays theirs.
        let nobody = issued.holder.is_none() && issued.asker.is_none();
        let (person, own, key) = match nobody {
            true => (issued.person, None, None),
            false => {
                let person = chrysalis_domain::id::PersonId::from_ulid(self.fresh(caller.at));
                let (sealer, key) = PersonSealer::create(&self.keyring, person, self.entropy.as_ref())?;
                (person, Some(sealer), Some(key))
            }
        };
        let sealer = own.as_ref().unwrap_or(&shown.brought.sealer);
        let Said { proven, profile, mut sealed, claim } = self.said(caller, shown, sealer, Some(""));
        let Opening { session, token, client, .. } =
            self.opening(caller, sealer, Authentication::mail(shown.proof, caller.at), true)?;
        let id = session.id;
        let command = UserCommand::SignUpByMail { user, person, proven, profile, session };
        let ask = self.asking(caller, Actor::user(user).by(id));
        let mut ask = meeting(ask, shown).then(Step::User(user, Concurrency::New, command));
        sealed.push(client);
        (ask.sealed, ask.claims, ask.person_keys) = (sealed, vec![claim], key.into_iter().collect());
        self.execute(ask).await?;
        let row = self.session_row(id).await?.ok_or(Refusal::SessionNotLive)?;
        Ok(Proven { signed_in: self.signed_in_as(&row, token.as_str())?, new_user: true, reclaimed: false })
    }

    /// The address and what was said with it, sealed for whoever it is now.
    fn said(&self, caller: &Caller, shown: &Shown<'_>, sealer: &PersonSealer, nameless: Option<&str>) -> Said {
        let details = &shown.brought.details;
        let seal = |kind, text: &str| sealer.seal(kind, text, self.entropy.as_ref(), caller.at);
        let address = seal(SealKind::Email, shown.brought.email.as_str());
        let name =
            shown.name.as_deref().or(details.name.as_deref()).or(nameless).map(|name| seal(SealKind::Name, name));
        let image = shown.image.as_deref().or(details.image.as_deref()).map(|image| seal(SealKind::Image, image));
        let hash = details.password.as_deref().map(|phc| seal(SealKind::PasswordHash, phc));
        // A guest's own survives the upgrade as it is.
        let metadata = details
            .metadata
            .as_deref()
            .filter(|_| shown.guest.or(shown.bring).is_none_or(|guest| guest.row.user.metadata.is_none()));
        let metadata = metadata.map(|metadata| seal(SealKind::Metadata, metadata));
        let claim = Claim {
            claim: ClaimId::from_ulid(self.fresh(caller.at)),
            key: self.keyring.email_claim(&shown.brought.email),
        };
        let id = |record: &Option<SealedRecord>| -> Option<SealedId> { record.as_ref().map(|record| record.id) };
        let password =
            id(&hash).map(|hash| ChosenPassword { account: AccountId::from_ulid(self.fresh(caller.at)), hash });
        let profile = Profile { name: id(&name), image: id(&image), metadata: id(&metadata), password };
        let proven = ProvenAddress { claim: claim.claim, address: address.id, proof: shown.proof };
        let sealed = [Some(address), name, image, metadata, hash].into_iter().flatten().collect();
        Said { proven, profile, sealed, claim }
    }

    pub(super) fn notice(&self, caller: &Caller) -> NewNotice {
        NewNotice { mail: MailId::from_ulid(self.fresh(caller.at)), locale: caller.locale }
    }
}

/// Whether anybody may become a member at all.
pub(super) fn sign_up_open(caller: &Caller) -> Result<(), Refusal> {
    if caller.settings.features.sign_up { Ok(()) } else { Err(Refusal::SignUpClosed) }
}

struct Said {
    proven: ProvenAddress,
    profile: Profile,
    sealed: Vec<SealedRecord>,
    claim: Claim,
}

/// The proof is used up in the same group as what comes of it.
fn meeting(ask: Ask, shown: &Shown<'_>) -> Ask {
    let mut ask = ask.then(shown.brought.met());
    ask.quotas.clone_from(&shown.quotas);
    ask
}

/// The epoch that the proof was bound to when it was asked for, if it was asked for in that user's name or for their
/// address.
fn epoch_of(shown: &Shown<'_>, user: UserId) -> Option<u32> {
    let issued = &shown.brought.issued;
    let asker = issued.asker.filter(|asker| asker.user == user).map(|asker| asker.epoch);
    asker.or(issued.holder.filter(|holder| holder.user == user).map(|holder| holder.epoch))
}

/// Who held the address holds it no longer.
fn moved(error: ExecuteError) -> AppError {
    match error {
        ExecuteError::Refused(UserRefusal::ClaimNotHeld | UserRefusal::NotFound | UserRefusal::Deleted) => {
            Refusal::AddressMoved.into()
        }
        error => error.into(),
    }
}
