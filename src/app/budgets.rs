//! How often an outcome may be bad: taken answers that tell of a conflict, wrong passwords (CONTRACT 1.8); and how many mails
//! an address may get (CONTRACT 3).
//!
//! A place is taken before the outcome is known and given back when it is a good one, so that parallel guesses can't
//! exceed the budget together.

use chrysalis_domain::{EmailAddress, Span};
use chrysalis_projections::users::UserRow;
use chrysalis_projections::{sessions, table};

use super::identify::Presented;
use super::{App, AppError, Caller, Refusal};
use crate::limits::{self, Authority, Budget, Reservation, RetryAfter};
use crate::log::cqrs::{Ask, Done, ExecuteError, Step};
use crate::log::{AppendError, Quota, Refused, ask};

/// How long a network counts as one from which the user signed in.
const FAMILIAR: Span = Span::from_days(30);

impl App {
    /// A place for an answer that may tell that the address is taken.
    pub(super) fn conflict_budget(
        &self,
        caller: &Caller,
        guest: Option<&Presented>,
        email: &EmailAddress,
    ) -> Result<Reservation, AppError> {
        let session = guest.map(|guest| guest.row.session.to_string());
        let authority = session.as_deref().map_or(Authority::Nobody, Authority::Guest);
        let asking = limits::Caller::at(caller.address).with_authority(authority).with_email(email.as_str());
        self.limits.reserve(Budget::Conflict, &asking, caller.at).map_err(too_many)
    }

    /// A place for a guess at a password. When strangers have used the address's places up, the networks from which its
    /// owner signed in lately still have their own.
    pub(super) async fn guess_budget(
        &self,
        caller: &Caller,
        email: &EmailAddress,
        user: Option<&UserRow>,
    ) -> Result<Reservation, AppError> {
        let asking = limits::Caller::at(caller.address).with_email(email.as_str());
        let refused = match self.limits.reserve(Budget::WrongPassword, &asking, caller.at) {
            Ok(place) => return Ok(place),
            Err(refused) => refused,
        };
        match user {
            Some(user) if self.is_familiar(caller, user).await? => {
                self.limits.reserve(Budget::WrongPasswordFamiliar, &asking, caller.at).map_err(too_many)
            }
            _ => Err(too_many(refused)),
        }
    }

    /// Whether the user signed in from the caller's network lately.
    async fn is_familiar(&self, caller: &Caller, user: &UserRow) -> Result<bool, AppError> {
        let since = caller.at - FAMILIAR;
        let rows = ask(self.log.as_ref(), &sessions::SINCE_OF_USER, &[table::id(user.user), since.into()]).await?;
        for row in rows {
            let seen = self.view(&row)?.0.client.ip;
            let network = seen.parse().ok().map(|ip| limits::ClientAddress::Known(ip).bucket());
            if network == Some(caller.address.bucket()) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

pub(super) fn too_many(refused: RetryAfter) -> AppError {
    let seconds = i64::try_from(refused.seconds()).unwrap_or(i64::MAX);
    Refusal::TooMany(Span::from_secs(seconds)).into()
}

/// Mails to one address, over all flows; and those that one network asks for (CONTRACT 3).
const MAILS: [(&str, u32, Span); 2] =
    [("mails/10min", 10, Span::from_secs(600)), ("mails/day", 40, Span::from_days(1))];
const MAILS_FROM: (&str, u32, Span) = ("mails/from", 3, Span::from_secs(600));

impl App {
    /// A share of the mails that an address may get, counted in the transaction that asks for the mail.
    pub(super) fn mail_quotas(&self, caller: &Caller, email: &EmailAddress) -> Vec<Quota> {
        if !self.config.rate_limits {
            return Vec::new();
        }
        let bucket = caller.address.bucket().to_string();
        let quota = |(name, limit, span): (&str, u32, Span), parts: &[&[u8]]| {
            Quota::takes(self.keyring.lookup(name, parts).hash, limit, span)
        };
        let address = email.as_str().as_bytes();
        let over_all = MAILS.map(|line| quota(line, &[address]));
        over_all.into_iter().chain([quota(MAILS_FROM, &[address, bucket.as_bytes()])]).collect()
    }

    /// Executes what also asks for a mail, to an address that is not known to be its holder's: it gets its share, and all else
    /// goes on. Without one, mails are not counted. What else is counted stays so.
    pub(super) async fn execute_mailing(
        &self,
        caller: &Caller,
        email: Option<&EmailAddress>,
        mut ask: Ask,
    ) -> Result<Done, ExecuteError> {
        let Some(email) = email else { return self.execute(ask).await };
        let mut mailing = ask.clone();
        mailing.quotas.extend(self.mail_quotas(caller, email));
        match self.execute(mailing).await {
            Err(ExecuteError::Append(AppendError::Refused(Refused::QuotaExceeded { .. }))) => {}
            done => return done,
        }
        for step in &mut ask.steps {
            match step {
                Step::User(_, _, command) => command.ask_for_no_mail(),
                Step::Organization(_, _, command) => command.ask_for_no_mail(),
                _ => {}
            }
        }
        self.execute(ask).await
    }

    /// The address that the user never proved: it may be a stranger's, who gets no more mails of changes than of anything
    /// else. One that was proven is told of every change.
    pub(super) fn unproven(&self, user: &UserRow) -> Result<Option<EmailAddress>, AppError> {
        let email = if user.email_verified { None } else { self.view_user(user)?.email };
        Ok(email.and_then(|email| EmailAddress::parse(&email).ok()))
    }
}
