//! How long sessions live.

use chrysalis_domain::Span;

use super::HOUR;
use super::reader::Reader;

#[derive(Clone, Debug)]
pub struct Sessions {
    pub lifetime: Span,
    pub refresh_after: Span,
    pub not_remembered: Span,
    pub absolute_max: Option<Span>,
    pub fresh_age: Span,
    pub rotate_on_upgrade: RotateOnUpgrade,
    pub per_user: usize,
    pub activity_granularity: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotateOnUpgrade {
    Cookie,
    Always,
    Never,
}

pub(super) fn read(r: &mut Reader) -> Sessions {
    let absolute = r.text("sessions.absolute_max").is_some();
    let lifetime = r.span("sessions.lifetime", HOUR..=Span::from_days(400));
    let refresh_after = r.span("sessions.refresh_after", Span::from_secs(60)..=Span::from_days(400));
    if refresh_after > lifetime {
        r.mistake(
            "sessions.refresh_after",
            "is longer than sessions.lifetime",
            "take a shorter time, or no session is ever extended",
        );
    }
    let rotations =
        [("cookie", RotateOnUpgrade::Cookie), ("always", RotateOnUpgrade::Always), ("never", RotateOnUpgrade::Never)];
    Sessions {
        lifetime,
        refresh_after,
        not_remembered: r.span("sessions.not_remembered", Span::from_secs(300)..=Span::from_days(30)),
        absolute_max: absolute.then(|| r.span("sessions.absolute_max", HOUR..=Span::from_days(3650))),
        fresh_age: r.span("sessions.fresh_age", Span::ZERO..=Span::from_days(400)),
        rotate_on_upgrade: r.choice("sessions.rotate_on_upgrade", &rotations),
        per_user: r.number("sessions.per_user", 1..=1000),
        activity_granularity: r.span("sessions.activity_granularity", Span::from_secs(60)..=HOUR),
    }
}
