//! The log on EventStoreDB, or rather on its double in a process of its own: what the node takes, the store's share apart.
//!
//! What a real server takes for a commit the double can't show. So the double is given commits of a set length, and what
//! the node itself takes is its processor time; the double's is told beside it.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use eventstore_double::{Double, Options};

use crate::guest::answer_size;
use crate::http::ARRIVE;
use crate::process::{Server, processor_time};
use crate::report::short;
use crate::wrk::{self, Load};
use crate::{Bench, Result, median, pace, upgrade};

/// How long the double waits before it answers an append: nothing, and what three nodes with good disks may take.
pub const COMMITS: [u64; 2] = [0, 5];

pub fn measure(bench: &mut Bench) -> Result<()> {
    for commit in COMMITS {
        let data = bench.folder.join(format!("eventstore-{commit}"));
        let _ = std::fs::remove_dir_all(&data);
        let mut double = Process::start()?;
        let keys = [
            ("store", double.url.clone()),
            ("read_store", format!("sqlite:{}", data.join("chrysalis.db").display())),
            ("eventstore.stream", "chrysalis".to_owned()),
        ];
        let server = Server::chrysalis_with(&data, &keys)?;
        let floor = Server::floor(answer_size(&server)?)?;
        double.order(&format!("slow {commit}"))?;
        let before = double.processor_time()?;
        let compared = wrk::compare(bench, &server, &floor, Load::Arrive)?;
        let made = compared.ours.rate * bench.time.as_secs_f64() * bench.rounds as f64;
        let theirs = (double.processor_time()? - before).as_secs_f64() * 1e6 / made;
        let on = format!("EventStoreDB's double, {commit} ms a commit:");
        bench.report.note(&format!("{on} `POST /sign-in/anonymous`, of the floor"), compared.rates());
        let each = format!("{} µs in the node, {} µs in the double", short(compared.ours.each), short(theirs));
        bench.report.note(&format!("{on} processor time of one"), each);
        let alone = 1e6 * cores() / compared.ours.each;
        bench
            .report
            .note(&format!("{on} what the node would do if the double took nothing"), format!("{}/s", short(alone)));
        let rate = compared.ours.rate / 2.0;
        let p99s = (0..bench.rounds).map(|_| {
            let took = pace::run(server.address, rate, bench.time, |_| ARRIVE)?.percentile(99.0);
            Ok(took - commit as f64)
        });
        let p99 = median(p99s.collect::<Result<Vec<_>>>()?);
        let what = format!("{on} the same at {}/s, p99 without the commit", short(rate));
        bench.report.note(&what, format!("{} ms", short(p99)));
        // Each of them reserves an address first.
        let upgraded = upgrade::upgrades(bench, &server)?.said()?;
        bench.report.note(&format!("{on} `POST /anonymous/upgrade`, of what the cores can hash"), upgraded);
    }
    Ok(())
}

fn cores() -> f64 {
    std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64)
}

/// The double in a process of its own.
pub struct Process {
    child: Child,
    orders: ChildStdin,
    pub url: String,
}

impl Process {
    pub fn start() -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--double").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let orders = child.stdin.take().ok_or("no standard input")?;
        let mut url = String::new();
        BufReader::new(child.stdout.take().ok_or("no standard output")?).read_line(&mut url)?;
        Ok(Self { child, orders, url: url.trim().to_owned() })
    }

    pub fn order(&mut self, order: &str) -> Result<()> {
        Ok(writeln!(self.orders, "{order}")?)
    }

    fn processor_time(&self) -> Result<Duration> {
        processor_time(self.child.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Plays the double in this process, until nobody gives it orders.
pub fn play_double() -> Result<()> {
    let double = Double::with(&Options::default())?;
    println!("{}", double.url());
    for order in std::io::stdin().lock().lines() {
        if let Some(commit) = order?.strip_prefix("slow ") {
            double.slow(Duration::from_millis(commit.parse()?));
        }
    }
    Ok(())
}
