//! What holds in every life, whatever is asked in whatever order.

mod out_of_use;

use std::collections::{BTreeSet, HashSet};
use std::mem::discriminant;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use crate::event::Names;
use crate::id::{ClaimId, SessionId};
use crate::time::Timestamp;
use crate::upcast::{self, Stored};
use crate::user::event::UpgradeSuperseded;
use crate::user::histories::{Life, SESSION_LIMIT, Step, Turn, lives};
use crate::user::{Standing, User, UserCommand, UserEvent, UserRefusal};

fn replay<'a>(events: impl IntoIterator<Item = &'a UserEvent>) -> User {
    let mut user = User::default();
    events.into_iter().for_each(|event| user.apply(event));
    user
}

fn live(steps: &[Step]) -> (Life, Vec<Turn>) {
    let mut life = Life::default();
    let turns = steps.iter().map(|step| life.live(step)).collect();
    (life, turns)
}

proptest! {
    // A life is hundreds of cases in one: a quarter of the usual number is 64. `PROPTEST_CASES=2000` makes a long run.
    #![proptest_config(Config { cases: Config::default().cases / 4, max_shrink_iters: 20_000, ..Config::default() })]

    #[test]
    fn user_and_person_never_change(steps in lives()) {
        let mut life = Life::default();
        for step in &steps {
            let turn = life.live(step);
            if turn.before.standing != Standing::Absent {
                prop_assert_eq!((life.user.id, life.user.person), (turn.before.id, turn.before.person));
            }
        }
    }

    #[test]
    fn a_deleted_user_accepts_nothing(steps in lives()) {
        for turn in live(&steps).1 {
            if turn.before.standing == Standing::Deleted && turn.command.is_some() {
                prop_assert_eq!(turn.outcome, Err(UserRefusal::Deleted));
            }
        }
    }

    /// Not even a record that was on its way when the user went.
    #[test]
    fn nothing_is_left_of_a_deleted_user_and_nothing_comes_back(steps in lives()) {
        let (life, _) = live(&steps);
        if life.events.iter().any(|(_, event)| matches!(event, UserEvent::UserDeleted(_))) {
            let User { id, person, last_activity, epoch, .. } = life.user;
            prop_assert_eq!(life.user, User { id, person, standing: Standing::Deleted, last_activity, epoch, ..User::default() });
        }
    }

    #[test]
    fn one_upgrade_stands_at_most(steps in lives()) {
        let mut life = Life::default();
        for step in &steps {
            for event in life.live(step).outcome.iter().flatten() {
                prop_assert!(!matches!(event, UserEvent::UpgradeBegun(_)) || life.user.standing == Standing::Provisional);
            }
            let user = &life.user;
            let pending = user.standing == Standing::Provisional;
            prop_assert_eq!(user.pending_upgrade.is_some(), pending);
            // What is pending is exactly one address, and one password or identity, neither proven.
            prop_assert!(!pending || user.email.as_ref().is_some_and(|email| !email.verified));
            let ways = user.identities.len() + usize::from(user.password.is_some());
            prop_assert!(!pending || ways == 1);
            prop_assert!(!pending || user.password.as_ref().is_none_or(|password| !password.proven));
            // And a plain guest holds nothing that only an upgrade gives.
            let bare = user.email.is_none() && user.password.is_none() && user.identities.is_empty();
            prop_assert!(user.standing != Standing::Guest || bare);
        }
    }

    #[test]
    fn a_verification_is_about_the_address_that_is_held(steps in lives()) {
        let mut life = Life::default();
        for step in &steps {
            life.live(step);
            if let Some(verification) = &life.user.verification {
                prop_assert_eq!(life.user.email.as_ref().map(|email| email.claim), Some(verification.claim));
            }
        }
    }

    #[test]
    fn every_claim_is_released_at_most_once_and_none_outlives_the_user(steps in lives()) {
        let mut life = Life::default();
        let (mut declared, mut held) = (BTreeSet::new(), BTreeSet::new());
        for step in &steps {
            for event in life.live(step).outcome.iter().flatten() {
                if let Some(claim) = event.declares() {
                    prop_assert!(declared.insert(claim), "{} was declared twice", claim);
                    held.insert(claim);
                }
                if let Some(claim) = released(event) {
                    prop_assert!(held.remove(&claim), "{} was released without being held", claim);
                }
            }
            let email = life.user.email.iter().map(|email| email.claim);
            let identities = life.user.identities.iter().map(|identity| identity.claim);
            prop_assert_eq!(&held, &email.chain(identities).collect());
            prop_assert!(life.user.standing != Standing::Deleted || held.is_empty());
        }
    }

    #[test]
    fn an_identity_leads_to_a_user_once(steps in lives()) {
        let mut life = Life::default();
        for step in &steps {
            life.live(step);
            let identities: BTreeSet<_> = life.user.identities.iter().map(|identity| identity.claim).collect();
            prop_assert_eq!(identities.len(), life.user.identities.len());
        }
    }

    #[test]
    fn sessions_are_bounded(steps in lives()) {
        let mut life = Life::default();
        for step in &steps {
            life.live(step);
            let (own, others): (Vec<_>, Vec<_>) =
                life.user.sessions.values().partition(|session| session.impersonation.is_none());
            prop_assert!(own.len() <= SESSION_LIMIT);
            let by: HashSet<_> = others.iter().filter_map(|session| session.impersonation).map(|held| held.by).collect();
            prop_assert_eq!(by.len(), others.len(), "one at a time for each who acts as the user");
        }
    }

    #[test]
    fn an_upgrade_keeps_the_session_it_was_done_in_and_no_other(steps in lives()) {
        let mut life = Life::default();
        for step in &steps {
            let turn = life.live(step);
            let done_in = turn.outcome.iter().flatten().find_map(|event| match event {
                UserEvent::UpgradeBegun(e) => Some(e.session),
                UserEvent::GuestUpgraded(e) => e.session.as_ref().map(|renewed| renewed.session),
                _ => None,
            });
            if let Some(session) = done_in {
                // Brought back elsewhere, the proof leaves no session to whoever asked.
                let elsewhere = |event: &UserEvent| matches!(event, UserEvent::SessionEnded(e) if e.session == session);
                if turn.outcome.iter().flatten().any(elsewhere) {
                    let Some(UserCommand::UpgradeByMail { opens: Some(new), .. }) = &turn.command else {
                        return Err(TestCaseError::fail("only a proof does that"));
                    };
                    prop_assert_eq!(life.user.sessions.keys().collect::<Vec<_>>(), [&new.id]);
                    continue;
                }
                let opened = |id: &SessionId| turn.outcome.iter().flatten().any(|event| matches!(event, UserEvent::SessionStarted(e) if e.session == *id));
                prop_assert_eq!(life.user.sessions.keys().copied().filter(|id| !opened(id)).collect::<Vec<_>>(), vec![session]);
                let (before, after) = (&turn.before.sessions[&session], &life.user.sessions[&session]);
                prop_assert_eq!(before.started_at, after.started_at);
                prop_assert_eq!(after.authenticated_at, turn.at);
            }
        }
    }

    /// Told by the events alone, without the state under test.
    #[test]
    fn a_guest_is_who_the_events_say_is_one(steps in lives()) {
        let mut life = Life::default();
        let mut guest = false;
        for step in &steps {
            for event in life.live(step).outcome.iter().flatten() {
                match event {
                    UserEvent::GuestCreated(_) | UserEvent::UpgradeSuperseded(UpgradeSuperseded { guest_again: true, .. }) => guest = true,
                    UserEvent::GuestUpgraded(_) => {
                        prop_assert!(guest, "a member was upgraded");
                        guest = false;
                    }
                    UserEvent::UserDeleted(e) => {
                        prop_assert_eq!(e.was_guest, guest);
                        guest = false;
                    }
                    _ => {}
                }
            }
            prop_assert_eq!(life.user.standing.is_guest(), guest);
        }
    }

    #[test]
    fn replay_gives_the_same_user_also_from_stored_bytes(steps in lives()) {
        let (life, _) = live(&steps);
        prop_assert_eq!(&replay(life.events.iter().map(|(_, event)| event)), &life.user);
        let mut stored = User::default();
        for (_, event) in &life.events {
            let read = upcast::read(event.event_type(), event.type_version(), &event.body().unwrap()).unwrap();
            prop_assert_eq!(&read, event);
            stored.apply(&read);
        }
        prop_assert_eq!(stored, life.user);
    }

    #[test]
    fn a_snapshot_is_the_user_at_every_step(steps in lives()) {
        let mut life = Life::default();
        for step in &steps {
            life.live(step);
            let snapshot = serde_json::to_vec(&life.user).unwrap();
            prop_assert_eq!(&serde_json::from_slice::<User>(&snapshot).unwrap(), &life.user);
        }
    }

    #[test]
    fn a_refusal_changes_nothing_and_a_decision_is_pure(steps in lives()) {
        let mut life = Life::default();
        for step in &steps {
            let turn = life.live(step);
            prop_assert!(turn.outcome.is_ok() || life.user == turn.before);
            if let Some(command) = turn.command {
                prop_assert_eq!(turn.before.decide(command, turn.at), turn.outcome);
            }
        }
    }

    /// What is so already leads to no event. That something was given away is news each time, and leaves the user as they are.
    #[test]
    fn every_decision_that_leads_to_events_is_news(steps in lives()) {
        let mut life = Life::default();
        for step in &steps {
            let turn = life.live(step);
            let changes = turn.command.as_ref().is_some_and(|command| !matches!(command, UserCommand::RecordExport));
            let decided = changes && turn.outcome.as_ref().is_ok_and(|events| !events.is_empty());
            prop_assert!(!decided || life.user != turn.before, "{:?} led to {:?}", turn.command, turn.outcome);
        }
    }

    #[test]
    fn every_sealed_record_in_use_was_named_by_an_event(steps in lives()) {
        let mut life = Life::default();
        let mut named = HashSet::new();
        for step in &steps {
            named.extend(life.live(step).outcome.iter().flatten().flat_map(UserEvent::sealed));
            let User { email, password, name, image, metadata, .. } = &life.user;
            let credentials = email.iter().map(|email| email.address).chain(password.iter().map(|password| password.hash));
            for sealed in credentials.chain(*name).chain(*image).chain(*metadata) {
                prop_assert!(named.contains(&sealed), "{}", sealed);
            }
        }
    }

    /// However they come.
    #[test]
    fn nobody_who_is_banned_gets_in(steps in lives()) {
        for turn in live(&steps).1 {
            let opened = turn.outcome.iter().flatten().any(|event| match event {
                UserEvent::SessionStarted(_) => true,
                UserEvent::GuestRestored(e) => !e.sessions.is_empty(),
                _ => false,
            });
            prop_assert!(!opened || !turn.before.is_banned(turn.at));
            let banned = turn.outcome.iter().flatten().any(|event| matches!(event, UserEvent::UserBanned(_)));
            prop_assert!(!banned || turn.before.sessions.len() == turn.outcome.iter().flatten().count() - 1);
        }
    }

    /// Whoever acts as a user gets no way in that outlives it, takes none away, and is not taken for them.
    #[test]
    fn who_acts_as_a_user_is_not_the_user(steps in lives()) {
        let mut life = Life::default();
        for step in &steps {
            let turn = life.live(step);
            let acting = turn.command.as_ref().and_then(session_of).and_then(|id| turn.before.sessions.get(&id));
            if acting.is_some_and(|session| session.impersonation.is_some()) {
                let ways = |user: &User| (user.email.clone(), user.password.clone(), user.identities.clone(), user.recovery, user.link.clone(), user.standing);
                prop_assert_eq!(ways(&turn.before), ways(&life.user), "{:?}", turn.command);
                prop_assert_eq!(turn.before.last_activity, life.user.last_activity);
            }
        }
    }
}

/// The session in which a command is given.
fn session_of(command: &UserCommand) -> Option<SessionId> {
    use UserCommand as C;
    match command {
        C::UpgradeWithPassword { session, .. }
        | C::LinkSocial { session, .. }
        | C::UnlinkAccount { session, .. }
        | C::RecordActivity { session, .. }
        | C::ExtendSession { session, .. }
        | C::RotateSession { session, .. }
        | C::ChangePassword { session, .. }
        | C::AddPassword { session, .. }
        | C::RestorePassword { session, .. }
        | C::UpgradeByMail { session, .. }
        | C::IssueRecoveryCode { session, .. }
        | C::RevokeRecoveryCode { session, .. }
        | C::OfferDeviceLink { session, .. }
        | C::ConfirmDeviceLink { session }
        | C::WithdrawDeviceLink { session } => Some(*session),
        C::ChangeEmail { session, .. } => *session,
        _ => None,
    }
}

fn released(event: &UserEvent) -> Option<ClaimId> {
    match event {
        UserEvent::EmailReleased(e) => Some(e.claim),
        UserEvent::IdentityUnlinked(e) => Some(e.claim),
        _ => None,
    }
}

/// Without this the properties could hold because nothing happens.
#[test]
fn the_lives_reach_every_event_and_every_refusal() {
    use UserRefusal as R;
    let last_activity = Timestamp::default();
    let all = [
        R::NotFound,
        R::Exists,
        R::Deleted,
        R::NotAnonymous,
        R::SessionNotLive,
        R::NoPassword,
        R::NoAddress,
        R::Banned,
        R::Administers,
        R::Impersonated,
        R::Anonymous,
        R::HasPassword,
        R::EmailNotVerified,
        R::PasswordChangedMeanwhile,
        R::ClaimNotHeld,
        R::ClaimVerified,
        R::ChallengeUnknown,
        R::ChallengeExpired,
        R::IdentityLinked,
        R::GuestActive { last_activity },
        R::GuestHeld { until: last_activity },
        R::GuestNotTold,
        R::GuestNotDisabled,
        R::StillUndoable { until: last_activity },
    ];
    let every: BTreeSet<_> = UserEvent::TYPES.iter().map(|(name, _)| *name).collect();
    let mut runner = TestRunner::deterministic();
    let (mut events, mut refusals) = (BTreeSet::new(), HashSet::new());
    // Some are rare.
    for _ in 0..5_000 {
        if events == every && all.iter().all(|refusal| refusals.contains(&discriminant(refusal))) {
            break;
        }
        let steps = lives().new_tree(&mut runner).unwrap().current();
        for turn in live(&steps).1 {
            events.extend(turn.outcome.iter().flatten().map(UserEvent::event_type));
            refusals.extend(turn.outcome.err().map(|refusal| discriminant(&refusal)));
        }
    }
    assert_eq!(events, every);
    for refusal in all {
        assert!(refusals.contains(&discriminant(&refusal)), "never refused with {refusal:?}");
    }
}
