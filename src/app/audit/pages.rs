//! Pages of the trail. A page is a stretch of one index, and of what is found there what fits the rest of the filter; so a
//! page costs what is looked at, and how much may be looked at is bounded. Places never change: whatever comes meanwhile,
//! who goes on behind a place finds what stands there.

use std::slice::from_ref;

use chrysalis_domain::id::EventId;
use chrysalis_projections::audit::{self, AuditRow, Stretch};
use chrysalis_projections::{Value, deeds};
use futures_util::future::try_join_all;

use super::Trail;
use crate::log::{LogFault, ask};

/// Rows asked for at a time where some of them may not fit.
const LOOK: usize = 500;
/// Rows looked at for one page. Who filters by what is rare gets a short page, and where to go on.
const MOST_LOOKED_AT: usize = 20_000;

/// All that is given must hold; of actions any.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub actions: Vec<String>,
    pub actor: Option<String>,
    pub target: Option<String>,
    pub organization: Option<String>,
}

/// Where a page begins: with the newest before a place, or with the oldest behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toward {
    Older(u64),
    Newer(u64),
}

impl Toward {
    /// From the newest of all.
    pub const NEWEST: Toward = Toward::Older(i64::MAX.cast_unsigned());
    /// From the oldest of all.
    pub const OLDEST: Toward = Toward::Newer(0);

    pub fn older_than(id: EventId) -> Self {
        Toward::Older(deeds::place_of(id).min(i64::MAX.cast_unsigned()))
    }

    pub fn newer_than(id: EventId) -> Self {
        Toward::Newer(deeds::place_of(id).min(i64::MAX.cast_unsigned()))
    }

    fn on_from(self, place: u64) -> Self {
        match self {
            Toward::Older(_) => Toward::Older(place),
            Toward::Newer(_) => Toward::Newer(place),
        }
    }
}

/// In the order in which they were asked for.
#[derive(Clone, Debug, Default)]
pub struct Page {
    pub rows: Vec<AuditRow>,
    /// The last that was looked at, where there may be more behind it.
    pub on: Option<EventId>,
}

/// What a page is a stretch of.
enum Index<'f> {
    All,
    /// All of these together find what has the value, each of it something else.
    Of(&'static [Stretch], &'f str),
}

impl Filter {
    /// The narrowest, and whether it is all there is of the filter.
    fn index(&self) -> (Index<'_>, bool) {
        let Filter { actions, actor, target, organization } = self;
        let given = [!actions.is_empty(), actor.is_some(), target.is_some(), organization.is_some()];
        let whole = given.into_iter().filter(|given| *given).count() <= 1;
        match (target, actor, organization, actions.as_slice()) {
            (Some(target), ..) => (Index::Of(&audit::OF_TARGET, target), whole),
            (None, Some(actor), ..) => (Index::Of(&audit::OF_ACTOR, actor), whole),
            (None, None, Some(organization), _) => (Index::Of(from_ref(&audit::OF_ORGANIZATION), organization), whole),
            (None, None, None, [action]) => (Index::Of(from_ref(&audit::OF_ACTION), action), true),
            (None, None, None, []) => (Index::All, true),
            (None, None, None, _) => (Index::All, false),
        }
    }

    /// Of what its target is the index has decided.
    fn fits(&self, row: &AuditRow) -> bool {
        let is = |wanted: &Option<String>, stands: &Option<String>| wanted.is_none() || wanted == stands;
        let action = self.actions.is_empty() || self.actions.contains(&row.action);
        action && is(&self.actor, &row.actor) && is(&self.organization, &row.organization)
    }
}

impl Trail<'_> {
    /// At most so many.
    pub async fn page(&self, filter: &Filter, mut toward: Toward, limit: usize) -> Result<Page, LogFault> {
        let (index, whole) = filter.index();
        let (mut page, mut looked_at) = (Page::default(), 0);
        loop {
            // One more than fits tells whether there is more.
            let wanted = if whole { limit + 1 - page.rows.len() } else { LOOK };
            let found = self.stretch(&index, toward, wanted).await?;
            let ended = found.len() < wanted;
            looked_at += found.len();
            for row in found {
                if page.rows.len() == limit && filter.fits(&row) {
                    page.on = page.rows.last().map(id);
                    return Ok(page);
                }
                (toward, page.on) = (toward.on_from(row.place), Some(id(&row)));
                if filter.fits(&row) {
                    page.rows.push(row);
                }
            }
            if ended {
                page.on = None;
                return Ok(page);
            }
            if looked_at >= MOST_LOOKED_AT {
                return Ok(page);
            }
            // Reading a stretch may take this thread; others have their turn in between.
            tokio::task::yield_now().await;
        }
    }

    async fn stretch(&self, index: &Index<'_>, toward: Toward, limit: usize) -> Result<Vec<AuditRow>, LogFault> {
        let ask_one = async |stretch: &'static Stretch, value: Option<&str>| {
            let (question, place) = match toward {
                Toward::Older(place) => (&stretch.before, place),
                Toward::Newer(place) => (&stretch.behind, place),
            };
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let mut parameters = vec![Value::Integer(place.cast_signed()), Value::Integer(limit)];
            parameters.extend(value.map(|value| Value::Text(value.to_owned())));
            ask(self.log, question, &parameters).await
        };
        match index {
            Index::All => ask_one(&audit::ALL, None).await,
            Index::Of([stretch], value) => ask_one(stretch, Some(value)).await,
            Index::Of(stretches, value) => {
                let found = try_join_all(stretches.iter().map(|stretch| ask_one(stretch, Some(value)))).await?;
                let mut found: Vec<_> = found.into_iter().flatten().collect();
                found.sort_unstable_by_key(|row| row.place);
                found.dedup_by_key(|row| row.place);
                if let Toward::Older(_) = toward {
                    found.reverse();
                }
                found.truncate(limit);
                Ok(found)
            }
        }
    }
}

/// What a deed is called.
pub fn id(row: &AuditRow) -> EventId {
    deeds::id(row.recorded_at, row.place)
}
