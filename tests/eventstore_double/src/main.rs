//! The double as a process of its own, to be told what to do by lines on standard input.

#![allow(clippy::unwrap_used, reason = "it is for tests")]

use std::io::BufRead;
use std::time::Duration;

use clap::Parser;
use eventstore_double::{Double, Options, Trouble};

/// A protocol double of EventStoreDB. It keeps nothing on disk, and is no database.
///
/// It says on standard output how it is reached, and does what lines on standard input say: `cut N`, `mend N`, `drop N`,
/// `crash N`, `restart N`, `behind N`, `ahead N` and `elect N` for a node by its number from 0; `depose`; `slow
/// MILLISECONDS`; `lose COUNT` for the answers to the next appends; `forbid BEGINNING` for streams that nobody may write to
/// any more that begin so, and `allow`.
#[derive(Parser)]
struct Cli {
    /// The first node's port; the others have the next ones.
    #[arg(long, default_value_t = 2113)]
    port: u16,
    #[arg(long, default_value_t = 1)]
    nodes: u16,
    /// Lets in whoever says NAME:PASSWORD; anybody without it.
    #[arg(long, value_name = "NAME:PASSWORD")]
    login: Option<String>,
    /// Ends when standard input does.
    #[arg(long)]
    attended: bool,
}

fn main() -> std::io::Result<()> {
    let cli = Cli::parse();
    let login = cli.login.map(|login| login.split_once(':').map(|(name, word)| (name.to_owned(), word.to_owned())));
    let options = Options { nodes: cli.nodes, port: cli.port, login: login.flatten(), tls: None };
    let double = Double::with(&options)?;
    println!("{}", double.url());
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        if obey(&double, &line).is_none() {
            println!("what is {line:?}?");
        }
    }
    if cli.attended {
        return Ok(());
    }
    loop {
        std::thread::park();
    }
}

fn obey(double: &Double, line: &str) -> Option<()> {
    let mut words = line.split_whitespace();
    let word = words.next()?;
    if let "forbid" | "allow" = word {
        double.forbid(words.next().filter(|_| word == "forbid"));
        return Some(());
    }
    let number: usize = words.next().map_or(Some(0), |word| word.parse().ok())?;
    let node = || (number < double.nodes()).then(|| double.node(number));
    match word {
        "cut" => node()?.cut(),
        "mend" => node()?.mend(),
        "drop" => node()?.drop_connections(),
        "crash" => node()?.crash(),
        "restart" => node()?.restart(),
        "behind" => node()?.fall_behind(),
        "ahead" => node()?.keep_up(),
        "elect" => node().map(|_| double.elect(number))?,
        "depose" => double.depose(),
        "slow" => double.slow(Duration::from_millis(number as u64)),
        "lose" => double.trouble(&vec![Trouble::AnswerLost; number]),
        _ => return None,
    }
    Some(())
}
