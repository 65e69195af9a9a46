//! Somebody is invited, by an address: a mail tells them, and whoever has proven the address may follow. An invitation can be
//! made once more, and taken back.
//!
//! A guest invites nobody, nor does a member who has not proven an address of their own: otherwise this server would send
//! mail for anybody (SECURITY S23).

use chrysalis_domain::id::{InvitationId, MailId, OrganizationId, PersonId, UserId};
use chrysalis_domain::organization::command::{self, InvitationNotice};
use chrysalis_domain::organization::{Organization, OrganizationCommand, OrganizationRefusal, Role};
use chrysalis_domain::{EmailAddress, Span};
use chrysalis_projections::ClaimKey;
use chrysalis_projections::claims::Holder;
use chrysalis_projections::invitations::{self, InvitationRow, Status};
use chrysalis_projections::table;

use super::refusal::not_allowed;
use super::{Asker, InvitationView, Meant, Refusal, Which};
use crate::app::{self, App, AppError, Caller};
use crate::keys::{PersonSealer, SealKind};
use crate::log::cqrs::{Ask, Concurrency, ExecuteError, Step, load};
use crate::log::{AppendError, Claim, LogFault, PersonKey, Quota, Refused, ask_one};

/// How long an invitation is open.
const LIFE: Span = Span::from_days(7);
/// Invitations that one user may make or repeat …
const INVITATIONS: u32 = 20;
/// … in any time as long as this.
const WITHIN: Span = Span::from_hours(1);
/// How often it is looked again whether the address is invited, when somebody else was invited meanwhile.
const LOOKS: usize = 4;

#[derive(Clone, Debug)]
pub struct NewInvitation {
    pub email: EmailAddress,
    pub role: Role,
    /// An invitation of the address that is open is made once more.
    pub resend: bool,
}

/// Under whose key an address stands: that of the user who has proven it, or one for somebody who is yet to become a user.
struct Reader {
    user: Option<UserId>,
    person: PersonId,
    sealer: PersonSealer,
    key: Option<PersonKey>,
}

impl App {
    pub async fn invite(
        &self,
        caller: &Caller,
        asker: &Asker<'_>,
        which: Which,
        form: &NewInvitation,
    ) -> Result<InvitationView, AppError> {
        if let Asker::User(presented) = asker {
            if presented.is_guest() {
                return Err(app::Refusal::Anonymous.into());
            }
            self.proven_address(presented)?.ok_or(app::Refusal::EmailNotVerified)?;
        }
        let meant = self.meant(asker, which).await?;
        if !meant.leads() {
            return Err(Refusal::MayNotInvite.into());
        }
        for _ in 0..LOOKS {
            let (invitation, ask) = self.inviting(caller, asker, &meant, form).await?;
            match self.execute_mailing(caller, Some(&form.email), ask).await {
                Ok(_) => {
                    let row = self.invitation_row(Some(invitation)).await?;
                    return Ok(self.view_invitation(&row, caller.at)?);
                }
                // Somebody was invited, an invitation ended or its reader was deleted between the look and the deed.
                Err(
                    ExecuteError::Disallowed(OrganizationRefusal::Overtaken | OrganizationRefusal::InvitationNotOpen)
                    | ExecuteError::Append(AppendError::Refused(Refused::Erased { .. })),
                ) => {}
                Err(error) => return Err(not_allowed(Refusal::MayNotInviteSo)(error)),
            }
        }
        Err(AppError::Unavailable { retry_after: Span::from_secs(1) })
    }

    /// What is to be decided, as things are now: another invitation, or the same for some days more.
    async fn inviting(
        &self,
        caller: &Caller,
        asker: &Asker<'_>,
        meant: &Meant,
        form: &NewInvitation,
    ) -> Result<(InvitationId, Ask), AppError> {
        // Before the look: what is invited behind it is another number.
        let seen = load::<Organization>(self.log.as_ref(), meant.id).await?.state.invited;
        let key = self.keyring.email_claim(&form.email);
        let holder = self.holder(&key).await?.filter(|holder| holder.verified);
        if let Some(holder) = holder
            && self.membership(holder.user, meant.id).await?.is_some()
        {
            return Err(Refusal::AlreadyMember.into());
        }
        let open = self.open_invitation(meant.id, &key).await?;
        let stands = open.as_ref().filter(|row| row.expires_at > caller.at);
        let (by, expires_at) = (asker.by(), caller.at + LIFE);
        let mail = Some(MailId::from_ulid(self.fresh(caller.at)));
        let notice = InvitationNotice { mail, locale: caller.locale };
        let mut ask = self.asking(caller, asker.actor());
        ask.quotas = self.invitation_quota(asker);
        if let Some(row) = stands {
            let address = row.address.as_ref().map(|address| address.id).filter(|_| form.resend);
            let (address, invitation) = (address.ok_or(Refusal::AlreadyInvited)?, row.invitation);
            let invitee = row.user;
            let renew = OrganizationCommand::RenewInvitation { by, invitation, address, invitee, notice, expires_at };
            return Ok((invitation, ask.then(Step::Organization(meant.id, Concurrency::Exact, renew))));
        }
        let invitation = InvitationId::from_ulid(self.fresh(caller.at));
        let Reader { user: invitee, person, sealer, key: person_key } = self.reader(caller, holder).await?;
        let address = sealer.seal(SealKind::Email, form.email.as_str(), self.entropy.as_ref(), caller.at);
        let new = command::NewInvitation {
            invitation,
            person,
            address: address.id,
            invitee,
            role: form.role,
            notice,
            expires_at,
        };
        let instead_of = open.map(|row| row.invitation);
        let invite = OrganizationCommand::Invite { by, invitation: new, seen, instead_of };
        ask.sealed = vec![address];
        ask.person_keys = person_key.into_iter().collect();
        ask.keys = vec![Claim { claim: invitations::of_address(invitation), key }];
        Ok((invitation, ask.then(Step::Organization(meant.id, Concurrency::Exact, invite))))
    }

    pub async fn revoke_invitation(
        &self,
        caller: &Caller,
        asker: &Asker<'_>,
        invitation: Option<InvitationId>,
    ) -> Result<InvitationView, AppError> {
        let row = self.invitation_row(invitation).await?;
        self.meant(asker, row.organization.into()).await?;
        if row.status != Status::Pending {
            return Err(super::answer::ended(row.status).into());
        }
        let view = self.view_invitation(&row, caller.at)?;
        let revoke = OrganizationCommand::RevokeInvitation { by: asker.by(), invitation: row.invitation };
        let step = Step::Organization(row.organization, Concurrency::Exact, revoke);
        match self.execute(self.asking(caller, asker.actor()).then(step)).await {
            Ok(_) => Ok(InvitationView { status: Status::Canceled, ..view }),
            Err(error) => Err(self.meanwhile(&row, not_allowed(Refusal::MayNotCancel)(error)).await),
        }
    }

    /// The invitation of an address that nobody has answered, whether or not in time.
    async fn open_invitation(&self, id: OrganizationId, key: &ClaimKey) -> Result<Option<InvitationRow>, LogFault> {
        for hash in key.hashes() {
            let parameters = [hash.clone().into(), table::id(id)];
            let found = ask_one(self.log.as_ref(), &invitations::OPEN_OF_ADDRESS, &parameters).await?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    async fn reader(&self, caller: &Caller, holder: Option<Holder>) -> Result<Reader, AppError> {
        let user = match holder {
            Some(holder) => self.user_row(holder.user).await?,
            None => None,
        };
        if let Some(row) = user {
            return Ok(Reader { user: Some(row.user), person: row.person, sealer: self.sealer(&row)?, key: None });
        }
        let person = PersonId::from_ulid(self.fresh(caller.at));
        let (sealer, key) = PersonSealer::create(&self.keyring, person, self.entropy.as_ref())?;
        Ok(Reader { user: None, person, sealer, key: Some(key) })
    }

    /// The app invites as many as it likes.
    fn invitation_quota(&self, asker: &Asker<'_>) -> Vec<Quota> {
        let Asker::User(presented) = asker else { return Vec::new() };
        if !self.config.rate_limits {
            return Vec::new();
        }
        let user = presented.row.user.user.to_string();
        let counted = self.keyring.lookup("quota/invitations", &[user.as_bytes()]).hash;
        vec![Quota::takes(counted, INVITATIONS, WITHIN)]
    }
}
