//! Statements sent one behind the other without waiting in between: many statements, one round trip.

use std::future::Future;
use std::pin::Pin;
use std::task::Poll;

use deadpool_postgres::ClientWrapper;
use tokio_postgres::types::Type;
use tokio_postgres::{Error, Row, Statement};

use super::cells::Cells;

/// Statements in the order in which they are to be sent.
#[derive(Default)]
pub(super) struct Pipeline<'c> {
    statements: Vec<Queued<'c>>,
}

struct Queued<'c> {
    sql: &'c str,
    types: &'c [Type],
    cells: Vec<Cells<'c>>,
}

impl<'c> Pipeline<'c> {
    /// Adds a statement; answers where its rows will stand among the answers.
    pub(super) fn push(&mut self, sql: &'c str, types: &'c [Type], cells: Vec<Cells<'c>>) -> usize {
        self.statements.push(Queued { sql, types, cells });
        self.statements.len() - 1
    }

    /// Sends everything, and waits for all of it. After the first statement that fails the others of its transaction
    /// fail too; its error is the answer.
    ///
    /// # Errors
    /// The first.
    pub(super) async fn run(self, client: &ClientWrapper) -> Result<Vec<Vec<Row>>, Error> {
        let mut prepared: Vec<Statement> = Vec::with_capacity(self.statements.len());
        for Queued { sql, types, .. } in &self.statements {
            // A round trip the first time, and none ever after.
            prepared.push(client.prepare_typed_cached(sql, types).await?);
        }
        let asked = self.statements.iter().zip(&prepared).map(|(queued, statement)| {
            let parameters: Vec<_> = queued.cells.iter().map(Cells::parameter).collect();
            async move { client.query(statement, &parameters).await }
        });
        in_order(asked).await.into_iter().collect()
    }
}

/// Polls futures first in their order, then until all are done. What is sent at the first poll is sent in that order.
async fn in_order<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<Pin<Box<F>>> = futures.map(Box::pin).collect();
    let mut outputs: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(move |context| {
        for (future, output) in futures.iter_mut().zip(&mut outputs) {
            if output.is_none()
                && let Poll::Ready(ready) = future.as_mut().poll(context)
            {
                *output = Some(ready);
            }
        }
        if outputs.iter().all(Option::is_some) {
            Poll::Ready(outputs.drain(..).flatten().collect())
        } else {
            Poll::Pending
        }
    })
    .await
}
