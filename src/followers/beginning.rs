//! Writes what a node begins with where the store did not take it when it was started. Each node its own: it is in its
//! configuration.

use std::time::Duration;

use tokio::sync::watch;

use crate::app::App;

/// How often to try.
const AGAIN: Duration = Duration::from_millis(250);

/// Until it is done, or `stop` turns true.
pub async fn follow(app: App, mut stop: watch::Receiver<bool>) {
    while !app.has_begun() && !*stop.borrow() {
        tokio::select! {
            () = tokio::time::sleep(AGAIN) => {}
            _ = stop.changed() => continue,
        }
        match app.begin().await {
            Ok(true) => tracing::info!("what the configuration has written when a node starts is written now"),
            Ok(false) => {}
            Err(error) => {
                tracing::error!(%error, "this node can't begin, and is not ready; start it anew once the cause is gone");
                return;
            }
        }
    }
}
