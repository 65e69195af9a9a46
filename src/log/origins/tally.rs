//! How many guests came from where and when, and what became of them: counted a piece of the rows at a time, the newest first,
//! so that no statement takes long however many there are.

use std::cmp::Reverse;
use std::collections::HashMap;

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::UserId;
use chrysalis_projections::listing::Statement;
use chrysalis_projections::table::{Cursor, Row, id};

use super::NetworkHash;
use crate::log::{Log, LogFault, list};

/// Rows of one statement: some tens of milliseconds.
pub const PIECE: u32 = 50_000;

const HOUR: i64 = 3_600_000;

/// What is told apart: at least one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grouping {
    pub network: Option<Width>,
    pub hour: bool,
}

/// How much counts as one network: an IPv4 address always is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// IPv6 /64.
    Subscriber,
    /// IPv6 /56.
    Home,
    /// IPv6 /48.
    Site,
}

/// Where and when a group came, as far as it is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub network: Option<NetworkHash>,
    /// The hour that begins then.
    pub hour: Option<Timestamp>,
}

/// Guests who came together, as far as they still are users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    pub key: Key,
    pub arrived: u64,
    /// Those of them who are guests,
    pub guests: u64,
    /// who are members since,
    pub upgraded: u64,
    /// and who are out of use.
    pub disabled: u64,
    pub first: (UserId, Timestamp),
    pub last: (UserId, Timestamp),
}

#[derive(Clone, Debug)]
pub struct Tallies {
    /// The largest first.
    pub groups: Vec<Tally>,
    /// The oldest that was counted, where there are more before it.
    pub down_to: Option<UserId>,
}

impl Grouping {
    fn columns(self) -> [String; 2] {
        let network = match self.network {
            None => "NULL".to_owned(),
            Some(Width::Subscriber) => "o.network".to_owned(),
            Some(Width::Home) => "COALESCE(o.network56, o.network)".to_owned(),
            Some(Width::Site) => "COALESCE(o.network48, o.network)".to_owned(),
        };
        let hour = if self.hour { format!("o.created_at / {HOUR}") } else { "NULL".to_owned() };
        [network, hour]
    }

    /// Of the rows from one id on and before another.
    fn statement(self, from: UserId, before: UserId) -> Statement {
        let columns = self.columns();
        let by: Vec<_> = columns.iter().map(String::as_str).filter(|column| *column != "NULL").collect();
        let standing = |standings: &str| format!("SUM(CASE WHEN u.standing IN ({standings}) THEN 1 ELSE 0 END)");
        let sql = format!(
            "SELECT {}, {}, COUNT(*), {}, {}, {}, MIN(o.user_id), MAX(o.user_id), MIN(o.created_at), MAX(o.created_at)
             FROM origins o JOIN users u ON u.user_id = o.user_id
             WHERE o.user_id >= ?1 AND o.user_id < ?2 GROUP BY {}",
            columns[0],
            columns[1],
            standing("'guest', 'provisional'"),
            standing("'member'"),
            standing("'disabled'"),
            by.join(", "),
        );
        Statement { sql, parameters: vec![id(from), id(before)] }
    }
}

fn read(row: &dyn Row) -> Option<Tally> {
    let mut c = Cursor::new(row);
    let network = c.bytes().and_then(|bytes| bytes.try_into().ok());
    let hour = c.integer().map(|hour| Timestamp::from_millis(hour * HOUR));
    let mut count = || c.integer().and_then(|count| u64::try_from(count).ok());
    let (arrived, guests, upgraded, disabled) = (count()?, count()?, count()?, count()?);
    let (first, last) = (c.parse()?, c.parse()?);
    let (began, ended) = (c.time()?, c.time()?);
    let key = Key { network, hour };
    Some(Tally { key, arrived, guests, upgraded, disabled, first: (first, began), last: (last, ended) })
}

impl Tally {
    /// With those who came before.
    fn join(&mut self, earlier: &Tally) {
        self.arrived += earlier.arrived;
        self.guests += earlier.guests;
        self.upgraded += earlier.upgraded;
        self.disabled += earlier.disabled;
        self.first = self.first.min(earlier.first);
        self.last = self.last.max(earlier.last);
    }
}

/// Counts those from one id on and before another: at most so many pieces of so many rows.
pub async fn tally(
    log: &dyn Log,
    by: Grouping,
    from: UserId,
    before: UserId,
    (pieces, rows): (usize, u32),
) -> Result<Tallies, LogFault> {
    let mut groups: HashMap<Key, Tally> = HashMap::new();
    let mut before = before;
    for _ in 0..pieces {
        let begins = beginning(log, from, before, rows).await?;
        for found in list(log, by.statement(begins.unwrap_or(from), before), read).await? {
            groups.entry(found.key).and_modify(|known| known.join(&found)).or_insert(found);
        }
        let Some(begins) = begins else { return Ok(sorted(groups, None)) };
        before = begins;
    }
    Ok(sorted(groups, Some(before)))
}

/// Where the piece that ends before an id begins; none where the rest is less than one.
async fn beginning(log: &dyn Log, from: UserId, before: UserId, rows: u32) -> Result<Option<UserId>, LogFault> {
    let sql = "SELECT user_id FROM origins WHERE user_id >= ?1 AND user_id < ?2
               ORDER BY user_id DESC LIMIT 1 OFFSET ?3";
    // With the one that it finds it is as many.
    let passed_by = i64::from(rows.max(1)) - 1;
    let parameters = vec![id(from), id(before), passed_by.into()];
    let found = list(log, Statement { sql: sql.to_owned(), parameters }, |row| row.text(0)?.parse().ok()).await?;
    Ok(found.into_iter().next())
}

fn sorted(groups: HashMap<Key, Tally>, down_to: Option<UserId>) -> Tallies {
    let mut groups: Vec<_> = groups.into_values().collect();
    groups.sort_unstable_by_key(|group| Reverse((group.arrived, group.last)));
    Tallies { groups, down_to }
}
