//! Where nobody is told which addresses are taken (`email.conflict = private`; SECURITY S14): an address and a password
//! are answered alike for every address, and the mailbox decides. A link goes there; whoever follows it becomes the member
//! that was asked for, or is signed in to the account that is there already.

use chrysalis_domain::challenge::Purpose;
use chrysalis_domain::id::ChallengeId;

use super::challenge::{Details, Wanted};
use super::identify::Presented;
use super::upgrade::Checked;
use super::{App, AppError, Caller};
use crate::hasher::PasswordHash;

impl App {
    /// Has the link mailed. `None` when the address has had its share of mails.
    pub(super) async fn confirm_address(
        &self,
        caller: &Caller,
        presented: Option<&Presented>,
        form: Checked,
        hash: &PasswordHash,
    ) -> Result<Option<ChallengeId>, AppError> {
        let holder = self.holder(&self.keyring.email_claim(&form.email)).await?;
        let details = Details {
            callback_url: form.callback_url,
            name: form.name,
            image: form.image,
            password: Some(hash.as_phc().to_owned()),
            ..Details::default()
        };
        let wanted = Wanted {
            purpose: Purpose::ConfirmAddress,
            email: &form.email,
            holder,
            presented,
            details,
            locale: caller.locale,
            life: self.config.email.verification_ttl,
        };
        self.challenge(caller, wanted).await
    }
}
