//! Random lives of an organization and the people around it: both sides of every membership, decided together as the
//! server decides them, for property tests here and in the crates that fold what happens.
//!
//! As with [`crate::user::histories`], a step throws dice and names nothing by id, so that any sequence of steps is a
//! life.

mod steps;

use ulid::Ulid;

pub use self::steps::{Doing, Step, lives};
use super::command::{InvitationNotice, NewInvitation, NewSlug};
use super::{By, Existence, Organization, OrganizationCommand, OrganizationEvent, OrganizationRefusal, Role, Target};
use crate::event::Event;
use crate::id::{ClaimId, InvitationId, MailId, MemberId, OrganizationId, PersonId, SealedId, SessionId, UserId};
use crate::process::{self, Consequence};
use crate::time::{Span, Timestamp};
use crate::user::event::{DeletionReason, MembershipEnd};
use crate::user::histories::dice::Dice;
use crate::user::histories::{Kind, Life};
use crate::user::{Standing, UserCommand, UserRefusal};
use crate::value::{Change, Locale};

/// How many people there are around the organization.
pub const PEOPLE: usize = 6;
/// How long an invitation of these lives is open: short, so that many are past their time.
pub const OPEN: Span = Span::from_hours(30);

/// Why a step came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    User(UserRefusal),
    Organization(OrganizationRefusal),
}

/// What became of one step.
#[derive(Clone, Debug)]
pub struct Turn {
    pub at: Timestamp,
    /// In whose name it was asked; none where a person did something on their own.
    pub by: Option<By>,
    pub before: Organization,
    pub outcome: Result<Vec<Event>, Refused>,
}

/// The organization, the people, and everything that happened to any of them.
#[derive(Clone, Debug)]
pub struct Club {
    pub id: OrganizationId,
    pub organization: Organization,
    pub people: Vec<Life>,
    pub events: Vec<(Timestamp, Event)>,
    pub now: Timestamp,
    made: u32,
}

/// One thing that is asked, of one of them.
#[allow(clippy::large_enum_variant, reason = "one at a time")]
enum Asked {
    Person(usize, UserCommand),
    Organization(OrganizationCommand),
}

impl Default for Club {
    fn default() -> Self {
        let people: Vec<Life> = (1..=PEOPLE).map(|number| Life::numbered(number as u8)).collect();
        Self {
            id: OrganizationId::from_ulid(Ulid::from_parts(1, 1)),
            organization: Organization::default(),
            now: people[0].now,
            people,
            events: Vec::new(),
            made: 0,
        }
    }
}

impl Club {
    /// Asks for what the step says, and lets happen what follows.
    pub fn live(&mut self, step: &Step) -> Turn {
        self.now = self.now + step.wait();
        let (at, before) = (self.now, self.organization.clone());
        let (by, outcome) = match step {
            Step::Alone { person, step } => {
                let ours = matches!(step.kind, Kind::BeginMembership | Kind::EndMembership);
                (None, if ours { Ok(Vec::new()) } else { self.alone(usize::from(*person) % PEOPLE, step) })
            }
            Step::Together { doing, dice, .. } => {
                let (by, asked) = self.asked(*doing, &mut Dice::new(*dice));
                (by, self.decide(asked))
            }
        };
        Turn { at, by, before, outcome }
    }

    /// A person does something on their own, which may end all their memberships.
    fn alone(&mut self, person: usize, step: &crate::user::histories::Step) -> Result<Vec<Event>, Refused> {
        let life = &mut self.people[person];
        life.now = self.now - step.wait;
        let events = life.live(step).outcome.map_err(Refused::User)?;
        let user = life.user.id.expect("who has events has an id");
        let mut happened = Vec::new();
        for event in events {
            self.happened(Event::User(user, event), &mut happened);
        }
        Ok(happened)
    }

    /// All of it, or nothing.
    fn decide(&mut self, asked: Vec<Asked>) -> Result<Vec<Event>, Refused> {
        let before = self.clone();
        let mut happened = Vec::new();
        for asked in asked {
            if let Err(refused) = self.decide_one(asked, &mut happened) {
                *self = Self { made: self.made, ..before };
                return Err(refused);
            }
        }
        Ok(happened)
    }

    fn decide_one(&mut self, asked: Asked, happened: &mut Vec<Event>) -> Result<(), Refused> {
        match asked {
            Asked::Person(person, command) => {
                let life = &mut self.people[person];
                life.now = self.now;
                let events = life.ask(command).map_err(Refused::User)?;
                let user = life.user.id.ok_or(Refused::User(UserRefusal::NotFound))?;
                events.into_iter().for_each(|event| self.happened(Event::User(user, event), happened));
            }
            Asked::Organization(command) => {
                let events = self.organization.decide(command, self.now).map_err(Refused::Organization)?;
                for event in events {
                    self.organization.apply(&event);
                    self.happened(Event::Organization(self.id, event), happened);
                }
            }
        }
        Ok(())
    }

    /// Notes an event, and lets happen what belongs to it.
    fn happened(&mut self, event: Event, happened: &mut Vec<Event>) {
        let consequence = process::at_once(&event);
        self.events.push((self.now, event.clone()));
        happened.push(event);
        if let Some(Consequence::Organization(organization, command)) = consequence {
            // Other organizations are none of this story.
            if organization == self.id {
                let followed = self.decide_one(Asked::Organization(command), happened);
                followed.expect("what follows is never refused");
            }
        }
    }

    fn asked(&mut self, doing: Doing, dice: &mut Dice) -> (Option<By>, Vec<Asked>) {
        use OrganizationCommand as C;
        let by = if dice.one_in(6) { By::App } else { By::Member(self.somebody(dice)) };
        let (person, target) = self.target(dice);
        let org = self.id;
        let ends = |reason| UserCommand::EndMembership { organization: org, member: target.member, reason };
        let confirms = UserCommand::ConfirmMembership { organization: org, member: target.member };
        let begins =
            |founded| UserCommand::BeginMembership { organization: org, member: target.member, founded, invited: None };
        let asked = match doing {
            Doing::Found => {
                let founder = (by != By::App).then_some(target);
                let create = C::Create {
                    organization: self.id,
                    person: self.fresh(PersonId::from_ulid),
                    name: self.fresh(SealedId::from_ulid),
                    logo: self.sealed(dice),
                    metadata: self.sealed(dice),
                    slug: self.slug(),
                    founder,
                };
                let begins = founder.map(|_| Asked::Person(person, begins(true)));
                [Asked::Organization(create)].into_iter().chain(begins).collect()
            }
            Doing::Update => {
                let slug = dice.flag().then(|| self.slug());
                let name = self.sealed(dice);
                let (logo, metadata) = (self.change(dice), self.change(dice));
                vec![Asked::Organization(C::Update { by, name, logo, metadata, slug })]
            }
            Doing::Add => {
                let add = C::AddMember { target, role: role(dice) };
                return (Some(By::App), vec![Asked::Organization(add), Asked::Person(person, begins(false))]);
            }
            Doing::ChangeRole => {
                let change = C::ChangeRole { by, target, role: role(dice) };
                vec![Asked::Organization(change), Asked::Person(person, confirms)]
            }
            Doing::Remove => {
                let remove = C::RemoveMember { by, target };
                vec![Asked::Organization(remove), Asked::Person(person, ends(MembershipEnd::Removed))]
            }
            Doing::Leave => {
                let leave = Asked::Organization(C::Leave { target });
                return (Some(By::Member(target.user)), vec![leave, Asked::Person(person, ends(MembershipEnd::Left))]);
            }
            Doing::Activate => {
                let sessions: Vec<SessionId> = self.people[person].user.sessions.keys().copied().collect();
                let session = dice.refer(&sessions, &[]).unwrap_or_else(|| self.fresh(SessionId::from_ulid));
                let organization = (!dice.one_in(4)).then_some(self.id);
                return (
                    None,
                    vec![Asked::Person(person, UserCommand::ActivateOrganization { session, organization })],
                );
            }
            Doing::Invite => {
                let open: Vec<InvitationId> = self.organization.invitations.keys().copied().collect();
                let invite = C::Invite {
                    by,
                    invitation: self.invitation(dice),
                    seen: self.organization.invited + u64::from(dice.one_in(10)),
                    instead_of: dice.one_in(3).then(|| dice.refer(&open, &[])).flatten(),
                };
                vec![Asked::Organization(invite)]
            }
            Doing::Renew => {
                let renew = C::RenewInvitation {
                    by,
                    invitation: self.open(dice),
                    address: self.fresh(SealedId::from_ulid),
                    invitee: dice.flag().then_some(target.user),
                    notice: self.notice(dice),
                    expires_at: self.now + OPEN,
                };
                vec![Asked::Organization(renew)]
            }
            Doing::Revoke => vec![Asked::Organization(C::RevokeInvitation { by, invitation: self.open(dice) })],
            Doing::Accept => {
                let accept = C::AcceptInvitation { invitation: self.open(dice), target };
                return (None, vec![Asked::Organization(accept), Asked::Person(person, begins(false))]);
            }
            Doing::Reject => {
                let reject = C::RejectInvitation { invitation: self.open(dice), user: target.user };
                return (None, vec![Asked::Organization(reject)]);
            }
            Doing::Expire => return (None, vec![Asked::Organization(C::ExpireInvitations)]),
            Doing::Delete => vec![Asked::Organization(C::Delete { by })],
            Doing::DeleteUser => {
                let delete = UserCommand::DeleteUser { reason: DeletionReason::Requested, only_if_guest: false };
                return (None, vec![Asked::Person(person, delete)]);
            }
        };
        (Some(by), asked)
    }

    fn fresh<T>(&mut self, id: fn(Ulid) -> T) -> T {
        self.made += 1;
        id(Ulid::from_parts(2, self.made.into()))
    }

    fn sealed(&mut self, dice: &mut Dice) -> Option<SealedId> {
        dice.flag().then(|| self.fresh(SealedId::from_ulid))
    }

    fn slug(&mut self) -> NewSlug {
        NewSlug { claim: self.fresh(ClaimId::from_ulid), slug: self.fresh(SealedId::from_ulid) }
    }

    fn change(&mut self, dice: &mut Dice) -> Change {
        match dice.throw() % 4 {
            0 | 1 => Change::Kept,
            2 => Change::Set(self.fresh(SealedId::from_ulid)),
            _ => Change::Cleared,
        }
    }

    fn notice(&mut self, dice: &mut Dice) -> InvitationNotice {
        let mail = (!dice.one_in(4)).then(|| self.fresh(MailId::from_ulid));
        InvitationNotice { mail, locale: Locale::ENGLISH }
    }

    fn invitation(&mut self, dice: &mut Dice) -> NewInvitation {
        NewInvitation {
            invitation: self.fresh(InvitationId::from_ulid),
            person: self.fresh(PersonId::from_ulid),
            address: self.fresh(SealedId::from_ulid),
            invitee: dice.flag().then(|| self.somebody(dice)),
            role: role(dice),
            notice: self.notice(dice),
            expires_at: self.now + OPEN,
        }
    }

    /// One of the people, member or not.
    fn somebody(&mut self, dice: &mut Dice) -> UserId {
        let person = usize::from(dice.throw()) % PEOPLE;
        self.people[person].user.id.unwrap_or_else(|| self.fresh(UserId::from_ulid))
    }

    /// One of the people with their membership, or with one they don't have.
    fn target(&mut self, dice: &mut Dice) -> (usize, Target) {
        let person = usize::from(dice.throw()) % PEOPLE;
        let user = self.people[person].user.id.unwrap_or_else(|| self.fresh(UserId::from_ulid));
        let held = self.people[person].user.memberships.get(&self.id).map(|held| held.member);
        let member = held.filter(|_| !dice.one_in(8)).unwrap_or_else(|| self.fresh(MemberId::from_ulid));
        (person, Target { member, user })
    }

    fn open(&mut self, dice: &mut Dice) -> InvitationId {
        let open: Vec<_> = self.organization.invitations.keys().copied().collect();
        let made = |(_, event): &(Timestamp, Event)| match event {
            Event::Organization(_, OrganizationEvent::InvitationCreated(e)) => Some(e.invitation),
            _ => None,
        };
        let past: Vec<_> = self.events.iter().filter_map(made).collect();
        dice.refer(&open, &past).unwrap_or_else(|| self.fresh(InvitationId::from_ulid))
    }

    /// Those who are members by what they know themselves, if the organization stands.
    pub fn members(&self) -> impl Iterator<Item = Target> {
        let stands = self.organization.existence == Existence::Standing;
        let lives = self.people.iter().filter(move |life| stands && life.user.standing != Standing::Deleted);
        lives.filter_map(|life| {
            Some(Target { user: life.user.id?, member: life.user.memberships.get(&self.id)?.member })
        })
    }
}

fn role(dice: &mut Dice) -> Role {
    dice.of(&[Role::Member, Role::Member, Role::Admin, Role::Owner])
}
