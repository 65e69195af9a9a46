//! What shows who somebody is: proofs that go by mail, and identities at providers.

use chrysalis::keys::SealKind;
use chrysalis::log::cqrs::{Ask, Concurrency, ExecuteError, Step, load};
use chrysalis::log::{Claim, Expected, Group, SealedRecord, ask};
use chrysalis_domain::challenge::event::{AuthorizationRequested, ChallengeIssued, VoidReason};
use chrysalis_domain::challenge::{Asker, Bound, Challenge, ChallengeCommand, Ended, Intent, Purpose};
use chrysalis_domain::id::{AccountId, ChallengeId, ClaimId, EventId, SessionId, UserId};
use chrysalis_domain::mail::{MailDeferred, MailEvent, MailGivenUp, MailSent, Reason};
use chrysalis_domain::user::UserCommand;
use chrysalis_domain::user::command::{ProvenAddress, SocialEmail, SocialIdentity};
use chrysalis_domain::value::{Locale, ProofKind};
use chrysalis_domain::{EmailAddress, Event, Span, Subject};
use chrysalis_projections::{codes, mails};

use super::{ADDRESSES, History};
use crate::conformance::world::Person;

const SUBJECTS: [&str; 4] =
    ["https://idp.example/1", "https://idp.example/2", "https://other.example/1", "https://other.example/2"];
const PROVIDERS: [&str; 2] = ["idp", "other"];

impl History {
    pub(super) fn proven(&self, person: &Person) -> (ProvenAddress, SealedRecord, Claim) {
        let (world, address) = (&self.world, *self.world.chance.pick(&ADDRESSES));
        let sealed = world.seal(person, SealKind::Email, address);
        let key = world.keyring.email_claim(&EmailAddress::parse(address).unwrap());
        let claim = Claim { claim: world.fresh(ClaimId::from_ulid), key };
        (ProvenAddress { claim: claim.claim, address: sealed.id, proof: ProofKind::EmailOtp }, sealed, claim)
    }

    /// By a user, or by somebody who is none yet.
    pub(super) async fn ask_for_a_proof(&self, user: UserId, person: &Person) -> Result<ChallengeId, ExecuteError> {
        let (world, chance) = (&self.world, &self.world.chance);
        let stranger = chance.toss().then(|| world.person());
        let person = stranger.as_ref().unwrap_or(person);
        let holder = stranger.is_none().then_some(Bound { user, epoch: 0 });
        let session = world.fresh(SessionId::from_ulid);
        let asker = holder.map(|Bound { user, epoch }| Asker { user, epoch, session });
        let (address, challenge) = (*chance.pick(&ADDRESSES), world.fresh(ChallengeId::from_ulid));
        let (email, details) =
            (world.seal(person, SealKind::Email, address), world.seal(person, SealKind::Details, "{}"));
        let issued = ChallengeIssued {
            challenge,
            purpose: *chance.pick(&Purpose::ALL),
            person: person.id,
            address: email.id,
            details: chance.toss().then_some(details.id),
            asker: None,
            holder,
            silent: chance.toss(),
            locale: Locale::ENGLISH,
            at: world.now(),
            expires_at: world.now() + Span::from_secs(600),
        };
        let command = match chance.below(4) {
            0 => ChallengeCommand::RequestAuthorization(Box::new(AuthorizationRequested {
                challenge,
                provider: (*chance.pick(&PROVIDERS)).to_owned(),
                intent: *chance.pick(&Intent::ALL),
                person: person.id,
                details: details.id,
                asker,
                at: world.now(),
                expires_at: world.now() + Span::from_secs(600),
            })),
            _ => ChallengeCommand::Issue(Box::new(issued)),
        };
        let mut ask =
            Ask::new(world.context(), world.now()).then(Step::Challenge(challenge, Concurrency::New, command));
        let key = world.keyring.email_claim(&EmailAddress::parse(address).unwrap());
        ask.keys = vec![Claim { claim: codes::of_address(challenge), key }];
        ask.sealed = vec![email, details];
        ask.person_keys = stranger.into_iter().map(|stranger| stranger.key).collect();
        world.execute(ask).await?;
        Ok(challenge)
    }

    pub(super) async fn bring_a_proof_back(&self) -> Result<(), ExecuteError> {
        let (world, chance) = (&self.world, &self.world.chance);
        if self.asked.is_empty() {
            return Ok(());
        }
        let challenge = *chance.pick(&self.asked);
        let Challenge { issued, ended, .. } = load::<Challenge>(world.log.as_ref(), challenge).await?.state;
        let purpose = issued.map_or(Purpose::MagicLink, |issued| issued.purpose);
        let purpose = if chance.below(4) == 0 { *chance.pick(&Purpose::ALL) } else { purpose };
        let command = match chance.below(7) {
            6 => ChallengeCommand::ForgetStranger { met: ended == Some(Ended::Met) },
            5 => ChallengeCommand::MeetAuthorization,
            4 => ChallengeCommand::Check { purpose },
            0 => ChallengeCommand::Meet { purpose },
            1 => ChallengeCommand::Void { reason: *chance.pick(&[VoidReason::Replaced, VoidReason::Expired]) },
            _ => ChallengeCommand::Miss { own: chance.toss() },
        };
        let step = Step::Challenge(challenge, Concurrency::Exact, command);
        world.execute(Ask::new(world.context(), world.now()).then(step)).await?;
        Ok(())
    }

    pub(super) async fn try_to_send_a_mail(&self) -> Result<(), ExecuteError> {
        let (world, chance) = (&self.world, &self.world.chance);
        let waiting = ask(world.log.as_ref(), &mails::NEXT, &[100.into()]).await?;
        if waiting.is_empty() {
            return Ok(());
        }
        let (row, at) = (chance.pick(&waiting), world.now());
        let event: MailEvent = match chance.below(3) {
            0 => MailSent { at }.into(),
            1 => MailGivenUp { reason: Reason::Refused, at }.into(),
            _ => MailDeferred { attempt: row.attempts + 1, due_at: at + Span::from_secs(5), at }.into(),
        };
        let expected = if row.attempts == 0 { Expected::NoStream } else { Expected::Exact(row.attempts.into()) };
        let mut group = Group::new(world.context());
        let id = || world.fresh(EventId::from_ulid);
        group.append(Subject::Mail(row.mail), expected, &[Event::Mail(row.mail, event)], at, id)?;
        world.append(group).await?;
        Ok(())
    }

    pub(super) fn social(&self, person: &Person, session: SessionId) -> (UserCommand, Vec<SealedRecord>, Vec<Claim>) {
        let (world, chance) = (&self.world, &self.world.chance);
        let (text, address) = (*chance.pick(&SUBJECTS), *chance.pick(&ADDRESSES));
        let (subject, email) =
            (world.seal(person, SealKind::Subject, text), world.seal(person, SealKind::Email, address));
        let (identity, held) = (world.fresh(ClaimId::from_ulid), world.fresh(ClaimId::from_ulid));
        let claims = vec![
            Claim { claim: identity, key: world.keyring.identity_claim(text) },
            Claim { claim: held, key: world.keyring.email_claim(&EmailAddress::parse(address).unwrap()) },
        ];
        let email_said = chance.toss().then(|| SocialEmail {
            claim: held,
            address: email.id,
            vouched: chance.toss(),
            verification: None,
        });
        let identity = SocialIdentity {
            account: world.fresh(AccountId::from_ulid),
            claim: identity,
            provider: (*chance.pick(&PROVIDERS)).to_owned(),
            subject: subject.id,
            email: email_said,
            name: None,
            image: None,
            scopes: Vec::new(),
            vouches_for_held: false,
        };
        let command = UserCommand::LinkSocial {
            session,
            identity,
            renewal: world.renewal(),
            strict: false,
            opens: None,
            epoch: None,
            notice: Some(world.notice()),
        };
        (command, vec![subject, email], claims)
    }
}
