//! `jobs`: what was asked for that takes long, how far it is, and how it ended. Rows stay.

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::{JobId, UserId};
use chrysalis_domain::job::{JobEvent, Task};

use crate::table::{Change, Column, Cursor, Index, Question, Row, Table, Value, id, integer, text};

pub static JOBS: Table = Table {
    name: "jobs",
    key: &["job_id"],
    columns: COLUMNS,
    indexes: &[Index { columns: &["open_since"], unique: false, only_present: true }],
    shared: false,
    clustered: false,
};

const COLUMNS: &[Column] = &[
    text("job_id"),
    // As JSON.
    text("task"),
    integer("requested_at"),
    // Null once it has ended.
    integer("open_since").optional(),
    text("through").optional(),
    integer("done"),
    integer("spared"),
    text("outcome").optional(),
    integer("updated_at"),
];

pub fn fold(job: JobId, event: &JobEvent, out: &mut Vec<Change>) {
    let mut set = |columns: &'static [&'static str], mut values: Vec<Value>| {
        values.push(id(job));
        out.push(Change::Update { table: &JOBS, set: columns, by: "job_id", values });
    };
    match event {
        JobEvent::JobRequested(e) => out.push(requested(job, &Task::RemoveUsers(e.filter.clone()), e.at)),
        JobEvent::CleanUpRequested(e) => out.push(requested(job, &Task::CleanUp(e.clean_up), e.at)),
        JobEvent::WaveDisablingRequested(e) => out.push(requested(job, &Task::DisableWave(e.wave.clone()), e.at)),
        JobEvent::WaveRestoringRequested(e) => out.push(requested(job, &Task::RestoreWave(e.undoes), e.at)),
        JobEvent::SessionsEndingRequested(e) => out.push(requested(job, &Task::EndSessions(e.before), e.at)),
        JobEvent::JobAdvanced(e) => set(
            &["through", "done", "spared", "updated_at"],
            vec![id(e.through), number(e.done), number(e.spared), e.at.into()],
        ),
        JobEvent::JobEnded(e) => {
            set(&["open_since", "outcome", "updated_at"], vec![Value::Null, e.outcome.name().into(), e.at.into()])
        }
    }
}

fn requested(job: JobId, task: &Task, at: Timestamp) -> Change {
    // Nothing in it fails to be written.
    let task = serde_json::to_string(task).unwrap_or_default();
    let (at, none) = (Value::from(at), Value::Integer(0));
    let values = vec![id(job), task.into(), at.clone(), at.clone(), Value::Null, none.clone(), none, Value::Null, at];
    Change::Insert { table: &JOBS, values }
}

fn number(count: u64) -> Value {
    Value::Integer(i64::try_from(count).unwrap_or(i64::MAX))
}

/// A job as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRow {
    pub job: JobId,
    pub task: Task,
    pub requested_at: Timestamp,
    pub through: Option<UserId>,
    /// Users to whom it was done.
    pub done: u64,
    pub spared: u64,
    /// None while it goes on.
    pub outcome: Option<String>,
    pub updated_at: Timestamp,
}

macro_rules! columns {
    ($rest:literal) => {
        concat!(
            "SELECT j.job_id, j.task, j.requested_at, j.through, j.done, j.spared, j.outcome, j.updated_at
             FROM jobs j ",
            $rest
        )
    };
}

fn read(row: &dyn Row) -> Option<JobRow> {
    let mut c = Cursor::new(row);
    Some(JobRow {
        job: c.parse()?,
        task: serde_json::from_str(&c.text()?).ok()?,
        requested_at: c.time()?,
        through: c.parse(),
        done: c.integer()?.try_into().ok()?,
        spared: c.integer()?.try_into().ok()?,
        outcome: c.text(),
        updated_at: c.time()?,
    })
}

/// `?1` = job id.
pub static BY_ID: Question<JobRow> = Question { sql: columns!("WHERE j.job_id = ?1"), read };

/// The one that has waited longest.
pub static NEXT: Question<JobRow> =
    Question { sql: columns!("WHERE j.open_since IS NOT NULL ORDER BY j.open_since, j.job_id LIMIT 1"), read };
