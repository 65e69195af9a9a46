//! A guest becomes a member in place: same user, same session, same data.

use chrysalis_domain::EmailAddress;
use chrysalis_domain::id::{AccountId, ChallengeId, ClaimId};
use chrysalis_domain::password::{Password, PasswordError};
use chrysalis_domain::user::UserCommand;
use chrysalis_domain::user::command::{NewVerification, PasswordCredentials};
use chrysalis_projections::claims;
use chrysalis_projections::{ClaimKey, Value};

use super::identify::Presented;
use super::mailbox::sign_up_open;
use super::new_session::SignedIn;
use super::{App, AppError, Caller, Refusal};
use crate::entropy;
use crate::hasher::PasswordHash;
use crate::keys::{PersonSealer, SealKind, SessionToken};
use crate::log::{Claim, LogFault, SealedRecord, ask_one};

/// What a form says that makes a member by e-mail and password. The texts are as typed.
#[derive(Clone, Debug)]
pub struct PasswordForm {
    /// `None`: missing, or no text.
    pub email: Option<String>,
    pub password: Option<String>,
    pub name: Option<String>,
    pub image: Option<String>,
    /// Where the mailed link leads after the proof. Checked by the caller.
    pub callback_url: Option<String>,
    pub remember: bool,
}

/// A form whose address and password are fit to be used.
pub(super) struct Checked {
    pub(super) email: EmailAddress,
    pub(super) password: Password,
    pub(super) name: Option<String>,
    pub(super) image: Option<String>,
    pub(super) callback_url: Option<String>,
    pub(super) remember: bool,
}

/// Credentials for a command, with the sealed records and the claim that go with it.
pub(super) struct Prepared {
    pub(super) credentials: PasswordCredentials,
    pub(super) sealed: Vec<SealedRecord>,
    pub(super) claim: Claim,
}

impl App {
    /// `POST /anonymous/upgrade`. The checks run in the order of the contract's table; the address's holder is asked
    /// about only after the password was hashed, so that a taken address costs what a free one does (SECURITY S14).
    pub async fn upgrade(
        &self,
        caller: &Caller,
        presented: &Presented,
        form: PasswordForm,
    ) -> Result<SignedIn, AppError> {
        if !presented.is_guest() {
            return Err(Refusal::NotAnonymous.into());
        }
        passwords_open(caller)?;
        let form = check(caller, form)?;
        if self.config.email.private {
            let hash = self.hasher.hash(form.password.clone(), entropy::bytes(self.entropy.as_ref())).await?;
            let asked = self.confirm_address(caller, Some(presented), form, &hash).await?;
            // A guest until the mailbox says otherwise.
            return Ok(SignedIn { asked, ..self.signed_in_as(&presented.row, &presented.token)? });
        }
        let place = self.conflict_budget(caller, Some(presented), &form.email)?;
        let upgraded = match self.hasher.hash(form.password.clone(), entropy::bytes(self.entropy.as_ref())).await {
            Ok(hash) => self.upgrade_hashed(caller, presented, &form, hash).await,
            Err(error) => Err(error.into()),
        };
        // Only an answer that tells of a conflict counts.
        if !matches!(upgraded, Err(AppError::Refused(Refusal::EmailInUse))) {
            place.refund();
        }
        upgraded
    }

    async fn upgrade_hashed(
        &self,
        caller: &Caller,
        presented: &Presented,
        form: &Checked,
        hash: PasswordHash,
    ) -> Result<SignedIn, AppError> {
        let sealer = self.sealer(&presented.row.user)?;
        let Prepared { credentials, sealed, claim } = self.credentials(caller, &sealer, form, &hash)?;
        let token = SessionToken::create(self.entropy.as_ref(), caller.at);
        let command = UserCommand::UpgradeWithPassword {
            session: presented.row.session,
            credentials,
            renewal: self.renewal(presented, caller, form.remember, &token)?,
            strict: self.config.upgrade.require_verified_email,
        };
        let mut ask = self.ask(caller, presented.actor(), presented.row.user.user, command);
        ask.sealed = sealed;
        ask.claims = vec![claim];
        self.execute_mailing(caller, Some(&form.email), ask).await?;
        self.signed_in(presented, &token).await
    }

    pub(super) fn credentials(
        &self,
        caller: &Caller,
        sealer: &PersonSealer,
        form: &Checked,
        hash: &PasswordHash,
    ) -> Result<Prepared, LogFault> {
        let seal = |kind, value: &str| sealer.seal(kind, value, self.entropy.as_ref(), caller.at);
        let address = seal(SealKind::Email, form.email.as_str());
        let hash = seal(SealKind::PasswordHash, hash.as_phc());
        let name = form.name.as_deref().map(|name| seal(SealKind::Name, name));
        let image = form.image.as_deref().map(|image| seal(SealKind::Image, image));
        let callback = form.callback_url.as_deref().map(|url| seal(SealKind::CallbackUrl, url));
        let claim =
            Claim { claim: ClaimId::from_ulid(self.fresh(caller.at)), key: self.keyring.email_claim(&form.email) };
        let id = |record: &Option<SealedRecord>| record.as_ref().map(|record| record.id);
        let credentials = PasswordCredentials {
            claim: claim.claim,
            address: address.id,
            account: AccountId::from_ulid(self.fresh(caller.at)),
            hash: hash.id,
            name: id(&name),
            image: id(&image),
            verification: Some(NewVerification {
                challenge: ChallengeId::from_ulid(self.fresh(caller.at)),
                callback_url: id(&callback),
                locale: caller.locale,
                expires_at: caller.at + self.config.email.verification_ttl,
            }),
        };
        let sealed = [Some(address), Some(hash), name, image, callback].into_iter().flatten().collect();
        Ok(Prepared { credentials, sealed, claim })
    }

    /// Who holds an address.
    pub(super) async fn holder(&self, key: &ClaimKey) -> Result<Option<claims::Holder>, LogFault> {
        for hash in key.hashes() {
            let parameters = [Value::Static(key.kind.name()), Value::Bytes(hash.clone())];
            if let Some(holder) = ask_one(self.log.as_ref(), &claims::HOLDER, &parameters).await? {
                return Ok(Some(holder));
            }
        }
        Ok(None)
    }
}

/// Whether somebody may become a member by password at all.
pub(super) fn passwords_open(caller: &Caller) -> Result<(), Refusal> {
    if !caller.settings.methods.email_password {
        return Err(Refusal::PasswordDisabled);
    }
    sign_up_open(caller)
}

pub(super) fn check(caller: &Caller, form: PasswordForm) -> Result<Checked, Refusal> {
    let email = EmailAddress::parse(form.email.as_deref().unwrap_or_default()).map_err(|_| Refusal::InvalidEmail)?;
    let password = form.password.as_deref().unwrap_or_default();
    let password = Password::parse(password, &caller.settings.passwords.policy(), Some(email.as_str()))
        .map_err(password_refusal)?;
    let PasswordForm { name, image, callback_url, remember, .. } = form;
    Ok(Checked { email, password, name, image, callback_url, remember })
}

pub(super) fn password_refusal(error: PasswordError) -> Refusal {
    match error {
        PasswordError::TooShort => Refusal::PasswordTooShort,
        PasswordError::TooLong => Refusal::PasswordTooLong,
        PasswordError::TooCommon => Refusal::PasswordTooCommon,
    }
}
