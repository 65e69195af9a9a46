//! `GET /get-session` by cookie, against the floor.

use crate::guest::answer_size;
use crate::process::Server;
use crate::report::short;
use crate::wrk::{self, Load};
use crate::{Bench, Result};

pub fn measure(bench: &mut Bench) -> Result<()> {
    let store = bench.stores.large()?;
    let server = Server::chrysalis(&store.data)?;
    let floor = Server::floor(answer_size(&server)?)?;
    let load = Load::Look { cookies: &store.cookies };
    wrk::run(&server, load, bench.time)?;
    let compared = wrk::compare(bench, &server, &floor, load)?;
    let what = format!("`GET /get-session`, {} cookies, of the floor", short(store.cookies()?.len() as f64));
    bench.report.at_least(&what, compared.rates(), compared.ratio, 0.50, "");
    bench.report.note("processor time of one", compared.each());
    Ok(())
}
