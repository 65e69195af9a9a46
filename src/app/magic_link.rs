//! Magic links: asked for with an address, opened from the mail (CONTRACT 5).
//!
//! A link upgrades only the guest who asked for it, and only in the browser in which it was asked for. Opened elsewhere it
//! asks first, so that neither a mail scanner uses it up nor anybody is signed in who only clicked.

use chrysalis_domain::challenge::Purpose;
use chrysalis_domain::id::{ChallengeId, ClaimId};
use chrysalis_domain::value::ProofKind;
use chrysalis_domain::{EmailAddress, Span, Timestamp};
use chrysalis_projections::mails::kind_of;

use super::challenge::{Brought, Details, Wanted};
use super::identify::Presented;
use super::mailbox::{Proven, Shown};
use super::{App, AppError, Caller, Refusal};
use crate::keys::challenge_of;

/// How long a link works.
const LIFE: Span = Span::from_secs(600);

/// Who opens a link, and how.
#[derive(Clone, Copy, Debug)]
pub struct Opener<'a> {
    pub presented: Option<&'a Presented>,
    /// Claims that this browser can show it made.
    pub claims: &'a [ClaimId],
    /// Links that this browser can show it asked for.
    pub asked: &'a [ChallengeId],
    /// A person looks at a page; otherwise a program fetches.
    pub navigates: bool,
    /// What was said to the page that asks first.
    pub confirmed: Option<Confirmed>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirmed {
    /// The guest who asked is to become this member.
    pub bring: bool,
}

/// What came of opening a link.
#[derive(Clone, Debug)]
pub enum Opened {
    Proven(Box<Proven>),
    /// It was not this browser that asked for it: whoever reads this is to say so.
    AskFirst(Asked),
}

/// A link that was asked for elsewhere.
#[derive(Clone, Debug)]
pub struct Asked {
    pub email: String,
    pub at: Timestamp,
    pub user_agent: String,
    /// A guest asked for it, whose things can be brought along.
    pub by_guest: bool,
}

impl App {
    /// Has a link mailed. Answers the same for a known address and an unknown one; nothing is made when the address has had
    /// its share of mails.
    pub async fn ask_for_magic_link(
        &self,
        caller: &Caller,
        presented: Option<&Presented>,
        email: &str,
        details: Details,
    ) -> Result<Option<ChallengeId>, AppError> {
        if !caller.settings.methods.magic_link {
            return Err(Refusal::MagicLinkDisabled.into());
        }
        let email = EmailAddress::parse(email).map_err(|_| Refusal::InvalidEmail)?;
        let holder = self.holder(&self.keyring.email_claim(&email)).await?;
        let wanted = Wanted {
            purpose: Purpose::MagicLink,
            email: &email,
            holder,
            presented,
            details,
            locale: caller.locale,
            life: LIFE,
        };
        self.challenge(caller, wanted).await
    }

    pub async fn open_magic_link(&self, caller: &Caller, token: &str, opener: Opener<'_>) -> Result<Opened, AppError> {
        let purpose = self.purpose_of(token);
        if purpose == Purpose::MagicLink && !caller.settings.methods.magic_link {
            return Err(Refusal::MagicLinkDisabled.into());
        }
        let mut brought = self.brought(caller, purpose, token).await?;
        let asker = brought.issued.asker;
        let same_session = |presented: &&Presented| {
            asker.is_some_and(|asker| asker.session == presented.row.session && asker.user == presented.row.user.user)
        };
        let asked_here =
            opener.asked.contains(&brought.challenge) || opener.presented.as_ref().is_some_and(same_session);
        if !asked_here && opener.navigates && opener.confirmed.is_none() {
            return self.ask_first(brought).await.map(Opened::AskFirst);
        }
        if !asked_here {
            // Whoever asked chose the password, and is not known to be who reads the mail: it would lead them in.
            brought.details.password = None;
        }
        let elsewhere = match opener.confirmed {
            Some(Confirmed { bring: true }) if !asked_here => self.asking_guest(caller, &brought).await?,
            _ => None,
        };
        let here =
            opener.presented.filter(|_| asked_here).filter(same_session).filter(|presented| presented.is_guest());
        let shown = Shown {
            brought,
            proof: if purpose == Purpose::MagicLink { ProofKind::MagicLink } else { ProofKind::VerificationLink },
            guest: here,
            bring: elsewhere.as_ref(),
            presented: opener.presented,
            claims: opener.claims,
            name: None,
            image: None,
            quotas: Vec::new(),
        };
        Ok(Opened::Proven(Box::new(self.proven(caller, &shown).await?)))
    }

    /// The same page opens the link that confirms an address ([`super::private`]).
    fn purpose_of(&self, token: &str) -> Purpose {
        let confirms = challenge_of(&self.keyring, kind_of(Purpose::ConfirmAddress), token).is_some();
        if confirms { Purpose::ConfirmAddress } else { Purpose::MagicLink }
    }

    async fn ask_first(&self, brought: Brought) -> Result<Asked, AppError> {
        let by_guest = match brought.issued.asker {
            Some(asker) => self.user_row(asker.user).await?.is_some_and(|user| user.standing.is_guest()),
            None => false,
        };
        Ok(Asked {
            email: brought.email.as_str().to_owned(),
            at: brought.issued.at,
            user_agent: brought.details.user_agent,
            by_guest,
        })
    }

    /// The session of the guest who asked, if it is still there to become a member.
    async fn asking_guest(&self, caller: &Caller, brought: &Brought) -> Result<Option<Presented>, AppError> {
        let Some(asker) = brought.issued.asker else { return Ok(None) };
        let row = self.session_row(asker.session).await?;
        let row = row.filter(|row| row.ended_at.is_none() && row.expires_at > caller.at);
        let row = row.filter(|row| row.user.user == asker.user && row.user.standing.is_guest());
        Ok(row.map(Presented::elsewhere))
    }
}
