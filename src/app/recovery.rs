//! A guest comes back without personal data (CONTRACT 9): by a code that it kept, once; or on another device, by a short
//! code that is typed there and agreed to here. Same user, a session more.

use chrysalis_domain::id::UserId;
use chrysalis_domain::user::{User, UserCommand};
use chrysalis_domain::value::{Authentication, TokenHash};
use chrysalis_domain::{Span, Timestamp};
use chrysalis_projections::recovery::OWNER;

use super::budgets::too_many;
use super::identify::Presented;
use super::new_session::{Opening, SignedIn};
use super::view::ClientSeen;
use super::{App, AppError, Caller, Refusal};
use crate::keys::{Code, Record, SealKind};
use crate::limits::{self, Budget};
use crate::log::cqrs::load;
use crate::log::{Actor, LogFault, ask_one};

/// How long a code for another device stands.
const LINK: Span = Span::from_secs(300);

/// A code, shown once.
#[derive(Clone, Debug)]
pub struct Shown {
    pub code: String,
    /// None: until it is used, revoked or replaced, or the guest is one no more.
    pub expires_at: Option<Timestamp>,
}

/// What stands of a guest's codes.
#[derive(Clone, Debug)]
pub struct Offered {
    pub recovery_code: bool,
    pub link: Option<OfferedLink>,
}

#[derive(Clone, Debug)]
pub struct OfferedLink {
    pub expires_at: Timestamp,
    /// The device that typed the code, once one did.
    pub device: Option<ClientSeen>,
    pub confirmed: bool,
}

/// What came of a code.
#[derive(Clone, Debug)]
pub enum Redeemed {
    In(Box<SignedIn>),
    /// The device that shows the code is to agree. With the ticket this one asks again.
    Waiting {
        ticket: String,
    },
}

impl App {
    /// The code before is void.
    pub async fn issue_recovery_code(&self, caller: &Caller, presented: &Presented) -> Result<Shown, AppError> {
        let code = Code::create(self.entropy.as_ref(), Code::LONG);
        let command = UserCommand::IssueRecoveryCode { session: presented.row.session, hash: code.hash() };
        self.recover(caller, presented, command).await?;
        Ok(Shown { code: code.text(), expires_at: None })
    }

    pub async fn revoke_recovery_code(&self, caller: &Caller, presented: &Presented) -> Result<(), AppError> {
        let session = presented.row.session;
        self.recover(caller, presented, UserCommand::RevokeRecoveryCode { session }).await
    }

    pub async fn offer_device_link(&self, caller: &Caller, presented: &Presented) -> Result<Shown, AppError> {
        let code = Code::create(self.entropy.as_ref(), Code::SHORT);
        let expires_at = caller.at + LINK;
        let (session, hash) = (presented.row.session, self.hash(&code));
        self.recover(caller, presented, UserCommand::OfferDeviceLink { session, hash, expires_at }).await?;
        Ok(Shown { code: code.text(), expires_at: Some(expires_at) })
    }

    /// The device that typed the code may come in.
    pub async fn confirm_device_link(&self, caller: &Caller, presented: &Presented) -> Result<(), AppError> {
        let session = presented.row.session;
        self.recover(caller, presented, UserCommand::ConfirmDeviceLink { session }).await
    }

    pub async fn withdraw_device_link(&self, caller: &Caller, presented: &Presented) -> Result<(), AppError> {
        let session = presented.row.session;
        self.recover(caller, presented, UserCommand::WithdrawDeviceLink { session }).await
    }

    pub async fn offered(&self, caller: &Caller, presented: &Presented) -> Result<Offered, AppError> {
        let state = load::<User>(self.log.as_ref(), presented.row.user.user).await?.state;
        let link = match state.link.filter(|link| link.expires_at > caller.at) {
            Some(link) => {
                let device = match link.client {
                    Some(sealed) => {
                        let json = Record::open(self.log.as_ref(), &self.keyring, SealKind::Client, sealed).await?;
                        Some(json.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default())
                    }
                    None => None,
                };
                Some(OfferedLink { expires_at: link.expires_at, device, confirmed: link.confirmed })
            }
            None => None,
        };
        Ok(Offered { recovery_code: state.recovery.is_some(), link })
    }

    /// Ten wrong codes a minute from one network, and no more.
    pub async fn redeem(&self, caller: &Caller, code: &str, ticket: Option<&str>) -> Result<Redeemed, AppError> {
        let asking = limits::Caller::at(caller.address);
        let place = self.limits.reserve(Budget::WrongRecovery, &asking, caller.at).map_err(too_many)?;
        let redeemed = match Code::parse(code) {
            Some(code) if code.is_short() => self.by_device_link(caller, &code, ticket).await,
            Some(code) => self.by_recovery_code(caller, &code).await,
            None => Err(Refusal::InvalidToken.into()),
        };
        if !matches!(redeemed, Err(AppError::Refused(Refusal::InvalidToken | Refusal::TokenExpired))) {
            place.refund();
        }
        redeemed
    }

    async fn by_recovery_code(&self, caller: &Caller, code: &Code) -> Result<Redeemed, AppError> {
        let hash = code.hash();
        let user = self.owner_of(hash).await?;
        self.come_back(caller, user, |session| UserCommand::UseRecoveryCode { hash, session }).await
    }

    async fn by_device_link(&self, caller: &Caller, code: &Code, ticket: Option<&str>) -> Result<Redeemed, AppError> {
        let hash = self.hash(code);
        let user = self.owner_of(hash).await?;
        let Some(ticket) = ticket else { return self.claim_device_link(caller, user, hash).await };
        let shown = Code::parse(ticket).filter(|ticket| !ticket.is_short()).ok_or(Refusal::InvalidToken)?.hash();
        let link = load::<User>(self.log.as_ref(), user).await?.state.link;
        let waits = link.is_some_and(|link| {
            link.hash == hash && link.ticket == Some(shown) && !link.confirmed && link.expires_at > caller.at
        });
        if waits {
            return Ok(Redeemed::Waiting { ticket: ticket.to_owned() });
        }
        let command = |session| UserCommand::UseDeviceLink { hash, ticket: shown, session };
        self.come_back(caller, user, command).await
    }

    async fn claim_device_link(&self, caller: &Caller, user: UserId, hash: TokenHash) -> Result<Redeemed, AppError> {
        let row = self.user_row(user).await?.ok_or(Refusal::InvalidToken)?;
        let ticket = Code::create(self.entropy.as_ref(), Code::LONG);
        let seen = ClientSeen { ip: caller.address.text(), ua: caller.user_agent.clone() };
        let json = serde_json::to_string(&seen).map_err(|error| LogFault::Bug(error.to_string()))?;
        let client = self.sealer(&row)?.seal(SealKind::Client, &json, self.entropy.as_ref(), caller.at);
        let command = UserCommand::ClaimDeviceLink { hash, ticket: ticket.hash(), client: client.id };
        let mut ask = self.ask(caller, Actor::somebody(), user, command);
        ask.sealed = vec![client];
        self.execute(ask).await.map_err(AppError::from).map_err(lost)?;
        Ok(Redeemed::Waiting { ticket: ticket.text() })
    }

    async fn come_back(
        &self,
        caller: &Caller,
        user: UserId,
        command: impl FnOnce(chrysalis_domain::user::command::NewSession) -> UserCommand,
    ) -> Result<Redeemed, AppError> {
        let row = self.user_row(user).await?.ok_or(Refusal::InvalidToken)?;
        let Opening { session, token, client, .. } =
            self.opening(caller, &self.sealer(&row)?, Authentication::recovery(caller.at), true)?;
        let id = session.id;
        let mut ask = self.ask(caller, Actor::user(user).by(id), user, command(session));
        ask.sealed = vec![client];
        self.execute(ask).await.map_err(AppError::from).map_err(lost)?;
        let row = self.session_row(id).await?.ok_or(Refusal::SessionNotLive)?;
        Ok(Redeemed::In(Box::new(self.signed_in_as(&row, token.as_str())?)))
    }

    async fn recover(&self, caller: &Caller, presented: &Presented, command: UserCommand) -> Result<(), AppError> {
        self.execute(self.ask(caller, presented.actor(), presented.row.user.user, command)).await?;
        Ok(())
    }

    /// A short code could be guessed from its plain hash.
    fn hash(&self, code: &Code) -> TokenHash {
        TokenHash(self.keyring.lookup("device-link", &[code.as_str().as_bytes()]).hash)
    }

    async fn owner_of(&self, hash: TokenHash) -> Result<UserId, AppError> {
        let owner = ask_one(self.log.as_ref(), &OWNER, &[hash.0.to_vec().into()]).await?;
        Ok(owner.ok_or(Refusal::InvalidToken)?)
    }
}

/// The guest became a member or went: so did the code.
fn lost(error: AppError) -> AppError {
    match error {
        AppError::Refused(Refusal::NotAnonymous | Refusal::SessionNotLive) => Refusal::InvalidToken.into(),
        error => error,
    }
}
