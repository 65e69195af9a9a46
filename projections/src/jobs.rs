//! `jobs`: what was asked for that takes long, how far it is, and how it ended. Rows stay.

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::{JobId, UserId};
use chrysalis_domain::job::{JobEvent, UserFilter};

use crate::table::{Change, Column, Cursor, Index, Question, Row, Table, Value, id, integer, text};

pub static JOBS: Table = Table {
    name: "jobs",
    key: &["job_id"],
    columns: COLUMNS,
    indexes: &[Index { columns: &["open_since"], unique: false, only_present: true }],
    shared: false,
};

const COLUMNS: &[Column] = &[
    text("job_id"),
    // As it stands in the event.
    text("filter"),
    integer("requested_at"),
    // Null once it has ended.
    integer("open_since").optional(),
    text("through").optional(),
    integer("deleted"),
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
        JobEvent::JobRequested(e) => {
            let filter = serde_json::to_string(&e.filter).unwrap_or_default();
            let (at, none) = (Value::from(e.at), Value::Integer(0));
            let values =
                vec![id(job), filter.into(), at.clone(), at.clone(), Value::Null, none.clone(), none, Value::Null, at];
            out.push(Change::Insert { table: &JOBS, values });
        }
        JobEvent::JobAdvanced(e) => set(
            &["through", "deleted", "spared", "updated_at"],
            vec![id(e.through), number(e.deleted), number(e.spared), e.at.into()],
        ),
        JobEvent::JobEnded(e) => {
            set(&["open_since", "outcome", "updated_at"], vec![Value::Null, e.outcome.name().into(), e.at.into()])
        }
    }
}

fn number(count: u64) -> Value {
    Value::Integer(i64::try_from(count).unwrap_or(i64::MAX))
}

/// A job as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRow {
    pub job: JobId,
    pub filter: UserFilter,
    pub requested_at: Timestamp,
    pub through: Option<UserId>,
    pub deleted: u64,
    pub spared: u64,
    /// None while it goes on.
    pub outcome: Option<String>,
    pub updated_at: Timestamp,
}

macro_rules! columns {
    ($rest:literal) => {
        concat!(
            "SELECT j.job_id, j.filter, j.requested_at, j.through, j.deleted, j.spared, j.outcome, j.updated_at
             FROM jobs j ",
            $rest
        )
    };
}

fn read(row: &dyn Row) -> Option<JobRow> {
    let mut c = Cursor::new(row);
    Some(JobRow {
        job: c.parse()?,
        filter: serde_json::from_str(&c.text()?).ok()?,
        requested_at: c.time()?,
        through: c.parse(),
        deleted: c.integer()?.try_into().ok()?,
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
