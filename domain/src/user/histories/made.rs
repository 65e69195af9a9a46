//! What a command brings into being.

use ulid::Ulid;

use super::Life;
use super::dice::Dice;
use crate::Passed;
use crate::id::{AccountId, ChallengeId, ClaimId, MailId, PersonId, SealedId, SessionId, UserId};
use crate::role::Roles;
use crate::time::{Span, Timestamp};
use crate::user::command::*;
use crate::value::{Authentication, Carrier, Change, Entry, Label, Locale, Locator, ProofKind, TokenHash};

/// How many sessions a user of these lives may have: few, so that the oldest often has to go.
pub const SESSION_LIMIT: usize = 4;

const PROVIDERS: &[&str] = &["google", "github", "apple"];

impl Life {
    pub(super) fn fresh<T>(&mut self, id: impl Fn(Ulid) -> T) -> T {
        id(Ulid::from_parts(1_800_000_000_000, self.serial().into()))
    }

    pub(super) fn serial(&mut self) -> u64 {
        self.made += 1;
        u64::from(self.number) * 1_000_000 + u64::from(self.made)
    }

    pub(super) fn sealed(&mut self, dice: &mut Dice) -> Option<SealedId> {
        dice.flag().then(|| self.fresh(SealedId::from_ulid))
    }

    pub(super) fn token(&mut self) -> NewToken {
        let serial = self.serial();
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&serial.to_be_bytes());
        NewToken { locator: Locator::parse(&format!("{serial:010}")).expect("ten digits"), hash: TokenHash(hash) }
    }

    pub(super) fn new_session(&mut self, dice: &mut Dice, authentication: Authentication) -> NewSession {
        let (remembered, expires_at) = self.lifetime(dice);
        NewSession {
            id: self.fresh(SessionId::from_ulid),
            token: self.token(),
            expires_at,
            remembered,
            authentication,
            client: self.sealed(dice),
            replayable_until: dice.one_in(3).then(|| self.now + Span::from_hours(24)),
            verified: dice.one_in(3).then(|| self.password(dice)),
            limit: SESSION_LIMIT,
            impersonation: None,
        }
    }

    pub(super) fn lifetime(&self, dice: &mut Dice) -> (bool, Timestamp) {
        let remembered = !dice.one_in(3);
        (remembered, self.now + Span::from_days(if remembered { 7 } else { 1 }))
    }

    pub(super) fn credentials(&mut self, dice: &mut Dice) -> PasswordCredentials {
        PasswordCredentials {
            claim: self.fresh(ClaimId::from_ulid),
            address: self.fresh(SealedId::from_ulid),
            account: self.fresh(AccountId::from_ulid),
            hash: self.fresh(SealedId::from_ulid),
            name: self.sealed(dice),
            image: self.sealed(dice),
            verification: (!dice.one_in(4)).then(|| self.verification(dice)),
        }
    }

    pub(super) fn new_member(&mut self, dice: &mut Dice) -> NewMember {
        let Profile { name, image, metadata, password } = self.profile(dice);
        NewMember {
            user: self.fresh(UserId::from_ulid),
            person: self.fresh(PersonId::from_ulid),
            claim: self.fresh(ClaimId::from_ulid),
            address: self.fresh(SealedId::from_ulid),
            verified: dice.flag(),
            password,
            name,
            image,
            metadata,
            app_metadata: self.sealed(dice),
            roles: self.roles(dice),
        }
    }

    pub(super) fn administration(&mut self, dice: &mut Dice) -> Administration {
        let password = dice.one_in(4).then(|| ChosenPassword {
            account: self.fresh(AccountId::from_ulid),
            hash: self.fresh(SealedId::from_ulid),
        });
        Administration {
            name: self.change(dice),
            image: self.change(dice),
            metadata: self.change(dice),
            app_metadata: self.sealed(dice),
            roles: self.roles(dice),
            verified: dice.one_in(3).then(|| dice.flag()),
            password,
            notice: self.notice(),
        }
    }

    /// Mostly none.
    pub(super) fn roles(&self, dice: &mut Dice) -> Option<Roles> {
        if !dice.one_in(3) {
            return None;
        }
        Roles::parse(dice.of(&["user", "admin", "editor,user"]))
    }

    pub(super) fn proven(&mut self, dice: &mut Dice) -> ProvenAddress {
        ProvenAddress {
            claim: self.fresh(ClaimId::from_ulid),
            address: self.fresh(SealedId::from_ulid),
            proof: dice.of(&[ProofKind::MagicLink, ProofKind::EmailOtp]),
        }
    }

    pub(super) fn profile(&mut self, dice: &mut Dice) -> Profile {
        let password = dice.flag().then(|| ChosenPassword {
            account: self.fresh(AccountId::from_ulid),
            hash: self.fresh(SealedId::from_ulid),
        });
        Profile { name: self.sealed(dice), image: self.sealed(dice), metadata: self.sealed(dice), password }
    }

    pub(super) fn notice(&mut self) -> NewNotice {
        NewNotice { mail: self.fresh(MailId::from_ulid), locale: Locale::ENGLISH }
    }

    pub(super) fn terms(&mut self, dice: &mut Dice, notice: Span) -> ExpiryTerms {
        let max_age = dice.of(&[Span::from_hours(1), Span::from_days(2)]);
        // Mostly it can be undone for a while: what happens then is worth a look.
        let undo = dice.of(&[Span::from_days(1), Span::from_days(9), Span::ZERO]);
        ExpiryTerms { settings_version: 3, max_age, notice, undo, job: None }
    }

    /// Sometimes the clock has jumped.
    pub(super) fn passed(&mut self, dice: &mut Dice) -> Passed {
        let mut passed = Passed::default();
        if dice.one_in(8) {
            passed.jump(self.now - Span::from_days(1), self.now - Span::from_hours(5));
        }
        passed
    }

    pub(super) fn verification(&mut self, dice: &mut Dice) -> NewVerification {
        NewVerification {
            challenge: self.fresh(ChallengeId::from_ulid),
            callback_url: self.sealed(dice),
            locale: Locale::ENGLISH,
            expires_at: self.now + Span::from_hours(24),
        }
    }

    pub(super) fn identity(&mut self, dice: &mut Dice) -> SocialIdentity {
        let held = self.user.identities.first().map(|held| held.claim).filter(|_| dice.one_in(8));
        let email = (!dice.one_in(4)).then(|| SocialEmail {
            claim: self.fresh(ClaimId::from_ulid),
            address: self.fresh(SealedId::from_ulid),
            vouched: dice.flag(),
            verification: dice.flag().then(|| self.verification(dice)),
        });
        SocialIdentity {
            account: self.fresh(AccountId::from_ulid),
            claim: held.unwrap_or_else(|| self.fresh(ClaimId::from_ulid)),
            provider: dice.of(PROVIDERS).to_owned(),
            subject: self.fresh(SealedId::from_ulid),
            email,
            name: self.sealed(dice),
            image: self.sealed(dice),
            scopes: if dice.flag() { vec!["email".to_owned()] } else { Vec::new() },
            vouches_for_held: dice.one_in(4),
        }
    }

    pub(super) fn renewal(&mut self, dice: &mut Dice) -> Renewal {
        let (remembered, expires_at) = self.lifetime(dice);
        Renewal { expires_at, remembered, rotation: self.rotation(dice) }
    }

    pub(super) fn rotation(&mut self, dice: &mut Dice) -> Rotation {
        let policy =
            dice.of(&[RotationPolicy::Cookie, RotationPolicy::Cookie, RotationPolicy::Always, RotationPolicy::Never]);
        Rotation {
            policy,
            carrier: dice.of(&[Carrier::Bearer, Carrier::Cookie]),
            token: self.token(),
            grace: dice.grace(),
        }
    }

    pub(super) fn entry(&mut self, dice: &mut Dice) -> Entry {
        let label = |dice: &mut Dice, text| dice.flag().then(|| Label::parse(text)).flatten();
        Entry {
            channel: label(dice, "email"),
            campaign: label(dice, "spring sale"),
            referrer_host: label(dice, "example.com"),
            referrer: self.sealed(dice),
        }
    }

    pub(super) fn change(&mut self, dice: &mut Dice) -> Change {
        match dice.throw() % 4 {
            0 | 1 => Change::Kept,
            2 => Change::Set(self.fresh(SealedId::from_ulid)),
            _ => Change::Cleared,
        }
    }
}
