//! What holds in every life, whatever is asked in whatever order.

use std::collections::{BTreeSet, HashSet};
use std::mem::discriminant;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

use crate::event::Names;
use crate::id::{ClaimId, SessionId};
use crate::time::{Span, Timestamp};
use crate::upcast::{self, Stored};
use crate::user::command::ExpiryTerms;
use crate::user::event::{GuestDisabled, UpgradeSuperseded, UserDeleted};
use crate::user::histories::{Life, SESSION_LIMIT, Step, Turn, lives};
use crate::user::{Session, Standing, User, UserCommand, UserEvent, UserRefusal};

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

    /// What can be undone is undone by it.
    #[test]
    fn who_is_restored_is_who_they_were(steps in lives()) {
        let mut before: Option<User> = None;
        for turn in live(&steps).1 {
            let said = |wanted: fn(&UserEvent) -> bool| turn.outcome.iter().flatten().any(wanted);
            if said(|event| matches!(event, UserEvent::GuestDisabled(_))) {
                before = Some(turn.before.clone());
            }
            // A ban ends what could have been undone to.
            if let Some(was) = before.as_mut().filter(|_| said(|event| matches!(event, UserEvent::UserBanned(_)))) {
                was.sessions.clear();
            }
            let restored = said(|event| matches!(event, UserEvent::GuestRestored(_)));
            // And so is a session that was ended meanwhile.
            if let Some(was) = before.as_mut().filter(|_| turn.before.standing == Standing::Disabled && !restored) {
                let ended = turn.outcome.iter().flatten().filter_map(|event| match event {
                    UserEvent::SessionEnded(e) => Some(e.session),
                    _ => None,
                });
                ended.for_each(|session| {
                    was.sessions.remove(&session);
                });
            }
            let Some(was) = before.as_ref().filter(|_| restored) else { continue };
            let mut now = turn.before.clone();
            turn.outcome.iter().flatten().take(1).for_each(|event| now.apply(event));
            prop_assert_eq!(now.standing, Standing::Guest);
            for (id, session) in &was.sessions {
                let own = session.impersonation.is_none() && session.expires_at > turn.at;
                prop_assert_eq!(now.sessions.get(id), Some(session).filter(|_| own));
            }
            prop_assert!(now.sessions.keys().all(|id| was.sessions.contains_key(id)));
            prop_assert_eq!((&now.name, &now.image), (&turn.before.name, &turn.before.image));
        }
    }

    /// While it is decided whether they go for good, nobody acts as them: what they had is ended or free.
    #[test]
    fn who_was_taken_out_of_use_has_nothing_that_leads_in(steps in lives()) {
        let mut life = Life::default();
        for step in &steps {
            life.live(step);
            let user = &life.user;
            prop_assert_eq!(user.standing == Standing::Disabled, user.disabled.is_some());
            let bare = user.sessions.is_empty() && user.email.is_none() && user.password.is_none() && user.identities.is_empty();
            prop_assert!(user.disabled.is_none() || bare);
        }
    }

    /// However they come: nobody whom a job took out of use is back, or anybody else's, before that is undone.
    #[test]
    fn whom_a_job_took_out_of_use_stays_out_until_it_is_undone(steps in lives()) {
        for turn in live(&steps).1 {
            let Some(by) = turn.before.disabled.as_ref().and_then(|disabled| disabled.by) else { continue };
            for event in turn.outcome.iter().flatten() {
                let comes_back = matches!(
                    event,
                    UserEvent::SessionStarted(_) | UserEvent::UpgradeBegun(_) | UserEvent::GuestUpgraded(_) | UserEvent::GuestTransferred(_)
                );
                prop_assert!(!comes_back, "{:?} led to {:?}", turn.command, event);
                let undone = match &turn.command {
                    Some(UserCommand::RestoreGuest) => true,
                    Some(UserCommand::ReinstateGuest { by: undone }) => *undone == by,
                    _ => false,
                };
                prop_assert_eq!(matches!(event, UserEvent::GuestRestored(_)), undone);
            }
        }
    }

    /// Nor who was one until superseded.
    #[test]
    fn no_job_takes_a_member_out_of_use(steps in lives()) {
        let mut superseded = false;
        for turn in live(&steps).1 {
            let events = || turn.outcome.iter().flatten();
            if events().any(|event| matches!(event, UserEvent::GuestDisabled(GuestDisabled { by: Some(_), .. }))) {
                prop_assert!(turn.before.standing.is_guest() && turn.before.disabled.is_none() && !superseded);
            }
            superseded |= events().any(|event| matches!(event, UserEvent::UpgradeSuperseded(_)));
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

    /// CONTRACT 2.6 and 2.7: members are never touched, nor who was one until superseded, nor who was active since.
    #[test]
    fn a_clean_up_takes_nobody_but_an_idle_guest(steps in lives()) {
        let mut superseded = false;
        for turn in live(&steps).1 {
            for event in turn.outcome.iter().flatten() {
                if let UserEvent::GuestDisabled(GuestDisabled { evidence: Some(evidence), .. })
                    | UserEvent::UserDeleted(UserDeleted { evidence: Some(evidence), .. }) = event
                {
                    prop_assert!(turn.before.standing.is_guest() && !superseded);
                    prop_assert!(turn.before.last_activity < evidence.cutoff);
                    // Who acts as the guest is not the guest.
                    let own = |session: &&Session| session.impersonation.is_none();
                    let mut seen = turn.before.sessions.values().filter(own).map(|session| session.last_seen);
                    prop_assert!(seen.all(|seen| seen < evidence.cutoff));
                    prop_assert!(turn.before.held.as_ref().is_none_or(|held| held.until <= turn.at));
                    let away = turn.at.since(turn.before.last_activity);
                    prop_assert!(away > Span::from_secs(evidence.max_age_secs) + ExpiryTerms::RECORDED_WITHIN);
                }
            }
            superseded |= turn.outcome.iter().flatten().any(|event| matches!(event, UserEvent::UpgradeSuperseded(_)));
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
