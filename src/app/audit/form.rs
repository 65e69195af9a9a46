//! A deed written down: as JSON for every reader there is, and as a line of CSV.

use chrysalis_domain::id::{EventId, ProjectId};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::open::{Changes, Named, Seen};
use crate::wire::csv;
use crate::wire::json_time::JsonTime;

/// One deed. What several readers look for in several places stands in each of them.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeedRow {
    #[schema(value_type = String, example = "evt_01JD8M4Z5T0123456789ABCDEF")]
    pub id: EventId,
    #[schema(example = "user.upgraded")]
    pub action: String,
    version: u8,
    timestamp: JsonTime,
    occurred_at: JsonTime,
    /// When it was recorded: the order of the trail.
    pub created_at: JsonTime,
    /// `user`, `admin`, `system` or `api_key`.
    actor_type: String,
    actor_id: Option<String>,
    actor_name: Option<String>,
    actor_email: Option<String>,
    actor: ActorForm,
    targets: Vec<TargetForm>,
    target: Option<TargetForm>,
    organization_id: Option<String>,
    ip_address: Option<String>,
    user_agent: Option<String>,
    context: ContextForm,
    changes: Option<ChangesForm>,
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
    idempotency_key: Option<String>,
    #[schema(value_type = String)]
    project_id: ProjectId,
    /// `api` for what an app noted; absent for what happened here.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'static str>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ActorForm {
    #[serde(rename = "type")]
    kind: String,
    id: Option<String>,
    name: Option<String>,
    email: Option<String>,
    ip_address: Option<String>,
    user_agent: Option<String>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
struct TargetForm {
    #[serde(rename = "type")]
    kind: String,
    id: String,
    name: Option<String>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ContextForm {
    organization_id: Option<String>,
    ip_address: Option<String>,
    user_agent: Option<String>,
    request_id: Option<String>,
    /// The session or key through which it was done, or by which it was noted.
    via: Option<String>,
    impersonator_id: Option<String>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
struct ChangesForm {
    before: Value,
    after: Value,
}

impl From<Seen> for DeedRow {
    fn from(seen: Seen) -> Self {
        let known = |text: String| Some(text).filter(|text| !text.is_empty());
        let (ip, agent) = (known(seen.client.ip), known(seen.client.ua));
        let target = |Named { kind, id, name }: Named| TargetForm { kind, id, name };
        let targets: Vec<_> = seen.targets.into_iter().map(target).collect();
        Self {
            id: seen.id,
            action: seen.action,
            version: 1,
            timestamp: seen.occurred_at.into(),
            occurred_at: seen.occurred_at.into(),
            created_at: seen.recorded_at.into(),
            actor_type: seen.actor.kind.clone(),
            actor_id: seen.actor.id.clone(),
            actor_name: seen.actor.name.clone(),
            actor_email: seen.actor.email.clone(),
            actor: ActorForm {
                kind: seen.actor.kind,
                id: seen.actor.id,
                name: seen.actor.name,
                email: seen.actor.email,
                ip_address: ip.clone(),
                user_agent: agent.clone(),
            },
            target: targets.first().cloned(),
            targets,
            organization_id: seen.organization.clone(),
            ip_address: ip.clone(),
            user_agent: agent.clone(),
            context: ContextForm {
                organization_id: seen.organization,
                ip_address: ip,
                user_agent: agent,
                request_id: seen.request,
                via: seen.by,
                impersonator_id: seen.impersonator,
            },
            changes: seen.changes.map(|Changes { before, after }| ChangesForm { before, after }),
            metadata: seen.metadata,
            idempotency_key: seen.idempotency_key,
            project_id: ProjectId::DEFAULT,
            source: seen.noted.then_some("api"),
        }
    }
}

impl DeedRow {
    /// The names of the columns, in the order of [`DeedRow::cells`].
    pub const COLUMNS: [&'static str; 18] = [
        "id",
        "action",
        "occurredAt",
        "createdAt",
        "actorType",
        "actorId",
        "actorName",
        "actorEmail",
        "targets",
        "organizationId",
        "ipAddress",
        "userAgent",
        "requestId",
        "changes",
        "metadata",
        "source",
        "idempotencyKey",
        "projectId",
    ];

    fn cells(&self) -> [String; 18] {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let json = |value: Option<Value>| value.map(|value| value.to_string()).unwrap_or_default();
        let targets: Vec<_> = self.targets.iter().map(|target| format!("{}:{}", target.kind, target.id)).collect();
        [
            self.id.to_string(),
            self.action.clone(),
            self.occurred_at.to_string(),
            self.created_at.to_string(),
            self.actor_type.clone(),
            text(&self.actor_id),
            text(&self.actor_name),
            text(&self.actor_email),
            targets.join(" "),
            text(&self.organization_id),
            text(&self.ip_address),
            text(&self.user_agent),
            text(&self.context.request_id),
            json(self.changes.as_ref().and_then(|changes| serde_json::to_value(changes).ok())),
            json(self.metadata.clone().map(Value::Object)),
            self.source.unwrap_or_default().to_owned(),
            text(&self.idempotency_key),
            self.project_id.to_string(),
        ]
    }

    /// A line of CSV (RFC 4180).
    pub fn csv(&self) -> String {
        csv::line(self.cells())
    }

    /// The line with the names of the columns.
    pub fn csv_head() -> String {
        csv::line(Self::COLUMNS)
    }
}
