//! Notes uses of sessions that the log did not take at once. Each node its own: they stand in its memory.

use std::time::Duration;

use tokio::sync::watch;

use crate::app::App;

/// How often to try.
const AGAIN: Duration = Duration::from_secs(1);

/// Until `stop` turns true, and once more then.
pub async fn note(app: App, mut stop: watch::Receiver<bool>) {
    let mut waited = false;
    loop {
        let stopping = *stop.borrow();
        let noted = app.note_unrecorded().await;
        if waited && noted {
            tracing::info!("uses of sessions that the store did not take are recorded");
        }
        waited = !noted;
        if stopping {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(AGAIN) => {}
            _ = stop.changed() => {}
        }
    }
}
