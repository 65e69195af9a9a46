//! Questions to the read models. Those that arrive while the connections are busy, and ask the same, go together: one
//! statement and one round trip for all of them, each with its own answer. Nothing is remembered: every question is
//! asked of PostgreSQL after it came.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrysalis_projections::listing::Statement;
use chrysalis_projections::table::Kind;
use chrysalis_projections::{Row, Value};
use deadpool_postgres::{Object, Pool};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_postgres::RowStream;
use tokio_postgres::types::{ToSql, Type};

use super::cells::{Cells, array, array_sql, sayable};
use super::pulse::{Pulse, silent};
use super::{fault, pool_fault};
use crate::log::LogFault;

/// Questions of one statement.
const TOGETHER: usize = 128;

pub(super) struct Lookups {
    desk: Arc<Desk>,
    /// Those who ask may be on threads that step back, and others wait for the same statement.
    runtime: Handle,
}

struct Desk {
    pool: Pool,
    pulse: Arc<Pulse>,
    patience: Duration,
    /// Statements on their way at the same time, at the most.
    most: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Statements on their way.
    running: usize,
    /// What waits, by question; the question that waits longest first.
    waiting: VecDeque<(&'static str, VecDeque<Asked>)>,
    texts: HashMap<&'static str, Arc<Text>>,
}

struct Asked {
    parameters: Vec<Value>,
    reply: oneshot::Sender<Result<Vec<tokio_postgres::Row>, LogFault>>,
}

/// A question's SQL for many at once.
struct Text {
    sql: String,
    kinds: Vec<Kind>,
    types: Vec<Type>,
}

impl Lookups {
    pub(super) fn new(pool: Pool, most: usize, pulse: Arc<Pulse>, patience: Duration) -> Self {
        let desk = Desk { pool, pulse, patience, most: most.max(1), state: Mutex::default() };
        Self { desk: Arc::new(desk), runtime: Handle::current() }
    }

    pub(super) async fn ask(
        &self,
        sql: &'static str,
        parameters: &[Value],
        each: &mut (dyn for<'r> FnMut(&'r dyn Row) + Send),
    ) -> Result<(), LogFault> {
        self.desk.pulse.alive()?;
        let (reply, answer) = oneshot::channel();
        let begin = self.desk.enter(sql, Asked { parameters: parameters.to_vec(), reply });
        if begin {
            // A task of its own: whoever asked may go away, and the others still wait.
            self.runtime.spawn(Desk::serve(self.desk.clone()));
        }
        let rows = tokio::select! {
            answer = answer => answer.unwrap_or_else(|_| Err(LogFault::Unavailable("the look-up broke off".to_owned())))?,
            () = self.desk.pulse.stopped() => return Err(silent()),
        };
        rows.iter().for_each(|row| each(&Found(row)));
        Ok(())
    }
}

impl Desk {
    /// Queues a question; `true` when one more statement may go on its way.
    fn enter(&self, sql: &'static str, asked: Asked) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.waiting.iter_mut().find(|(question, _)| *question == sql) {
            Some((_, all)) => all.push_back(asked),
            None => state.waiting.push_back((sql, VecDeque::from([asked]))),
        }
        let begin = state.running < self.most;
        state.running += usize::from(begin);
        begin
    }

    /// What waits longest, with all that ask the same; none, and one statement less on its way, when nothing waits.
    fn next(&self) -> Option<(Arc<Text>, Vec<Asked>)> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((sql, mut waiting)) = state.waiting.pop_front() else {
            state.running -= 1;
            return None;
        };
        // A question without parameters has nothing to tell the askers apart by.
        let alone = waiting.front().is_some_and(|asked| asked.parameters.is_empty());
        let most = if alone { 1 } else { TOGETHER };
        let asked: Vec<_> = waiting.drain(..waiting.len().min(most)).collect();
        if !waiting.is_empty() {
            state.waiting.push_back((sql, waiting));
        }
        let parameters = asked.first().map_or(&[] as &[_], |asked| asked.parameters.as_slice());
        let text = state.texts.entry(sql).or_insert_with(|| Arc::new(text(sql, parameters))).clone();
        Some((text, asked))
    }

    async fn serve(self: Arc<Self>) {
        while let Some((text, asked)) = self.next() {
            let answered = match self.pool.get().await {
                Ok(client) => self.answer(client, &text, &asked).await,
                Err(error) => Err(pool_fault(error)),
            };
            match answered {
                Ok(answers) => {
                    for (asked, rows) in asked.into_iter().zip(answers) {
                        // Nobody may be waiting any more.
                        let _ = asked.reply.send(Ok(rows));
                    }
                }
                Err(fault) => {
                    self.pulse.doubt();
                    for asked in asked {
                        let _ = asked.reply.send(Err(fault.clone()));
                    }
                }
            }
        }
    }

    async fn answer(
        &self,
        client: Object,
        text: &Text,
        asked: &[Asked],
    ) -> Result<Vec<Vec<tokio_postgres::Row>>, LogFault> {
        let query = async {
            let statement = client.prepare_typed_cached(&text.sql, &text.types).await?;
            let mut cells: Vec<_> = text.kinds.iter().map(|kind| Cells::of(*kind)).collect();
            for asked in asked {
                cells.iter_mut().zip(&asked.parameters).for_each(|(cells, value)| cells.push(value));
            }
            let parameters: Vec<_> = cells.iter().map(Cells::parameter).collect();
            client.query(&statement, &parameters).await
        };
        let answered = tokio::time::timeout(self.patience, query).await;
        let rows = match answered {
            Ok(Ok(rows)) => rows,
            Ok(Err(error)) => {
                let closed = error.is_closed();
                if closed {
                    drop(Object::take(client));
                }
                return Err(fault(error));
            }
            Err(_) => {
                // What it answers late is for nobody.
                drop(Object::take(client));
                return Err(LogFault::Unavailable("PostgreSQL did not answer in time".to_owned()));
            }
        };
        let mut answers: Vec<Vec<_>> = asked.iter().map(|_| Vec::new()).collect();
        for row in rows {
            let nth: i64 = row.try_get(0).map_err(fault)?;
            if let Some(answer) = usize::try_from(nth - 1).ok().and_then(|nth| answers.get_mut(nth)) {
                answer.push(row);
            }
        }
        Ok(answers)
    }
}

/// The question `sql`, asked for every row of its parameters: `?1` is the first column of the row.
fn text(sql: &str, parameters: &[Value]) -> Text {
    let kind = |value: &Value| match value {
        Value::Integer(_) => Kind::Integer,
        Value::Bytes(_) => Kind::Bytes,
        Value::Text(_) | Value::Static(_) | Value::Null => Kind::Text,
    };
    let kinds: Vec<Kind> = parameters.iter().map(kind).collect();
    if kinds.is_empty() {
        let sql = format!("SELECT 1::bigint, answer.* FROM ({sql}) AS answer");
        return Text { sql, kinds, types: Vec::new() };
    }
    let arrays: Vec<_> = kinds.iter().zip(1..).map(|(kind, n)| format!("${n}::{}", array_sql(*kind))).collect();
    let columns: Vec<_> = (1..=kinds.len()).map(|n| format!("p{n}")).collect();
    let mut asked = sql.to_owned();
    // The last first: ?1 is the beginning of ?10.
    for n in (1..=kinds.len()).rev() {
        asked = asked.replace(&format!("?{n}"), &format!("asked.p{n}"));
    }
    let sql = format!(
        "SELECT asked.nth, answer.* FROM unnest({}) WITH ORDINALITY AS asked({}, nth), LATERAL ({asked}) AS answer",
        arrays.join(", "),
        columns.join(", ")
    );
    Text { sql, types: kinds.iter().map(|kind| array(*kind)).collect(), kinds }
}

/// Asks a question whose text was made for the occasion.
pub(super) async fn list(client: &Object, asked: &Statement) -> Result<RowStream, tokio_postgres::Error> {
    // A question mark is a parameter's, and nothing else: what is asked for stands in none of these texts.
    let sql = asked.sql.replace('?', "$");
    let parameters = asked.parameters.iter().map(|value| -> (Box<dyn ToSql + Send + Sync + '_>, Type) {
        match value {
            Value::Integer(number) => (Box::new(number), Type::INT8),
            Value::Text(said) => (Box::new(sayable(said)), Type::TEXT),
            Value::Static(said) => (Box::new(sayable(said)), Type::TEXT),
            Value::Bytes(bytes) => (Box::new(bytes), Type::BYTEA),
            Value::Null => (Box::new(None::<String>), Type::TEXT),
        }
    });
    client.query_typed_raw(&sql, parameters).await
}

/// A row of such an answer.
pub(super) struct Listed<'a>(pub(super) &'a tokio_postgres::Row);

impl Row for Listed<'_> {
    fn integer(&self, column: usize) -> Option<i64> {
        self.0.try_get(column).ok().flatten()
    }

    fn text(&self, column: usize) -> Option<&str> {
        self.0.try_get(column).ok().flatten()
    }

    fn bytes(&self, column: usize) -> Option<&[u8]> {
        self.0.try_get(column).ok().flatten()
    }
}

/// A row of an answer, behind the number of its question.
struct Found<'a>(&'a tokio_postgres::Row);

impl Row for Found<'_> {
    fn integer(&self, column: usize) -> Option<i64> {
        self.0.try_get(column + 1).ok().flatten()
    }

    fn text(&self, column: usize) -> Option<&str> {
        self.0.try_get(column + 1).ok().flatten()
    }

    fn bytes(&self, column: usize) -> Option<&[u8]> {
        self.0.try_get(column + 1).ok().flatten()
    }
}
