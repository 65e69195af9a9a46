//! Whether PostgreSQL answers, and how far the log has come: one connection that listens for the notification that
//! every batch of every node sends, and looks for itself from time to time, should one be lost.
//!
//! While it does not answer, nobody else is made to wait for it: every call is refused at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_postgres::AsyncMessage;

use super::connect::{Connector, Purpose};
use super::facts::number;
use super::fault;
use crate::log::{LogFault, Position};

/// Between two attempts to find PostgreSQL again.
const AGAIN: Duration = Duration::from_millis(250);
/// How long an answer to a look may take.
const LOOK: Duration = Duration::from_secs(2);

pub(super) struct Pulse {
    head: watch::Sender<Position>,
    up: watch::Sender<bool>,
    doubted: Notify,
    said: AtomicBool,
}

impl Pulse {
    pub(super) fn new(head: Position) -> Self {
        Self {
            head: watch::channel(head).0,
            up: watch::channel(true).0,
            doubted: Notify::new(),
            said: AtomicBool::new(false),
        }
    }

    pub(super) fn head(&self) -> watch::Receiver<Position> {
        self.head.subscribe()
    }

    /// Somebody committed up to here.
    pub(super) fn reached(&self, position: Position) {
        self.head.send_if_modified(|head| {
            let grown = position > *head;
            *head = (*head).max(position);
            grown
        });
    }

    /// # Errors
    /// At once, while PostgreSQL does not answer.
    pub(super) fn alive(&self) -> Result<(), LogFault> {
        if *self.up.borrow() {
            return Ok(());
        }
        Err(LogFault::Unavailable("PostgreSQL does not answer; Chrysalis looks for it again and again".to_owned()))
    }

    /// Done as soon as PostgreSQL is found not to answer.
    pub(super) async fn stopped(&self) {
        // The sender lives as long as this does.
        let _ = self.up.subscribe().wait_for(|up| !up).await;
    }

    /// Something went wrong with a connection: look now, not at the next turn.
    pub(super) fn doubt(&self) {
        self.doubted.notify_one();
    }

    /// Looks for ever.
    pub(super) async fn beat(&self, connector: &Connector, poll: Duration) {
        loop {
            let fault = match self.listen(connector, poll).await {
                Ok(()) => continue,
                Err(fault) => fault,
            };
            self.up.send_if_modified(|up| std::mem::replace(up, false));
            if !self.said.swap(true, Ordering::Relaxed) {
                tracing::error!(%fault, "PostgreSQL does not answer; requests are refused until it does");
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Listens on one connection for as long as it lasts; `Ok` when it broke off and another may do.
    async fn listen(&self, connector: &Connector, poll: Duration) -> Result<(), LogFault> {
        let (client, mut connection) = connector.open(Purpose::Short).await?;
        let messages = async {
            loop {
                match std::future::poll_fn(|context| connection.poll_message(context)).await {
                    Some(Ok(AsyncMessage::Notification(note))) => {
                        if let Ok(position) = note.payload().parse() {
                            self.reached(position);
                        }
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return,
                }
            }
        };
        let looks = async {
            let listen = format!("LISTEN {}", connector.schema());
            tokio::time::timeout(LOOK, client.batch_execute(&listen)).await.map_err(|_| silent())?.map_err(fault)?;
            loop {
                let head =
                    self.look(&client, "SELECT position::text FROM log_head WHERE NOT pg_is_in_recovery()").await?;
                let Some(head) = head.and_then(|head| head.parse::<i64>().ok()) else {
                    return Err(LogFault::Unavailable("this PostgreSQL takes no writes".to_owned()));
                };
                self.reached(number(head));
                self.up.send_if_modified(|up| !std::mem::replace(up, true));
                if self.said.swap(false, Ordering::Relaxed) {
                    tracing::info!("PostgreSQL answers again");
                }
                tokio::select! {
                    () = tokio::time::sleep(poll) => {}
                    () = self.doubted.notified() => {}
                }
            }
        };
        tokio::select! {
            () = messages => Ok(()),
            looked = looks => looked,
        }
    }

    async fn look(&self, client: &tokio_postgres::Client, sql: &str) -> Result<Option<String>, LogFault> {
        let asked = tokio::time::timeout(LOOK, client.query_opt(sql, &[])).await;
        let row = asked.map_err(|_| silent())?.map_err(fault)?;
        Ok(row.and_then(|row| row.try_get(0).ok()))
    }
}

pub(super) fn silent() -> LogFault {
    LogFault::Unavailable("PostgreSQL does not answer".to_owned())
}
