//! Throughput: wrk, 64 connections kept alive.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::process::Server;
use crate::report::short;
use crate::{Bench, CONNECTIONS, Result, median};

/// What is asked.
#[derive(Clone, Copy)]
pub enum Load<'a> {
    /// A guest arrives with every request.
    Arrive,
    /// Sessions are looked at, by the cookies of this file, one after another.
    Look { cookies: &'a Path },
    /// The same sessions ask for a token.
    Token { cookies: &'a Path },
}

/// What a server did under a load.
#[derive(Clone, Copy)]
pub struct Done {
    /// Requests answered in a second.
    pub rate: f64,
    /// Microseconds of the server's processor time that one of them took.
    pub each: f64,
}

/// A server and the floor under the same load, in turns. Medians.
pub struct Compared {
    pub ours: Done,
    pub floor: Done,
    /// Of the rates in the same round: what else the machine does then slows both.
    pub ratio: f64,
}

impl Compared {
    pub fn rates(&self) -> String {
        format!("{}/s of {}/s = {:.2}", short(self.ours.rate), short(self.floor.rate), self.ratio)
    }

    pub fn each(&self) -> String {
        format!("{} µs, the floor {} µs", short(self.ours.each), short(self.floor.each))
    }
}

pub fn compare(bench: &Bench, server: &Server, floor: &Server, load: Load<'_>) -> Result<Compared> {
    let rounds = (0..bench.rounds).map(|_| {
        server.followed()?;
        Ok((run(floor, load, bench.time)?, run(server, load, bench.time)?))
    });
    let rounds = rounds.collect::<Result<Vec<_>>>()?;
    let middle = |of: fn(&(Done, Done)) -> f64| median(rounds.iter().map(of));
    Ok(Compared {
        floor: Done { rate: middle(|(floor, _)| floor.rate), each: middle(|(floor, _)| floor.each) },
        ours: Done { rate: middle(|(_, ours)| ours.rate), each: middle(|(_, ours)| ours.each) },
        ratio: middle(|(floor, ours)| ours.rate / floor.rate),
    })
}

pub fn run(server: &Server, load: Load<'_>, time: Duration) -> Result<Done> {
    let before = server.processor_time()?;
    let rate = finish(command(server, load, time))?;
    let took = server.processor_time()?.saturating_sub(before);
    Ok(Done { rate, each: took.as_secs_f64() * 1e6 / (rate * time.as_secs_f64()) })
}

/// Several servers under the same load at the same time; their rates together.
pub fn together(servers: &[Server], load: Load<'_>, time: Duration) -> Result<f64> {
    std::thread::scope(|scope| {
        let runs: Vec<_> =
            servers.iter().map(|server| scope.spawn(move || finish(command(server, load, time)))).collect();
        runs.into_iter().map(|run| run.join().map_err(|_| "wrk panicked")?).sum()
    })
}

fn command(server: &Server, load: Load<'_>, time: Duration) -> Command {
    let (path, script) = match load {
        Load::Arrive => ("sign-in/anonymous", "arrive.lua"),
        Load::Look { .. } => ("get-session", "look.lua"),
        Load::Token { .. } => ("token", "look.lua"),
    };
    let mut command = Command::new("wrk");
    command.args(["-t", "1", "-c", &CONNECTIONS.to_string(), "-d", &format!("{}s", time.as_secs())]);
    command.arg("-s").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/table").join(script));
    command.arg(format!("http://{}/api/auth/{path}", server.address));
    if let Load::Look { cookies } | Load::Token { cookies } = load {
        command.arg("--").arg(cookies);
    }
    command
}

fn finish(mut command: Command) -> Result<f64> {
    let output = command.output().map_err(|error| format!("wrk: {error}; benches/run installs it"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() || text.contains("Non-2xx") || text.contains("Socket errors") {
        return Err(format!("wrk: {text}{}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let rate = text.lines().find_map(|line| line.strip_prefix("Requests/sec:")).ok_or("wrk said no rate")?;
    Ok(rate.trim().parse()?)
}
