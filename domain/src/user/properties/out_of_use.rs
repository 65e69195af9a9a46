//! Who is taken out of use, by whom, and how they come back.

use proptest::prelude::*;
use proptest::test_runner::Config;

use super::live;
use crate::time::Span;
use crate::user::command::ExpiryTerms;
use crate::user::event::{GuestDisabled, UserDeleted};
use crate::user::histories::{Life, lives};
use crate::user::{Session, Standing, User, UserCommand, UserEvent};

proptest! {
    #![proptest_config(Config { cases: Config::default().cases / 4, max_shrink_iters: 20_000, ..Config::default() })]

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
