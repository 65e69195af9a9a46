//! What is asked in a random life, how often, and how long after the thing before.

use std::fmt;

use proptest::prelude::*;
use proptest::strategy::Union;

use super::dice::Throw;
use crate::time::Span;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    CreateAnonymous,
    SignUp,
    Upgrade,
    LinkSocial,
    SignUpSocial,
    SignInSocial,
    SignInVouched,
    UnlinkAccount,
    ChangeEmail,
    UndoEmailChange,
    IssueRecoveryCode,
    RevokeRecoveryCode,
    UseRecoveryCode,
    /// The next thing that leads another device in, mostly.
    DeviceLink,
    WithdrawDeviceLink,
    StartSession,
    RecordActivity,
    /// An activity record that lost its race: appended without a version check, whatever happened in between.
    StrayActivity,
    ExtendSession,
    RotateSession,
    RevokeSession,
    RevokeSessions,
    UpdateProfile,
    ChangePassword,
    RehashPassword,
    RequestVerification,
    VerifyEmail,
    SupersedeClaim,
    SignUpByMail,
    UpgradeByMail,
    SignInByMail,
    ResetPassword,
    RestorePassword,
    AddPassword,
    MissVerification,
    DisownClaim,
    TransferGuest,
    AbsorbGuest,
    BeginMembership,
    EndMembership,
    ActivateOrganization,
    CreateMember,
    Administer,
    Ban,
    Unban,
    RecordExport,
    Impersonate,
    ExpireGuest,
    AnnounceExpiry,
    FinishExpiry,
    RestoreGuest,
    DisableGuest,
    ReinstateGuest,
    HoldGuest,
    ReleaseGuest,
    DeleteUser,
}

/// Endings are rare, so that lives get long.
const WEIGHTS: &[(u32, Kind)] = &[
    (2, Kind::CreateAnonymous),
    (2, Kind::SignUp),
    (12, Kind::Upgrade),
    (8, Kind::LinkSocial),
    (1, Kind::SignUpSocial),
    (4, Kind::SignInSocial),
    (4, Kind::SignInVouched),
    (4, Kind::UnlinkAccount),
    (4, Kind::ChangeEmail),
    (2, Kind::UndoEmailChange),
    (3, Kind::IssueRecoveryCode),
    (1, Kind::RevokeRecoveryCode),
    (2, Kind::UseRecoveryCode),
    (30, Kind::DeviceLink),
    (1, Kind::WithdrawDeviceLink),
    (20, Kind::StartSession),
    (10, Kind::RecordActivity),
    (3, Kind::StrayActivity),
    (5, Kind::ExtendSession),
    (5, Kind::RotateSession),
    (5, Kind::RevokeSession),
    (2, Kind::RevokeSessions),
    (6, Kind::UpdateProfile),
    (6, Kind::ChangePassword),
    (4, Kind::RehashPassword),
    (6, Kind::RequestVerification),
    (5, Kind::VerifyEmail),
    (6, Kind::SupersedeClaim),
    (1, Kind::SignUpByMail),
    (4, Kind::UpgradeByMail),
    (5, Kind::SignInByMail),
    (4, Kind::ResetPassword),
    (4, Kind::RestorePassword),
    (4, Kind::AddPassword),
    (4, Kind::MissVerification),
    (1, Kind::DisownClaim),
    (1, Kind::TransferGuest),
    (2, Kind::AbsorbGuest),
    (8, Kind::BeginMembership),
    (3, Kind::EndMembership),
    (4, Kind::ActivateOrganization),
    (1, Kind::CreateMember),
    (8, Kind::Administer),
    (2, Kind::Ban),
    (6, Kind::Unban),
    (1, Kind::RecordExport),
    (6, Kind::Impersonate),
    (6, Kind::ExpireGuest),
    (4, Kind::AnnounceExpiry),
    (3, Kind::FinishExpiry),
    (4, Kind::RestoreGuest),
    (3, Kind::DisableGuest),
    (4, Kind::ReinstateGuest),
    (1, Kind::HoldGuest),
    (1, Kind::ReleaseGuest),
    (1, Kind::DeleteUser),
];

/// One thing asked of a user, some time after the one before.
#[derive(Clone)]
pub struct Step {
    pub wait: Span,
    pub kind: Kind,
    pub dice: Throw,
}

/// One line for each step: a failing life is read by a person.
impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after {} ms {:?} {:?}", self.wait.as_millis(), self.kind, self.dice)
    }
}

/// A life of up to a few hundred steps. In one of four the clock is set back now and then.
pub fn lives() -> impl Strategy<Value = Vec<Step>> {
    let kinds = |weights: &[(u32, Kind)]| {
        Union::new_weighted(weights.iter().map(|(weight, kind)| (*weight, Just(*kind))).collect())
    };
    let before = prop::collection::vec(step(kinds(WEIGHTS)), 0..2);
    let birth =
        step(kinds(&[(8, Kind::CreateAnonymous), (2, Kind::SignUp), (1, Kind::SignUpByMail), (1, Kind::CreateMember)]));
    let life = prop::collection::vec(step(kinds(WEIGHTS)), 0..300);
    let set_back = prop::bool::weighted(0.25);
    (before, birth, life, set_back).prop_map(|(before, birth, life, set_back)| {
        let forward = |step: Step| Step { wait: step.wait.max(Span::ZERO), ..step };
        let steps = before.into_iter().chain([birth]).chain(life);
        steps.map(|step| if set_back { step } else { forward(step) }).collect()
    })
}

/// Any one step.
pub(crate) fn any_step() -> impl Strategy<Value = Step> {
    step(Union::new_weighted(WEIGHTS.iter().map(|(weight, kind)| (*weight, Just(*kind))).collect()))
}

fn step(kind: impl Strategy<Value = Kind>) -> impl Strategy<Value = Step> {
    let dice = prop::array::uniform12(any::<u8>());
    (wait(), kind, dice).prop_map(|(wait, kind, dice)| Step { wait, kind, dice })
}

/// How long nothing is asked.
pub(crate) fn wait() -> impl Strategy<Value = Span> {
    const MINUTE: i64 = 60_000;
    let wait = prop_oneof![
        4 => Just(0),
        8 => 1..90 * MINUTE,
        3 => 2 * 60 * MINUTE..30 * 60 * MINUTE,
        1 => 24 * 60 * MINUTE..10 * 24 * 60 * MINUTE,
        1 => -10 * MINUTE..0,
    ];
    wait.prop_map(Span::from_millis)
}
