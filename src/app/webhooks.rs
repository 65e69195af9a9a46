//! Webhook endpoints: making, listing, changing, replaying, deleting; and what becomes of deliveries that are lost. By calls
//! over HTTP, by the command line and by whoever delivers, so it takes no more than a log and a keyring.

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::{MessageId, WebhookId};
use chrysalis_domain::webhook::{Loss, WebhookCommand, WebhookCreated};
use chrysalis_projections::table;
use chrysalis_projections::webhooks::{self, WebhookRow};

use super::acting::Acting;
use super::authority::Authority;
use super::{App, AppError, Caller, Refusal};
use crate::entropy::{self};
use crate::keys::{Record, SealKind, SealedSecret};
use crate::log::cqrs::{Ask, Concurrency, ExecuteError, Step, execute};
use crate::log::{AppendError, Idempotency, LogFault, Position, Refused, ask, ask_one};
use crate::outgoing::Outgoing;
use crate::webhooks::{MOST, Target, WebhookSecret};

/// What works on endpoints, in somebody's name.
pub struct Webhooks<'a> {
    pub acting: Acting<'a>,
}

/// An endpoint to be made.
#[derive(Clone, Debug)]
pub struct NewWebhook {
    pub url: Target,
    pub event_types: Vec<String>,
    pub enabled: bool,
}

/// What of an endpoint is to be changed.
#[derive(Clone, Debug, Default)]
pub struct WebhookChange {
    pub url: Option<Target>,
    pub event_types: Option<Vec<String>>,
    pub enabled: Option<bool>,
}

/// An endpoint, readable, without its secret.
#[derive(Clone, Debug)]
pub struct WebhookView {
    pub row: WebhookRow,
    pub url: String,
}

/// Where a replay begins.
#[derive(Clone, Copy, Debug)]
pub enum ReplayFrom {
    Position(Position),
    Time(Timestamp),
}

/// How long a lost delivery is known by its message, so that it counts once: longer than anybody takes to come back from a
/// crash.
const KNOWN: chrysalis_domain::Span = chrysalis_domain::Span::from_days(2);

impl App {
    pub fn webhooks(&self, caller: &Caller, authority: &Authority) -> Webhooks<'_> {
        Webhooks::by(self.acting(caller, authority))
    }
}

impl<'a> Webhooks<'a> {
    pub fn by(acting: Acting<'a>) -> Self {
        Self { acting }
    }

    /// The endpoint, and its secret, which is shown this once.
    pub async fn create(&self, new: NewWebhook, outgoing: &Outgoing) -> Result<(WebhookView, WebhookSecret), AppError> {
        may_stand(&new.url, outgoing).await?;
        if self.rows().await?.len() >= MOST {
            return Err(Refusal::TooManyWebhooks.into());
        }
        let webhook = WebhookId::from_ulid(entropy::ulid(self.acting.entropy, self.acting.at));
        let secret = WebhookSecret::create(self.acting.entropy);
        let (url, key) = (self.seal(new.url.as_str())?, self.seal(secret.as_str())?);
        let created = WebhookCreated {
            webhook,
            url: url.secret,
            secret: key.secret,
            event_types: new.event_types,
            enabled: new.enabled,
            at: self.acting.at,
        };
        let mut ask = self.ask(webhook, Concurrency::New, WebhookCommand::Create(Box::new(created)));
        ask.sealed = vec![url.record, key.record];
        ask.person_keys = vec![url.key, key.key];
        self.execute(ask).await?;
        Ok((self.one(webhook).await?, secret))
    }

    /// Every endpoint, newest first.
    pub async fn list(&self) -> Result<Vec<WebhookView>, AppError> {
        let mut views = Vec::new();
        for row in self.rows().await? {
            views.push(self.view(row).await?);
        }
        Ok(views)
    }

    pub async fn update(
        &self,
        webhook: WebhookId,
        change: WebhookChange,
        outgoing: &Outgoing,
    ) -> Result<WebhookView, AppError> {
        let before = self.one(webhook).await?;
        let WebhookChange { url, event_types, enabled } = change;
        if let Some(url) = &url {
            may_stand(url, outgoing).await?;
        }
        let url = url.filter(|url| url.as_str() != before.url).map(|url| self.seal(url.as_str())).transpose()?;
        let secret = url.as_ref().map(|url| url.secret);
        let command = WebhookCommand::Update { url: secret, event_types, enabled };
        let mut ask = self.ask(webhook, Concurrency::Exact, command);
        if let Some(url) = url {
            (ask.sealed, ask.person_keys) = (vec![url.record], vec![url.key]);
        }
        self.execute(ask).await?;
        self.one(webhook).await
    }

    /// Has everything from there on delivered, again or for the first time. Answers the position of the first event.
    pub async fn replay(&self, webhook: WebhookId, from: ReplayFrom) -> Result<Position, AppError> {
        let end = *self.acting.log.head().borrow() + 1;
        let from = match from {
            ReplayFrom::Position(position) => position.clamp(1, end),
            ReplayFrom::Time(time) => self.first_since(time, end).await?,
        };
        self.execute(self.ask(webhook, Concurrency::Exact, WebhookCommand::Replay { from })).await?;
        Ok(from)
    }

    pub async fn delete(&self, webhook: WebhookId) -> Result<(), AppError> {
        Ok(self.execute(self.ask(webhook, Concurrency::Exact, WebhookCommand::Delete)).await?)
    }

    /// Notes that a message was tried as often as one may be: once for each replay. Answers the endpoint as it is then; none
    /// when it is gone.
    pub async fn lose(
        &self,
        webhook: WebhookId,
        message: MessageId,
        replay: u32,
        loss: Loss,
    ) -> Result<Option<WebhookRow>, AppError> {
        let mut ask = self.ask(webhook, Concurrency::Exact, WebhookCommand::Lose(loss));
        let key = format!("lost {message} {replay}").into_bytes();
        ask.idempotency = Some(Idempotency { key, note: Vec::new(), keep: KNOWN });
        match self.execute(ask).await {
            // Noted now, or before a crash; or nobody is there any more to whom it happened.
            Ok(())
            | Err(ExecuteError::Append(AppendError::Refused(Refused::Repeated { .. })) | ExecuteError::Webhook(_)) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(ask_one(self.acting.log, &webhooks::BY_ID, &[table::id(webhook)]).await?)
    }

    /// The first event that was recorded at that time or later: the log's own time never falls.
    async fn first_since(&self, time: Timestamp, end: Position) -> Result<Position, LogFault> {
        let (mut low, mut high) = (1, end);
        while low < high {
            let middle = low + (high - low) / 2;
            let found = self.acting.log.read_all(middle - 1, 1).await?;
            if found.first().is_some_and(|event| event.recorded_at < time) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    async fn rows(&self) -> Result<Vec<WebhookRow>, LogFault> {
        ask(self.acting.log, &webhooks::ALL, &[i64::try_from(2 * MOST).unwrap_or(i64::MAX).into()]).await
    }

    async fn one(&self, webhook: WebhookId) -> Result<WebhookView, AppError> {
        let row = ask_one(self.acting.log, &webhooks::BY_ID, &[table::id(webhook)]).await?;
        Ok(self.view(row.ok_or(Refusal::WebhookUnknown)?).await?)
    }

    async fn view(&self, row: WebhookRow) -> Result<WebhookView, LogFault> {
        let url = Record::open(self.acting.log, self.acting.keyring, SealKind::Secret, row.url).await?;
        Ok(WebhookView { row, url: url.unwrap_or_default() })
    }

    fn seal(&self, text: &str) -> Result<SealedSecret, LogFault> {
        SealedSecret::seal(self.acting.keyring, text, self.acting.entropy, self.acting.at)
    }

    fn ask(&self, webhook: WebhookId, concurrency: Concurrency, command: WebhookCommand) -> Ask {
        Ask::new(self.acting.context.clone(), self.acting.at).then(Step::Webhook(webhook, concurrency, command))
    }

    async fn execute(&self, ask: Ask) -> Result<(), ExecuteError> {
        execute(self.acting.log, self.acting.entropy, ask).await.map(|_| ())
    }
}

async fn may_stand(url: &Target, outgoing: &Outgoing) -> Result<(), AppError> {
    url.check(outgoing).await.map_err(|unfit| Refusal::InvalidWebhookUrl(unfit).into())
}
