//! A guest comes back on its own: a recovery code, and a code for another device (CONTRACT 9).

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::forms;
use super::shape::{SUCCESS, SignedInBody};
use super::state::Http;
use super::who::Who;
use crate::app::recovery::{Redeemed, Shown};
use crate::wire::body::Body;
use crate::wire::error::{ApiError, ErrorBody};
use crate::wire::json_time::JsonTime;

#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// A guest gets a recovery code, shown once; the one before is void.
    Create,
    Revoke,
    /// A guest gets a short code to type on another device, for five minutes.
    Link,
    /// What stands of the guest's codes, and which device has typed the short one.
    Status,
    /// That device may come in.
    Confirm,
    /// No device may.
    Withdraw,
    /// With either code, and without a session: comes back.
    Redeem,
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct RecoveryForm {
    action: Action,
    /// To redeem, as it was shown; case and dashes don't matter.
    #[serde(default)]
    code: Option<String>,
    /// To redeem a short code again, while the other device has not agreed yet.
    #[serde(default)]
    ticket: Option<String>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CodeBody {
    code: String,
    /// `null`: until it is used, revoked or replaced, or the guest becomes a member.
    #[schema(value_type = Option<String>)]
    expires_at: Option<JsonTime>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusBody {
    recovery_code: bool,
    link: Option<LinkBody>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LinkBody {
    #[schema(value_type = String)]
    expires_at: JsonTime,
    /// The device that typed the code.
    device: Option<DeviceBody>,
    confirmed: bool,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceBody {
    ip_address: String,
    user_agent: String,
}

/// The other device has to agree first: redeem again with the ticket.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WaitingBody {
    pending: bool,
    ticket: String,
}

/// Codes by which a guest comes back as the same user, without personal data.
#[utoipa::path(
    post, path = "/anonymous/recovery", tag = "guest",
    request_body = RecoveryForm,
    responses(
        (status = 200, description = "A code, what stands, `{success: true}`, `{pending: true, ticket}`, or the session that a code opened", body = SignedInBody),
        (status = 400, description = "`USER_IS_NOT_ANONYMOUS`, `INVALID_TOKEN`, `TOKEN_EXPIRED`, `VALIDATION_ERROR`", body = ErrorBody),
        (status = 401, description = "`UNAUTHORIZED`, `ANONYMOUS_SESSION_EXPIRED`", body = ErrorBody),
        (status = 429, description = "More than ten wrong codes in a minute from one address", body = ErrorBody),
    )
)]
pub async fn recovery(
    State(http): State<Http>,
    who: Who,
    Body(form): Body<RecoveryForm>,
) -> Result<Response, ApiError> {
    let caller = &who.caller;
    if let Action::Redeem = form.action {
        let code = form.code.ok_or_else(|| forms::unfit("code", "is required"))?;
        return match http.app.redeem(caller, &code, form.ticket.as_deref()).await? {
            Redeemed::In(signed_in) => Ok(http.signed_in(&who, &signed_in)),
            Redeemed::Waiting { ticket } => Ok(Json(WaitingBody { pending: true, ticket }).into_response()),
        };
    }
    let guest = who.receiving()?;
    let shown = |Shown { code, expires_at }| Json(CodeBody { code, expires_at: expires_at.map(Into::into) });
    Ok(match form.action {
        Action::Create => shown(http.app.issue_recovery_code(caller, guest).await?).into_response(),
        Action::Link => shown(http.app.offer_device_link(caller, guest).await?).into_response(),
        Action::Revoke => {
            http.app.revoke_recovery_code(caller, guest).await?;
            Json(SUCCESS).into_response()
        }
        Action::Confirm => {
            http.app.confirm_device_link(caller, guest).await?;
            Json(SUCCESS).into_response()
        }
        Action::Withdraw => {
            http.app.withdraw_device_link(caller, guest).await?;
            Json(SUCCESS).into_response()
        }
        Action::Status | Action::Redeem => {
            let offered = http.app.offered(caller, guest).await?;
            let device = |seen: crate::app::view::ClientSeen| DeviceBody { ip_address: seen.ip, user_agent: seen.ua };
            let link = offered.link.map(|link| LinkBody {
                expires_at: link.expires_at.into(),
                device: link.device.map(device),
                confirmed: link.confirmed,
            });
            Json(StatusBody { recovery_code: offered.recovery_code, link }).into_response()
        }
    })
}
