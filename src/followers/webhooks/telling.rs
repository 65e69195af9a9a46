//! One message on its way: what is said, who says it, and what is answered.

use std::sync::Arc;

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::{EventId, UserId, WebhookId};
use chrysalis_projections::{Entry, audit, deeds, table, users};
use http::header::CONTENT_TYPE;
use http::{Request, StatusCode};
use serde::Serialize;

use super::Deliverer;
use crate::app::AppError;
use crate::app::audit::form::DeedRow;
use crate::http::shape::User;
use crate::log::{LogFault, ask_one};
use crate::outgoing::OutgoingError;
use crate::webhooks::{Envelope, LONGEST, WebhookSecret, message_id};

/// One thing that happened, of which an endpoint is told.
#[derive(Clone)]
pub(super) struct What {
    pub(super) entry: Arc<Entry>,
    /// Which of the deeds of that event.
    pub(super) nth: u8,
}

/// Whom to tell.
pub(super) struct Receiver {
    pub(super) webhook: WebhookId,
    pub(super) url: String,
    pub(super) secret: WebhookSecret,
}

/// What became of an attempt.
pub(super) enum Attempt {
    Arrived,
    /// With what was answered, if anything was.
    Failed(Option<StatusCode>),
    /// Nothing was sent, for reasons of our own.
    NotTried,
}

impl Deliverer {
    pub(super) async fn tell(&self, receiver: &Receiver, what: &What) -> Attempt {
        let request = match self.request(receiver, what).await {
            Ok(request) => request,
            Err(fault) => {
                tracing::warn!(%fault, webhook = %receiver.webhook, "a webhook message could not be written; it is tried again");
                return Attempt::NotTried;
            }
        };
        match self.app.webhook_calls.tell(request).await {
            Ok(status) if status.is_success() => Attempt::Arrived,
            Ok(status) => Attempt::Failed(Some(status)),
            Err(OutgoingError::Busy) => Attempt::NotTried,
            Err(error) => {
                tracing::debug!(%error, webhook = %receiver.webhook, "a webhook endpoint did not answer");
                Attempt::Failed(None)
            }
        }
    }

    async fn request(&self, receiver: &Receiver, what: &What) -> Result<Request<Vec<u8>>, LogFault> {
        let (event, body) = self.say(what).await?;
        let message = message_id(event, receiver.webhook).to_string();
        let seconds = self.app.clock.now().as_millis().div_euclid(1000);
        let signature = receiver.secret.sign(seconds, &body);
        Request::post(&receiver.url)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", &message)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", &signature)
            .header("banata-webhook-id", &message)
            .header("banata-webhook-signature", &signature)
            .body(body)
            .map_err(|error| LogFault::Bug(format!("a webhook message is no request: {error}")))
    }
}

impl What {
    /// What it is called in the audit trail.
    pub(super) fn event(&self) -> EventId {
        deeds::id(self.entry.recorded_at, deeds::place(self.entry.position, self.nth.into()))
    }

    pub(super) fn event_type(&self) -> Option<String> {
        let deed = deeds::of(&self.entry).into_iter().nth(self.nth.into())?;
        Some(deed.name.as_str().to_owned())
    }
}

/// A deed as the audit trail has it, and the user that it is about as they are now: however late a message comes, nobody is
/// made what they are no more.
#[derive(Serialize)]
struct Data {
    #[serde(flatten)]
    deed: DeedRow,
    /// None where it is about none, or they are gone.
    user: Option<User>,
}

/// In the place of data that are too long: where the whole can be asked for.
#[derive(Serialize)]
struct Omitted<'a> {
    id: EventId,
    action: &'a str,
    omitted: bool,
}

impl Deliverer {
    /// The id of what is told, and the body that tells it.
    async fn say(&self, what: &What) -> Result<(EventId, Vec<u8>), LogFault> {
        let gone = || LogFault::Bug(format!("position {} tells nothing any more", what.entry.position));
        let (mut row, _) = audit::rows(&what.entry).into_iter().nth(what.nth.into()).ok_or_else(gone)?;
        let (id, at, action) = (what.event(), row.recorded_at, row.action.clone());
        let about = row.target.iter().chain(&row.also).find_map(|target| target.id.parse().ok());
        let user = match about {
            Some(user) => self.user(user).await?,
            None => None,
        };
        if about.is_some() && user.is_none() {
            // What they were and became is nobody's any more.
            row.changes = None;
        }
        let deed = DeedRow::from(self.app.trail().open(vec![row]).await?.pop().ok_or_else(gone)?);
        let written = write(id, &action, at, &Data { deed, user })?;
        if written.len() <= LONGEST {
            return Ok((id, written));
        }
        Ok((id, write(id, &action, at, &Omitted { id, action: &action, omitted: true })?))
    }

    /// The user as they are now; none when they are gone.
    async fn user(&self, user: UserId) -> Result<Option<User>, LogFault> {
        let Some(row) = ask_one(self.app.log.as_ref(), &users::BY_ID, &[table::id(user)]).await? else {
            return Ok(None);
        };
        match self.app.view_user(&row) {
            Ok(view) => Ok(Some(User::new(view, false))),
            // Erased while we looked.
            Err(_) if row.key.is_none() => Ok(None),
            Err(AppError::Fault(fault)) => Err(fault),
            Err(error) => Err(LogFault::Unavailable(error.to_string())),
        }
    }
}

fn write(id: EventId, event_type: &str, at: Timestamp, data: &impl Serialize) -> Result<Vec<u8>, LogFault> {
    serde_json::to_vec(&Envelope::new(id, event_type, at, data)).map_err(|error| LogFault::Bug(error.to_string()))
}
