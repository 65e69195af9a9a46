//! What happened to a user, or to the keyring, in words: a sentence for each kind of event, for whoever reads how things came to
//! be as they are. Another kind of event has to be explained here before anything compiles.
//!
//! No sentence holds anything personal. What an event sealed stands beside it by name, for those who may read it.

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::SealedId;
use chrysalis_domain::keyring::KeyringEvent;
use chrysalis_domain::user::UserEvent;
use chrysalis_domain::user::event::{
    CodeEnd, DeletionReason, EndReason, ExpiryEvidence, GuestDisabled, MembershipEnd, Notice, ProfileUpdated,
    ReleaseReason, SessionStarted, UserDeleted,
};
use chrysalis_domain::value::{Authentication, Carrier, Change, Method, ProofKind};

use crate::wire::json_time::JsonTime;

/// An event, told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    pub text: String,
    /// What was sealed with it, by the name of what it holds: a name of [`field`](super::open::field).
    pub sealed: Vec<(&'static str, SealedId)>,
    /// What stood there before.
    pub before: Vec<(&'static str, SealedId)>,
}

impl Told {
    fn with(mut self, name: &'static str, record: impl Into<Option<SealedId>>) -> Self {
        self.sealed.extend(record.into().map(|record| (name, record)));
        self
    }

    fn instead_of(mut self, name: &'static str, record: Option<SealedId>) -> Self {
        self.before.extend(record.map(|record| (name, record)));
        self
    }
}

fn told(text: impl Into<String>) -> Told {
    Told { text: text.into(), ..Told::default() }
}

pub fn explain(event: &UserEvent) -> Told {
    match event {
        UserEvent::GuestCreated(e) => {
            let labels =
                [("channel", &e.entry.channel), ("campaign", &e.entry.campaign), ("a page at", &e.entry.referrer_host)];
            // Whoever came chose these words: in quotes, which no label holds, they are no sentence of ours.
            let known = labels.into_iter().filter_map(|(what, label)| Some(format!("{what} \"{}\"", label.as_ref()?)));
            let known: Vec<String> = known.collect();
            let entry = if known.is_empty() { String::new() } else { format!(", by way of {}", known.join(", ")) };
            told(format!("A guest came into being{entry}.")).with("referrer", e.entry.referrer)
        }
        UserEvent::MemberSignedUp(e) => {
            told(format!("The user signed up {}, without having been a guest.", by(&e.authentication)))
        }
        UserEvent::UpgradeBegun(e) => told(format!(
            "The guest asked to become a member {}, and stays a guest until the address is proven; session {} lasts until {}.",
            by(&e.authentication),
            e.session,
            time(e.expires_at),
        )),
        UserEvent::GuestUpgraded(e) => {
            let proof =
                e.proof.map(|proof| format!("; the address was proven by {}", proven_by(proof))).unwrap_or_default();
            let session = e.session.as_ref().map_or_else(
                || "; it was done outside of the guest's own sessions".to_owned(),
                |renewed| format!("; session {} goes on, until {}", renewed.session, time(renewed.expires_at)),
            );
            told(format!("The guest became a member {}{proof}{session}.", by(&e.authentication)))
        }
        UserEvent::UpgradeSuperseded(e) => told(match (e.guest_again, e.provisional) {
            (_, true) => {
                "Somebody else proved the address that the pending upgrade rested on, so it came to nothing: the user was a guest all along."
            }
            (true, false) => {
                "Somebody else proved the address that the upgrade rested on, and no other way in is left: the user is a guest again."
            }
            (false, false) => {
                "Somebody else proved the address that the upgrade rested on; the user stays a member by another way in."
            }
        }),
        UserEvent::EmailClaimed(e) => {
            let hold = match e.proof {
                Some(proof) => format!("The user holds an address, proven by {}.", proven_by(proof)),
                None => "The user reserved an address, which is not proven yet.".to_owned(),
            };
            told(hold).with("email", e.address).instead_of("email", e.replaces)
        }
        UserEvent::EmailVerificationRequested(e) => {
            told(format!("A link that proves the address is to be mailed; it is good until {}.", time(e.expires_at)))
                .with("email", e.address)
                .with("callbackURL", e.callback_url)
        }
        UserEvent::VerificationMissed(e) if e.void => {
            told("Somebody had the mailed link and not the password, once too often: the link is void.")
        }
        UserEvent::VerificationMissed(_) => told("Somebody had the mailed link and not the password."),
        UserEvent::EmailVerified(e) => told(format!("The address was proven by {}.", proven_by(e.proof))),
        UserEvent::EmailReleased(e) => told(format!("The user no longer holds the address: {}.", released(e.reason))),
        UserEvent::UserReclaimed(e) => told(format!(
            "Somebody who reads the address showed it by {}, and took the account over from whoever had only reserved it.",
            proven_by(e.proof),
        )),
        UserEvent::PasswordAdded(e) if e.proven => told("The user can sign in by password from here on."),
        UserEvent::PasswordAdded(_) => told(
            "The user can sign in by password from here on; it was added before the address was proven, and goes if somebody else proves that.",
        ),
        UserEvent::PasswordChanged(_) => told("The password was changed."),
        UserEvent::PasswordRehashed(_) => told("The same password was hashed anew, by the costs that hold now."),
        UserEvent::PasswordRemoved(e) => told(format!("The password leads in no more: {}.", released(e.reason))),
        UserEvent::PasswordSuspended(e) => told(format!(
            "The password, which was added before the address was proven, leads in no more; whoever knows it can restore it in session {} until {}.",
            e.session,
            time(e.until),
        )),
        UserEvent::PasswordRestored(_) => told("The password leads in again: who knew it showed so."),
        UserEvent::PasswordReset(e) => {
            told(format!("The password was set anew by whoever reads the address, shown by {}.", proven_by(e.proof)))
        }
        UserEvent::IdentityLinked(e) => {
            let proven = if e.proven { "" } else { ", before the address was proven" };
            told(format!("An account at {} leads to this user from here on{proven}.", e.provider))
        }
        UserEvent::IdentityUnlinked(e) => told(format!(
            "Account {} at an identity provider leads to this user no more: {}.",
            e.account,
            released(e.reason)
        )),
        UserEvent::SessionStarted(e) => session_started(e),
        UserEvent::ActivityRecorded(e) => told(match e.carrier {
            Carrier::Cookie => format!("Session {} was used by a browser.", e.session),
            Carrier::Bearer => format!("Session {} was used by a program.", e.session),
            Carrier::Replay => {
                format!("The answer that made session {} was given a second time, to a repeated request.", e.session)
            }
        }),
        UserEvent::SessionExtended(e) => {
            told(format!("Session {} was used, and lasts until {} now.", e.session, time(e.expires_at)))
        }
        UserEvent::SessionRotated(e) => {
            let before = e.previous.as_ref().map_or_else(String::new, |before| {
                format!("; the one before reads until {}, and does nothing else", time(before.readable_until))
            });
            told(format!("Session {} has a new token{before}.", e.session))
        }
        UserEvent::SessionEnded(e) => told(format!("Session {} ended: {}.", e.session, ended(e.reason))),
        UserEvent::ProfileUpdated(e) => profile(e),
        UserEvent::AppMetadataSet(e) => told("The app decided something else about the user.")
            .with("appMetadata", e.metadata)
            .instead_of("appMetadata", e.before),
        UserEvent::RoleSet(e) => told(format!(
            "The user's roles are {} from here on, and were {}; each session gets a new token.",
            e.roles.as_str(),
            e.before.as_str(),
        )),
        UserEvent::UserBanned(e) => {
            let until =
                e.until.map_or_else(|| "until it is lifted".to_owned(), |until| format!("until {}", time(until)));
            told(format!("The user was banned {until}; what was begun in their name is void."))
                .with("banReason", e.reason)
        }
        UserEvent::UserUnbanned(_) => told("The ban was lifted."),
        UserEvent::EmailUnverified(_) => told(
            "An administrator said that the address is not known to be read by this user: it is reserved, and no longer proven.",
        ),
        UserEvent::PendingVoided(_) => told("Links, codes and tickets that were begun in the user's name are void."),
        UserEvent::NoticeRequested(e) => {
            told(format!("A mail is to say that {}.", noticed(e.notice))).with("email", e.address)
        }
        UserEvent::EmailChangeUndone(_) => {
            told("Whoever reads the address of before took it back, and everybody else is out.")
        }
        UserEvent::RecoveryCodeIssued(_) => {
            told("The guest was given a code by which it can come back, once, from wherever.")
        }
        UserEvent::RecoveryCodeEnded(e) => {
            told(format!("The code by which the guest could come back is good for nothing: {}.", code_ended(e.reason)))
        }
        UserEvent::DeviceLinkOffered(e) => {
            told(format!("A short code was shown, to be typed on another device until {}.", time(e.expires_at)))
        }
        UserEvent::DeviceLinkClaimed(e) => {
            told("Another device typed the code, and waits for the one that shows it to agree.")
                .with("client", e.client)
        }
        UserEvent::DeviceLinkConfirmed(_) => told("The device that shows the code agreed to the other one."),
        UserEvent::DeviceLinkEnded(e) => {
            told(format!("The code for another device is good for nothing: {}.", code_ended(e.reason)))
        }
        UserEvent::GuestTransferred(e) => told(format!("What this guest did belongs to {} from here on.", e.to)),
        UserEvent::GuestAbsorbed(e) => told(format!("What guest {} did belongs to this user from here on.", e.guest)),
        UserEvent::MembershipBegan(e) if e.founded => {
            told(format!("The user made organization {}, and is a member of it as {}.", e.organization, e.member))
        }
        UserEvent::MembershipBegan(e) => {
            told(format!("The user is a member of organization {} as {} from here on.", e.organization, e.member))
        }
        UserEvent::MembershipEnded(e) => told(format!(
            "The user is a member of organization {} no more: {}.",
            e.organization,
            match e.reason {
                MembershipEnd::Left => "they left",
                MembershipEnd::Removed => "they were removed",
                MembershipEnd::OrganizationDeleted => "the organization is gone",
                MembershipEnd::UserDeleted => "the user is gone",
            },
        )),
        UserEvent::OrganizationActivated(e) => told(match &e.membership {
            Some(active) => {
                format!("In session {} the user works in organization {} from here on.", e.session, active.organization)
            }
            None => format!("In session {} the user works in no organization any more.", e.session),
        }),
        UserEvent::GuestExpiryAnnounced(e) => told(format!(
            "It was said that the guest will be deleted, not before {}, unless it comes back: {}.",
            time(e.expires_at),
            evidence(&e.evidence),
        )),
        UserEvent::GuestHeld(e) => {
            told(format!("No clean-up takes the guest before {}.", time(e.until))).with("holdReason", e.reason)
        }
        UserEvent::DataExported(_) => {
            told("Everything that is held of the user was given to whoever asked for it, who stands beside this event.")
        }
        UserEvent::GuestReleased(_) => told("A clean-up may take the guest again."),
        UserEvent::GuestDisabled(e) => disabled(e),
        UserEvent::GuestRestored(e) => {
            let held =
                e.held_until.map_or_else(String::new, |until| format!("; no clean-up takes it before {}", time(until)));
            let sessions = match e.sessions.len() {
                0 => "no session lives again".to_owned(),
                1 => "a session lives again".to_owned(),
                many => format!("{many} sessions live again"),
            };
            told(format!("The guest is in use again, as it was before: {sessions}{held}."))
        }
        UserEvent::UserDeleted(e) => deleted(e),
    }
}

/// What became of the keys of the installation.
pub fn explain_keys(event: &KeyringEvent) -> String {
    match event {
        KeyringEvent::KeyAdded(e) => {
            format!("Key {} for {} was added; what is made from here on is made with it.", e.key, e.purpose)
        }
        KeyringEvent::KeysRetired(e) => {
            format!("The keys for {} up to {} make nothing new from here on.", e.purpose, e.upto)
        }
        KeyringEvent::KeysDestroyed(e) => format!(
            "The keys for {} up to {} were destroyed: what they wrapped opens no more, wherever a copy of it lies.",
            e.purpose, e.upto,
        ),
    }
}

fn session_started(e: &SessionStarted) -> Told {
    let until = time(e.expires_at);
    told(match &e.impersonation {
        Some(acting) => format!("Session {} began, in which {} acts as the user, until {until}.", e.session, acting.by),
        None => format!("Session {} began {}, until {until}.", e.session, by(&e.authentication)),
    })
    .with("client", e.client)
}

fn profile(e: &ProfileUpdated) -> Told {
    let fields = [
        ("name", e.name, e.before.name),
        ("image", e.image, e.before.image),
        ("metadata", e.metadata, e.before.metadata),
    ];
    let mut all = Told::default();
    let mut said = Vec::new();
    for (name, now, was) in fields {
        match now {
            Change::Kept => continue,
            Change::Cleared => said.push(format!("{name} emptied")),
            Change::Set(_) => said.push(format!("{name} set")),
        }
        all = all.with(name, now.sealed()).instead_of(name, was);
    }
    all.text = match said.as_slice() {
        [] => "The profile was saved, and is as it was.".to_owned(),
        said => format!("The profile was changed: {}.", said.join(", ")),
    };
    all
}

fn disabled(e: &GuestDisabled) -> Told {
    let undone = match e.final_at {
        Some(until) if e.can_be_undone() => format!("; it can be undone until {}", time(until)),
        None => String::new(),
        Some(_) => "; it can't be undone".to_owned(),
    };
    let why = match (&e.evidence, &e.by) {
        (Some(shown), _) => format!("by a clean-up: {}", evidence(shown)),
        (None, Some(by)) => format!("by job {}, which named all who came together", by.job),
        (None, None) => "without a word why".to_owned(),
    };
    told(format!("The guest was taken out of use {why}{undone}."))
}

fn deleted(e: &UserDeleted) -> Told {
    let who = if e.was_guest { "guest" } else { "member" };
    let why = match e.reason {
        DeletionReason::Requested => "asked for by the user".to_owned(),
        DeletionReason::Administrator => "asked for by an administrator".to_owned(),
        DeletionReason::AnonymousMaxAge => {
            e.evidence.as_ref().map_or_else(|| "past its maximum age".to_owned(), evidence)
        }
    };
    let erased = if e.person.is_some() {
        "; with this the person's key and all that was sealed under it are destroyed"
    } else {
        ""
    };
    told(format!("The {who} was deleted, {why}, last active {}{erased}.", time(e.last_activity)))
}

/// What allowed a clean-up.
fn evidence(shown: &ExpiryEvidence) -> String {
    let named_by = match shown.job {
        Some(job) => format!("job {job}"),
        None => format!("version {} of the settings", shown.settings_version),
    };
    format!(
        "it was last active {}, before {}, at a maximum age of {} s by {named_by}",
        time(shown.last_activity),
        time(shown.cutoff),
        shown.max_age_secs,
    )
}

fn time(at: Timestamp) -> JsonTime {
    JsonTime(at)
}

fn by(authentication: &Authentication) -> String {
    match (authentication.method, &authentication.provider) {
        (Method::Anonymous, _) => "without anything shown".to_owned(),
        (Method::Password, _) => "by password".to_owned(),
        (Method::Social, Some(provider)) => format!("by an account at {provider}"),
        (Method::Social, None) => "by an account at an identity provider".to_owned(),
        (Method::MagicLink, _) => "by a magic link".to_owned(),
        (Method::EmailOtp, _) => "by a mailed code".to_owned(),
        (Method::VerificationLink, _) => "by the link that proves the address".to_owned(),
        (Method::Recovery, _) => "by a code that guests come back with".to_owned(),
        (Method::Administrator, _) => "by an administrator's hand".to_owned(),
    }
}

fn proven_by(proof: ProofKind) -> &'static str {
    match proof {
        ProofKind::VerificationLink => "the link that was mailed for it",
        ProofKind::MagicLink => "a magic link",
        ProofKind::EmailOtp => "a mailed code",
        ProofKind::PasswordReset => "the mail of a password reset",
        ProofKind::EmailChange => "the mail of a change of address",
        ProofKind::Provider => "an identity provider that vouches for it",
        ProofKind::Administrator => "an administrator's word",
    }
}

fn released(reason: ReleaseReason) -> &'static str {
    match reason {
        ReleaseReason::Replaced => "another pending upgrade took its place",
        ReleaseReason::Superseded => "somebody else proved the address",
        ReleaseReason::Unlinked => "its owner asked for it",
        ReleaseReason::Changed => "the address is another one now",
        ReleaseReason::Disabled => "the guest was taken out of use",
        ReleaseReason::Deleted => "the user is gone",
    }
}

fn ended(reason: EndReason) -> &'static str {
    match reason {
        EndReason::SignedOut => "the user signed out",
        EndReason::Revoked => "it was revoked",
        EndReason::Limit => "it made room for a new one",
        EndReason::Upgraded => "another session of the user became a member's",
        EndReason::PasswordChanged => "the password was changed",
        EndReason::PasswordReset => "the password was reset",
        EndReason::Superseded => "somebody else proved the address",
        EndReason::Reclaimed => "somebody who reads the address took the account over",
        EndReason::Transferred => "what the guest did belongs to a member now",
        EndReason::EmailChangeUndone => "whoever reads the address of before took it back",
        EndReason::Banned => "the user was banned",
        EndReason::ImpersonationEnded => "whoever acted as the user is themselves again",
        EndReason::Disabled => "the guest was taken out of use",
        EndReason::Deleted => "the user is gone",
    }
}

fn code_ended(reason: CodeEnd) -> &'static str {
    match reason {
        CodeEnd::Used => "it was used",
        CodeEnd::Revoked => "it was revoked",
        CodeEnd::Replaced => "there is a newer one",
    }
}

fn noticed(notice: Notice) -> &'static str {
    match notice {
        Notice::PasswordChanged => "the password was changed",
        Notice::Reclaimed => "the account was taken over by whoever reads its address",
        Notice::AccountLinked => "there is another way in",
        Notice::AccountUnlinked => "a way in is gone",
        Notice::EmailChangeUndone => "the address was given up again",
        Notice::EmailReplaced => "the account has another address",
    }
}

#[cfg(test)]
mod tests;
