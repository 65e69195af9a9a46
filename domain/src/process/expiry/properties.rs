//! Guests who come and go, a clock that may jump, a due list that lags behind, and two nodes that both believe it is their
//! turn: nobody is taken early, whoever stays away goes, and nobody goes twice.

use proptest::prelude::*;
use proptest::test_runner::Config;
use ulid::Ulid;

use super::*;
use crate::decider::Decider;
use crate::id::{JobId, PersonId, SessionId, UserId};
use crate::user::command::{NewSession, NewToken};
use crate::user::event::{ActivityRecorded, GuestDisabled, UserDeleted};
use crate::user::{Standing, User, UserEvent};
use crate::value::{Authentication, Carrier, Entry, Locator, TokenHash};

const GUESTS: usize = 6;
const HOUR: Span = Span::from_hours(1);

#[derive(Clone, Debug)]
enum Step {
    /// Time passes, in minutes.
    Wait(i64),
    /// The clock is set, in minutes.
    Jump(i64),
    Visit(usize),
    Upgrade(usize),
    Hold(usize),
    Undo(usize),
    /// A job takes the guest out of use.
    Bar(usize),
    /// The due list catches up.
    Read,
    /// A node takes its turn. How far it gets before it dies.
    Round(usize),
}

fn steps(jumps: bool) -> impl Strategy<Value = Vec<Step>> {
    let guest = 0..GUESTS;
    let step = prop_oneof![
        8 => (1..600_i64).prop_map(Step::Wait),
        u32::from(jumps) * 2 + 1 => (-3_000..3_000_i64).prop_map(move |minutes| Step::Jump(if jumps { minutes } else { 0 })),
        4 => guest.clone().prop_map(Step::Visit),
        1 => guest.clone().prop_map(Step::Upgrade),
        1 => guest.clone().prop_map(Step::Hold),
        1 => guest.clone().prop_map(Step::Undo),
        1 => guest.prop_map(Step::Bar),
        4 => Just(Step::Read),
        6 => (0..20_usize).prop_map(Step::Round),
    ];
    prop::collection::vec(step, 0..200)
}

/// A guest, what the due list has of it, and what is true of it.
struct Guest {
    user: User,
    row: User,
    /// When it was last here, as time passes and not as clocks show.
    here: i64,
    held_until: i64,
    deletions: usize,
}

struct World {
    /// Minutes that passed.
    truth: i64,
    clock: Timestamp,
    expected: Timestamp,
    terms: ExpiryTerms,
    expiry: Expiry,
    guests: Vec<Guest>,
}

impl World {
    fn new(terms: ExpiryTerms) -> Self {
        let clock = Timestamp::from_millis(1_800_000_000_000);
        let guests = (0..GUESTS).map(|number| arrived(number, clock)).collect();
        Self { truth: 0, clock, expected: clock, terms, expiry: Expiry::default(), guests }
    }

    fn live(&mut self, step: &Step) {
        if !matches!(step, Step::Jump(_)) {
            self.look();
        }
        match step {
            Step::Wait(minutes) => {
                self.truth += minutes;
                let span = Span::from_secs(minutes * 60);
                (self.clock, self.expected) = (self.clock + span, self.expected + span);
            }
            Step::Jump(minutes) => self.clock = self.clock + Span::from_secs(minutes * 60),
            Step::Visit(number) => self.visit(*number),
            Step::Upgrade(number) => {
                // However it came about: by any of the ways, which all lead here.
                let authentication = Authentication::password(self.clock);
                let guest = &mut self.guests[*number];
                if guest.user.standing == Standing::Guest {
                    let upgraded = crate::user::event::GuestUpgraded { authentication, session: None, proof: None };
                    guest.user.apply(&upgraded.into());
                }
            }
            Step::Hold(number) => {
                let until = self.clock + Span::from_days(1);
                let held = self.ask(*number, UserCommand::HoldGuest { until, reason: None });
                if held {
                    self.guests[*number].held_until = self.truth + 24 * 60;
                }
            }
            Step::Undo(number) => {
                self.ask(*number, UserCommand::RestoreGuest);
            }
            Step::Bar(number) => {
                let by = JobId::from_ulid(Ulid::from_parts(1, 1));
                self.ask(*number, UserCommand::DisableGuest { by });
            }
            Step::Read => self.guests.iter_mut().for_each(|guest| guest.row = guest.user.clone()),
            Step::Round(gets) => self.round(*gets),
        }
    }

    /// The session is live, so the guest is here; it may be noted up to an hour late.
    fn visit(&mut self, number: usize) {
        let (clock, truth) = (self.clock, self.truth);
        let guest = &mut self.guests[number];
        let Some((id, session)) = guest.user.sessions.iter().next() else { return };
        if session.expires_at <= clock || guest.user.standing == Standing::Member {
            return;
        }
        guest.here = truth;
        let command = UserCommand::RecordActivity { session: *id, carrier: Carrier::Bearer, granularity: HOUR };
        self.ask(number, command);
    }

    /// What a node does in its turn. Every command may be given twice.
    fn round(&mut self, gets: usize) {
        let terms = self.terms;
        let mut commands = Vec::new();
        for look in self.expiry.looks(self.clock, Some(&terms)) {
            for number in (0..GUESTS).filter(|number| listed(&self.guests[*number].row, look)) {
                commands.extend(self.expiry.command(look, Some(&terms)).map(|command| (number, command)));
            }
        }
        for (number, command) in commands.into_iter().take(gets) {
            self.ask(number, command.clone());
            self.ask(number, command);
        }
    }

    /// The clock is looked at every second: nothing to speak of happens between a jump and the next look.
    fn look(&mut self) {
        let noted = ProcessCommand::NoteClock { expected: self.expected, seen: self.clock };
        for event in self.expiry.decide(noted, self.clock).unwrap() {
            self.expiry.apply(&event);
        }
        self.expected = self.clock;
    }

    /// Whether something followed.
    fn ask(&mut self, number: usize, command: UserCommand) -> bool {
        let (truth, max_age) = (self.truth, self.terms.max_age);
        let guest = &mut self.guests[number];
        let Ok(events) = Decider::decide(&guest.user, command, self.clock) else { return false };
        for event in &events {
            if let UserEvent::GuestDisabled(GuestDisabled { evidence: Some(_), .. })
            | UserEvent::UserDeleted(UserDeleted { evidence: Some(_), .. }) = event
            {
                assert!(guest.user.standing.is_guest(), "a member was taken");
                let away = truth - guest.here;
                assert!(away * 60_000 >= max_age.as_millis(), "taken after {away} minutes");
                assert!(truth >= guest.held_until, "taken while it was held");
            }
            guest.deletions += usize::from(matches!(event, UserEvent::UserDeleted(_)));
            guest.user.apply(event);
        }
        !events.is_empty()
    }
}

/// As the questions of the due list have it.
fn listed(row: &User, look: Look) -> bool {
    let guest = matches!(row.standing, Standing::Guest | Standing::Provisional);
    let quiet = guest && row.announced.is_none() && row.held.is_none();
    match look {
        Look::Quiet { before } => quiet && row.last_activity < before,
        Look::Told { by } => guest && row.announced.as_ref().is_some_and(|told| told.expires_at <= by),
        Look::Lapsed { by, before } => {
            guest && row.held.as_ref().is_some_and(|held| held.until <= by) && row.last_activity < before
        }
        Look::Disabled { by } => {
            row.disabled.as_ref().and_then(|disabled| disabled.final_at).is_some_and(|final_at| final_at <= by)
        }
        Look::Barred { before } => {
            row.disabled.as_ref().is_some_and(|disabled| disabled.by.is_some()) && row.last_activity < before
        }
    }
}

fn arrived(number: usize, clock: Timestamp) -> Guest {
    let id = |kind: u8| Ulid::from_parts(1_800_000_000_000, u128::from(kind) * 100 + number as u128);
    let session = NewSession {
        id: SessionId::from_ulid(id(3)),
        token: NewToken { locator: Locator::parse("0000000000").unwrap(), hash: TokenHash([0; 32]) },
        // Formally live for longer than a guest may be away.
        expires_at: clock + Span::from_days(400),
        remembered: true,
        authentication: Authentication::anonymous(clock),
        client: None,
        replayable_until: None,
        verified: None,
        impersonation: None,
        limit: 10,
    };
    let create = UserCommand::CreateAnonymous {
        user: UserId::from_ulid(id(1)),
        person: PersonId::from_ulid(id(2)),
        entry: Entry::default(),
        session,
    };
    let mut user = User::default();
    for event in Decider::decide(&user, create, clock).unwrap() {
        user.apply(&event);
    }
    Guest { row: user.clone(), user, here: 0, held_until: 0, deletions: 0 }
}

fn terms() -> impl Strategy<Value = ExpiryTerms> {
    let span = |hours: std::ops::Range<i64>| hours.prop_map(Span::from_hours);
    (span(1..72), span(0..24), span(0..24)).prop_map(|(max_age, notice, undo)| ExpiryTerms {
        settings_version: 3,
        max_age,
        notice,
        undo,
        job: None,
    })
}

proptest! {
    #![proptest_config(Config { max_shrink_iters: 20_000, ..Config::default() })]

    #[test]
    fn nobody_is_taken_early_whatever_the_clock_does(terms in terms(), steps in steps(true)) {
        let mut world = World::new(terms);
        steps.iter().for_each(|step| world.live(step));
        prop_assert!(world.guests.iter().all(|guest| guest.deletions <= 1));
    }

    /// A visit that is noted without looking at what happened meanwhile does not make it otherwise.
    #[test]
    fn a_stray_visit_keeps_the_guest_as_long_as_it_is_there(terms in terms(), away in 1..200_i64) {
        let mut world = World::new(terms);
        world.live(&Step::Wait(away * 60));
        let (at, session) = (world.clock, *world.guests[0].user.sessions.keys().next().unwrap());
        world.live(&Step::Round(20));
        let gone = world.guests[0].user.standing == Standing::Deleted;
        world.guests[0].here = world.truth;
        world.guests[0].user.apply(&ActivityRecorded { session, carrier: Carrier::Bearer, at }.into());
        for _ in 0..3 {
            world.live(&Step::Read);
            world.live(&Step::Wait(20 * 60));
            // The assertions stand where events are made: it is not taken again before its time.
            world.live(&Step::Round(20));
        }
        prop_assert_eq!(world.guests[0].deletions, usize::from(gone || world.guests[0].user.standing == Standing::Deleted));
    }

    /// Where the clock is steady, whoever stays away is gone when all the times are over, and an hour more.
    #[test]
    fn whoever_stays_away_goes(terms in terms(), steps in steps(false)) {
        let mut world = World::new(terms);
        steps.iter().for_each(|step| world.live(step));
        let longest = terms.away() + terms.notice + terms.undo + Span::from_days(2) + terms.max_age + HOUR;
        for _ in 0..=longest.as_millis() / HOUR.as_millis() {
            for step in [Step::Wait(60), Step::Read, Step::Round(100)] {
                world.live(&step);
            }
        }
        for guest in &world.guests {
            prop_assert!(matches!(guest.user.standing, Standing::Deleted | Standing::Member), "{:?}", guest.user);
        }
    }
}
