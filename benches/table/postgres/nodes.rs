//! Several nodes on one PostgreSQL, 64 connections each: together they do about as much as one.

use super::{folder, fresh, keys};
use crate::process::Server;
use crate::report::short;
use crate::servers::Cluster;
use crate::wrk::{self, Load};
use crate::{Bench, Result, median};

const COUNTS: [usize; 3] = [1, 2, 4];

pub fn measure(bench: &mut Bench, cluster: &Cluster) -> Result<()> {
    fresh(&folder(bench, "nodes"));
    let mut nodes: Vec<Server> = Vec::new();
    let mut rates: [Vec<f64>; 3] = Default::default();
    for _ in 0..bench.rounds {
        nodes.clear();
        for (count, rates) in COUNTS.iter().zip(&mut rates) {
            while nodes.len() < *count {
                // One folder: the nodes have one secret.
                nodes.push(Server::chrysalis_with(&folder(bench, "nodes"), &keys(cluster, "nodes"))?);
            }
            rates.push(wrk::together(&nodes, Load::Arrive, bench.time)?);
        }
    }
    for (at, count) in COUNTS.iter().enumerate().skip(1) {
        let ratio = median(rates[at].iter().zip(&rates[0]).map(|(many, one)| many / one));
        let (many, one) = (median(rates[at].iter().copied()), median(rates[0].iter().copied()));
        let what = format!("PostgreSQL: guests at {count} nodes together, of one node's");
        bench.report.at_least(&what, format!("{}/s of {}/s = {ratio:.2}", short(many), short(one)), ratio, 0.85, "");
    }
    Ok(())
}
