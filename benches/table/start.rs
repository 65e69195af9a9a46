//! From nothing to the first answer, and what a server that has nothing to do holds in memory.

use std::time::Duration;

use crate::process::Server;
use crate::report::short;
use crate::{Bench, Result, median};

/// After this long nothing of the start is still going on.
const SETTLED: Duration = Duration::from_secs(2);

pub fn measure(bench: &mut Bench) -> Result<()> {
    let (mut starts, mut resident) = (Vec::new(), Vec::new());
    for round in 0..bench.rounds {
        let data = bench.folder.join(format!("fresh-{round}"));
        let _ = std::fs::remove_dir_all(&data);
        let server = Server::chrysalis(&data)?;
        starts.push(server.started_in.as_secs_f64() * 1e3);
        std::thread::sleep(SETTLED);
        resident.push(server.resident()?);
    }
    let (start, resident) = (median(starts), median(resident));
    bench.report.at_most("start to first answer, empty store", format!("{} ms", short(start)), start, 150.0, " ms");
    bench.report.at_most("resident memory, idle", format!("{} MB", short(resident)), resident, 40.0, " MB");
    Ok(())
}
