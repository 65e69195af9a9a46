//! What can be asked of a user, with every fact the decision needs: ids, hashes, sealed records and times are made
//! beforehand and handed in, so that a decision may run again after a conflict and decide the same.

mod admin;
mod clean_up;
mod credentials;
mod sessions;

use crate::Passed;
use crate::id::{
    AccountId, ChallengeId, ClaimId, JobId, MemberId, OrganizationId, PersonId, SealedId, SessionId, UserId,
};
use crate::job::UserFilter;
use crate::time::{Span, Timestamp};
use crate::user::event::{DeletionReason, EndReason, MembershipEnd};
use crate::value::{Carrier, Change, Entry, ProofKind, TokenHash};

pub use self::admin::*;
pub use self::clean_up::*;
pub use self::credentials::*;
pub use self::sessions::*;

/// A command and the time of its decision.
#[derive(Clone, Debug)]
pub struct Timed<C> {
    pub at: Timestamp,
    pub command: C,
}

#[derive(Clone, Debug)]
pub enum UserCommand {
    CreateAnonymous {
        user: UserId,
        person: PersonId,
        entry: Entry,
        session: NewSession,
    },
    UpgradeWithPassword {
        session: SessionId,
        credentials: PasswordCredentials,
        renewal: Renewal,
        strict: bool,
    },
    /// Without a session when the address has to be proven before the first one.
    SignUpWithPassword {
        user: UserId,
        person: PersonId,
        credentials: PasswordCredentials,
        session: Option<NewSession>,
    },
    /// Upgrades a guest, or adds a way in to a member.
    LinkSocial {
        session: SessionId,
        identity: SocialIdentity,
        renewal: Renewal,
        strict: bool,
        /// A session beside that of the guest in which it began, for a browser that came back without it.
        opens: Option<NewSession>,
        /// The user's epoch when it began: another one now voids it.
        epoch: Option<u32>,
        notice: Option<NewNotice>,
    },
    /// Somebody new, known by a provider.
    SignUpSocial {
        user: UserId,
        person: PersonId,
        identity: SocialIdentity,
        session: NewSession,
    },
    /// By an identity that leads to this user.
    SignInSocial {
        identity: ClaimId,
        session: NewSession,
    },
    /// By a new identity whose provider vouches for the address that this user holds.
    SignInVouched {
        claim: ClaimId,
        /// It was this user's own browser that brought it (CONTRACT 2.6, row a).
        own: bool,
        identity: SocialIdentity,
        session: NewSession,
        notice: NewNotice,
    },
    /// A member showed that they read another address: it takes the place of the one they hold.
    ChangeEmail {
        /// The session in which it was asked for, where it is confirmed there.
        session: Option<SessionId>,
        proven: ProvenAddress,
        epoch: Option<u32>,
        /// For the address of before, if nobody ever proved it: of such a one nobody knows whose it is, so it is told and gets
        /// no say.
        notice: Option<NewNotice>,
    },
    /// Whoever reads the address of before takes it back.
    UndoEmailChange {
        proven: ProvenAddress,
        notice: NewNotice,
    },
    UnlinkAccount {
        session: SessionId,
        account: AccountId,
        notice: Option<NewNotice>,
    },
    StartSession {
        session: NewSession,
    },
    RecordActivity {
        session: SessionId,
        carrier: Carrier,
        granularity: Span,
    },
    ExtendSession {
        session: SessionId,
        expires_at: Timestamp,
    },
    /// After the user's roles changed.
    RotateSession {
        session: SessionId,
        rotation: Rotation,
    },
    RevokeSession {
        session: SessionId,
        reason: EndReason,
    },
    /// Every session but `except`.
    RevokeSessions {
        except: Option<SessionId>,
    },
    /// Every session that began before.
    RevokeOlderSessions {
        before: Timestamp,
    },
    UpdateProfile {
        name: Change,
        image: Change,
        metadata: Change,
    },
    /// `verified` is the hash that the present password was checked against.
    ChangePassword {
        session: SessionId,
        verified: SealedId,
        hash: SealedId,
        revoke_others: bool,
        rotation: Rotation,
        notice: Option<NewNotice>,
    },
    RehashPassword {
        replaces: SealedId,
        hash: SealedId,
    },
    RequestVerification {
        verification: NewVerification,
    },
    VerifyEmail {
        claim: ClaimId,
        challenge: Option<ChallengeId>,
        proof: ProofKind,
        /// For the browser that claimed the address, where there is no session before the proof. Only the proof itself opens
        /// it, not whatever repeats it.
        opens: Option<NewSession>,
    },
    /// A link with a password that is not this user's.
    MissVerification {
        challenge: ChallengeId,
    },
    /// Whoever reads the address says that this user is a stranger to it.
    DisownClaim {
        claim: ClaimId,
        challenge: ChallengeId,
    },
    /// Somebody else proved the address that this user only reserved.
    SupersedeClaim {
        claim: ClaimId,
    },
    /// A guest becomes a member in place: it asked for the proof and brought it back.
    UpgradeByMail {
        session: SessionId,
        proven: ProvenAddress,
        profile: Profile,
        renewal: Renewal,
        /// A session instead of the guest's own, for whoever brought the proof back elsewhere: the one who asked may be anybody.
        opens: Option<NewSession>,
        /// The guest's epoch when the proof was asked for, where it was: another one now voids it.
        epoch: Option<u32>,
    },
    /// Somebody new, who showed that they read an address that nobody held.
    SignUpByMail {
        user: UserId,
        person: PersonId,
        proven: ProvenAddress,
        profile: Profile,
        session: NewSession,
    },
    /// Somebody showed that they read the address that this user holds.
    SignInByMail {
        claim: ClaimId,
        proof: ProofKind,
        /// It was this user's own browser that showed it (CONTRACT 2.6, row a).
        own: bool,
        session: NewSession,
        epoch: Option<u32>,
        notice: NewNotice,
    },
    /// Somebody who reads the address gives a new password.
    ResetPassword {
        reset: NewPassword,
        epoch: Option<u32>,
    },
    /// A member without a password gets one.
    AddPassword {
        session: SessionId,
        account: AccountId,
        hash: SealedId,
        notice: NewNotice,
    },
    /// `verified` is the hash that the suspended password was checked against.
    RestorePassword {
        session: SessionId,
        verified: SealedId,
    },
    /// A guest asks for a code to come back by; the one before is void.
    IssueRecoveryCode {
        session: SessionId,
        hash: TokenHash,
    },
    RevokeRecoveryCode {
        session: SessionId,
    },
    /// Whoever has the code is the guest.
    UseRecoveryCode {
        hash: TokenHash,
        session: NewSession,
    },
    OfferDeviceLink {
        session: SessionId,
        hash: TokenHash,
        expires_at: Timestamp,
    },
    ClaimDeviceLink {
        hash: TokenHash,
        ticket: TokenHash,
        client: SealedId,
    },
    ConfirmDeviceLink {
        session: SessionId,
    },
    WithdrawDeviceLink {
        session: SessionId,
    },
    /// By the device that claimed it, once it was agreed to.
    UseDeviceLink {
        hash: TokenHash,
        ticket: TokenHash,
        session: NewSession,
    },
    /// Both sides of a transfer are decided together, and stored in one group. Without an epoch it is an administrator's
    /// doing, and not that of a ticket.
    TransferGuest {
        to: UserId,
        epoch: Option<u32>,
    },
    AbsorbGuest {
        guest: UserId,
        epoch: Option<u32>,
    },
    /// Both sides of a membership are decided together, and stored in one group.
    BeginMembership {
        organization: OrganizationId,
        member: MemberId,
        founded: bool,
        /// The claim on the address that was invited: it has to be this user's, and verified.
        invited: Option<ClaimId>,
    },
    EndMembership {
        organization: OrganizationId,
        member: MemberId,
        reason: MembershipEnd,
    },
    /// That the user is this very member. Leads to no event: see [`crate::organization`] for where it has to stand.
    ConfirmMembership {
        organization: OrganizationId,
        member: MemberId,
    },
    /// The organization that the session works in from here on, or none.
    ActivateOrganization {
        session: SessionId,
        organization: Option<OrganizationId>,
    },
    /// Says beforehand that the guest will be deleted.
    AnnounceExpiry {
        terms: ExpiryTerms,
        passed: Passed,
    },
    /// The guest has been away for too long: it goes, or is taken out of use for a while first.
    ExpireGuest {
        terms: ExpiryTerms,
        passed: Passed,
    },
    /// The time in which it could be undone is over.
    FinishExpiry {
        passed: Passed,
    },
    /// Whatever took the guest out of use.
    RestoreGuest,
    /// A job takes the guest out of use, with all who came with it.
    DisableGuest {
        by: JobId,
    },
    /// Undoes what this job did, and no other.
    ReinstateGuest {
        by: JobId,
    },
    HoldGuest {
        until: Timestamp,
        reason: Option<SealedId>,
    },
    ReleaseGuest,
    DeleteUser {
        reason: DeletionReason,
        only_if_guest: bool,
    },
    /// Deletes one of those whom a filter matched when they were listed, if it still does. No administrator is one of them.
    DeleteMatching {
        filter: Box<UserFilter>,
    },
    /// A member who did not come by themselves.
    CreateMember {
        member: Box<NewMember>,
    },
    Administer {
        administration: Box<Administration>,
    },
    Ban {
        reason: SealedId,
        until: Option<Timestamp>,
    },
    Unban,
    /// Everything that is held of the user is given away.
    RecordExport,
    /// Opens a session for somebody who acts as the user.
    Impersonate {
        session: NewSession,
    },
}

impl UserCommand {
    /// Whether an address may be proven by it.
    pub const fn may_prove(&self) -> bool {
        matches!(
            self,
            UserCommand::VerifyEmail { .. }
                | UserCommand::SignUpByMail { .. }
                | UserCommand::UpgradeByMail { .. }
                | UserCommand::SignInByMail { .. }
                | UserCommand::ResetPassword { .. }
                | UserCommand::ChangeEmail { .. }
                | UserCommand::UndoEmailChange { .. }
                | UserCommand::LinkSocial { .. }
                | UserCommand::SignUpSocial { .. }
                | UserCommand::SignInVouched { .. }
                | UserCommand::CreateMember { .. }
                | UserCommand::Administer { .. }
        )
    }

    /// The same without the mail that it asks for along the way.
    pub fn ask_for_no_mail(&mut self) {
        match self {
            UserCommand::UpgradeWithPassword { credentials, .. }
            | UserCommand::SignUpWithPassword { credentials, .. } => {
                credentials.verification = None;
            }
            UserCommand::LinkSocial { identity, notice, .. } => {
                *notice = None;
                identity.ask_for_no_mail();
            }
            UserCommand::SignUpSocial { identity, .. } => identity.ask_for_no_mail(),
            UserCommand::ChangeEmail { notice, .. }
            | UserCommand::ChangePassword { notice, .. }
            | UserCommand::UnlinkAccount { notice, .. } => *notice = None,
            _ => {}
        }
    }
}
