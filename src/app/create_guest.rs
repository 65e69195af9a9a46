//! A guest arrives: a user and a session from one call, in one append.

use std::net::IpAddr;

use chrysalis_domain::id::{PersonId, SessionId, UserId};
use chrysalis_domain::user::{Standing, UserCommand, UserEvent};
use chrysalis_domain::value::{Authentication, Carrier, Entry};
use chrysalis_domain::{Event, Span, Timestamp};
use chrysalis_projections::sessions::SessionRow;
use serde::{Deserialize, Serialize};

use super::guest_budgets::Budgeted;
use super::new_session::{Opening, SignedIn};
use super::view::{SessionView, UserView};
use super::{App, AppError, Caller, Refusal};
use crate::entropy;
use crate::keys::{PersonSealer, Purpose, SealKind, SessionToken};
use crate::limits::Rule;
use crate::log::cqrs::ExecuteError;
use crate::log::{Actor, AppendError, Idempotency, LogFault, Refused, SealedRecord, StreamId, idempotency, read_event};

/// How long a repeated `Idempotency-Key` gets the same answer …
const REPLAYABLE: Span = Span::from_secs(600);
/// … and how long after the session was first presented.
const AFTER_FIRST_USE: Span = Span::from_secs(5);
/// How long a key is remembered, so that a late repetition is refused instead of making a second guest.
const REMEMBERED: Span = Span::from_days(1);
/// Events of a guest among which its session's first use is: it is noted before anything is done with the session.
const FIRST_EVENTS: usize = 16;
/// Longest part of an `entry`.
const ENTRY_MAX: usize = 200;

/// Where the guest came from, as the app says.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    pub channel: Option<String>,
    pub campaign: Option<String>,
    pub referrer: Option<String>,
}

/// What is kept beside an idempotency key: enough to make the same token again, with the key itself and a server key.
#[derive(Serialize, Deserialize)]
struct Note {
    session: SessionId,
    key_id: u32,
    locator: String,
    salt: [u8; 16],
}

impl App {
    /// Creates a guest, or, for an idempotency key that was used a moment ago, gives the same guest again. `shown` is the
    /// answer to a challenge.
    pub async fn create_guest(
        &self,
        caller: &Caller,
        origin: Origin,
        idempotency_key: Option<&str>,
        shown: Option<&str>,
    ) -> Result<SignedIn, AppError> {
        if !caller.settings.anonymous.enabled {
            return Err(Refusal::AnonymousDisabled.into());
        }
        let user = UserId::from_ulid(self.fresh(caller.at));
        let person = PersonId::from_ulid(self.fresh(caller.at));
        let (sealer, key) = PersonSealer::create(&self.keyring, person, self.entropy.as_ref())?;
        let (entry, referrer) = self.entry(caller, origin, &sealer);
        let authentication = Authentication::anonymous(caller.at);

        let replay = idempotency_key.map(|key| self.replayable(caller, key)).transpose()?;
        // An answer is good once, and whoever repeats a call has no other.
        if let Some((_, key, _)) = replay.as_ref().filter(|_| self.admission.asks())
            && let Some(kept) = idempotency::kept(self.log.as_ref(), key, caller.at).await?
        {
            let key = idempotency_key.unwrap_or_default();
            return self.replay(caller, key, caller.at.since(kept.recorded_at), &kept.note).await;
        }
        let shown = self.shown(caller, shown).await?;
        let token = match &replay {
            Some((token, ..)) => token.clone(),
            None => SessionToken::create(self.entropy.as_ref(), caller.at),
        };
        let Opening { mut session, token, client, seen } =
            self.opening_with(caller, &sealer, authentication, true, token)?;
        session.replayable_until = replay.is_some().then_some(caller.at + REPLAYABLE);

        let (id, expires_at) = (session.id, session.expires_at);
        let idempotency =
            replay.map(|(_, key, note)| self.idempotency(key, Note { session: session.id, ..note })).transpose()?;
        let command = UserCommand::CreateAnonymous { user, person, entry, session };
        let mut ask = self.ask_new(caller, Actor::user(user).by(id), user, command);
        ask.sealed = std::iter::once(client).chain(referrer).collect();
        ask.person_keys = vec![key];
        let mut budgets = self.guest_budgets(caller, shown.is_some());
        budgets.extend(shown.and_then(|shown| shown.used).map(|used| (Budgeted::Shown, used)));
        ask.quotas = budgets.iter().map(|(_, quota)| quota.clone()).collect();
        ask.idempotency = idempotency;
        ask.origin = self.origin(caller, user);

        match self.execute(ask).await {
            // As the rows have it now, without reading them back: this call is the one that must be fast.
            Ok(_) => Ok(SignedIn {
                asked: None,
                session: SessionView {
                    id,
                    user,
                    expires_at,
                    created_at: caller.at,
                    updated_at: caller.at,
                    active_organization: None,
                    client: seen,
                    impersonated_by: None,
                },
                user: UserView::guest(user, caller.at),
                remembered: true,
                token: token.as_str().to_owned(),
                claim: None,
                transfer: None,
            }),
            Err(ExecuteError::Append(AppendError::Refused(Refused::Repeated { recorded_at, note, .. }))) => {
                self.replay(caller, idempotency_key.unwrap_or_default(), caller.at.since(recorded_at), &note).await
            }
            Err(ExecuteError::Append(AppendError::Refused(Refused::QuotaExceeded { quota, retry_after }))) => {
                self.limits.count_refusal(Rule::GuestCreation);
                Err(match budgets.get(quota).map(|(whose, _)| *whose) {
                    Some(Budgeted::Service) if self.admission.asks() => Refusal::ChallengeRequired.into(),
                    Some(Budgeted::Shown) => Refusal::ChallengeFailed.into(),
                    _ => Refusal::TooMany(retry_after).into(),
                })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Labels as they are, the referrer sealed, but for the host where that is a name: an address may be somebody's. What does not
    /// fit, or is not listed where there is a list, is dropped.
    fn entry(&self, caller: &Caller, origin: Origin, sealer: &PersonSealer) -> (Entry, Option<SealedRecord>) {
        let listed = &self.config.entry;
        let referrer = origin.referrer.filter(|text| (1..=ENTRY_MAX).contains(&text.chars().count()));
        let host = referrer
            .as_deref()
            .and_then(|text| url::Url::parse(text).ok())
            .and_then(|url| url.domain().map(str::to_owned))
            .filter(|host| host.parse::<IpAddr>().is_err());
        let sealed = referrer.map(|text| sealer.seal(SealKind::Referrer, &text, self.entropy.as_ref(), caller.at));
        let entry = Entry {
            channel: origin.channel.and_then(|text| listed.channel(&text)),
            campaign: origin.campaign.and_then(|text| listed.campaign(&text)),
            referrer_host: host.and_then(|host| listed.referrer(&host)),
            referrer: sealed.as_ref().map(|record| record.id),
        };
        (entry, sealed)
    }

    fn replayable(&self, caller: &Caller, key: &str) -> Result<(SessionToken, Vec<u8>, Note), AppError> {
        let server_key =
            self.keyring.current(Purpose::ReplayToken).ok_or_else(|| LogFault::Bug("no replay key".to_owned()))?;
        let note = Note {
            session: SessionId::from_ulid(ulid::Ulid::nil()),
            key_id: server_key.id,
            locator: SessionToken::locator(self.entropy.as_ref(), caller.at),
            salt: entropy::bytes(self.entropy.as_ref()),
        };
        let token = SessionToken::derive(&self.keyring, note.key_id, &note.locator, &note.salt, key);
        let token = token.ok_or_else(|| LogFault::Bug("no replay key".to_owned()))?;
        let bucket = caller.address.bucket().to_string();
        let hash = self
            .keyring
            .lookup("idempotency/guest", &[bucket.as_bytes(), caller.user_agent.as_bytes(), key.as_bytes()])
            .hash;
        Ok((token, hash.to_vec(), note))
    }

    fn idempotency(&self, key: Vec<u8>, note: Note) -> Result<Idempotency, LogFault> {
        let note = serde_json::to_vec(&note).map_err(|error| LogFault::Bug(error.to_string()))?;
        Ok(Idempotency { key, note, keep: REMEMBERED })
    }

    async fn replay(&self, caller: &Caller, key: &str, age: Span, note: &[u8]) -> Result<SignedIn, AppError> {
        let reused = || AppError::from(Refusal::IdempotencyKeyReused);
        let note: Note = serde_json::from_slice(note)
            .map_err(|_| LogFault::Damaged("an idempotency row does not read".to_owned()))?;
        let row = self.session_row(note.session).await?.ok_or_else(reused)?;
        let used = row.presented
            && self.first_presented(&row).await?.is_none_or(|first| caller.at.since(first) > AFTER_FIRST_USE);
        let gone = row.ended_at.is_some() || row.expires_at <= caller.at || row.user.standing != Standing::Guest;
        if age > REPLAYABLE || used || gone {
            return Err(reused());
        }
        let token =
            SessionToken::derive(&self.keyring, note.key_id, &note.locator, &note.salt, key).ok_or_else(reused)?;
        if token.hash().0 != *row.token_hash {
            return Err(reused());
        }
        // From now on a bearer upgrade rotates the token too: more than one party may hold it.
        let command = UserCommand::RecordActivity {
            session: row.session,
            carrier: Carrier::Replay,
            granularity: self.config.sessions.activity_granularity,
        };
        let actor = Actor::user(row.user.user).by(row.session);
        self.execute(self.ask(caller, actor, row.user.user, command)).await?;
        self.signed_in_as(&row, token.as_str())
    }

    /// When a session was first presented. The row knows only of the last time, and a repeated call is one too: whoever
    /// kept on repeating it could keep the token open for the taking.
    async fn first_presented(&self, row: &SessionRow) -> Result<Option<Timestamp>, LogFault> {
        let events = self.log.read_stream(&StreamId::user(row.user.user), 0, FIRST_EVENTS).await?;
        for event in &events {
            if let Some(Event::User(_, UserEvent::ActivityRecorded(activity))) = read_event(event)?
                && activity.session == row.session
                && activity.carrier != Carrier::Replay
            {
                return Ok(Some(activity.at));
            }
        }
        Ok(None)
    }
}
