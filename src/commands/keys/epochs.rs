//! A new epoch of persons' keys: begun, ended up in by everybody, and the old ones destroyed. A server
//! may run meanwhile; a run that is broken off is gone on with by the next.

use std::process::ExitCode;
use std::time::Duration;

use chrysalis::keys::Rewrapping;
use chrysalis_domain::Span;
use secrecy::ExposeSecret;

use super::tell;
use crate::commands::{Here, Outcome};

/// Between a walk that found keys and the next: what stores at the moment is stored by then.
const LULL: Span = Span::from_secs(10);

/// `wait` is how long the nodes get to learn of the epoch before anything is wrapped in it.
pub async fn rotate(here: &Here, wait: Span) -> Outcome {
    let Here { ports, store, keyring, secret, .. } = here;
    let (secret, clock) = (secret.expose_secret().as_bytes(), ports.clock.as_ref());
    let rewrapping = Rewrapping { store: store.as_ref(), keyring, secret, entropy: ports.entropy.as_ref(), clock };
    let epoch = rewrapping.begin().await?;
    tell(here).await?;
    let begun = if epoch.begun_before { "goes on: an earlier run began it" } else { "begins" };
    println!("epoch {} of persons' keys {begun}", epoch.id);
    let left = (wait - clock.now().since(epoch.created_at)).min(wait);
    if left > Span::ZERO {
        println!("every node learns of it within {} s", left.as_secs_ceil());
        pause(left).await;
    }
    rewrapping.end_others(epoch).await?;
    tell(here).await?;
    let mut walked = 0;
    loop {
        let found = rewrapping.walk(epoch, &mut |_| ()).await?;
        walked += found;
        if found == 0 {
            break;
        }
        println!("{walked} keys are wrapped in it");
        pause(LULL.min(wait)).await;
    }
    rewrapping.destroy_others(epoch).await?;
    tell(here).await?;
    println!("all keys are wrapped in epoch {}; those of the epochs before it are destroyed", epoch.id);
    Ok(ExitCode::SUCCESS)
}

async fn pause(span: Span) {
    tokio::time::sleep(Duration::from_millis(u64::try_from(span.as_millis()).unwrap_or(0))).await;
}
