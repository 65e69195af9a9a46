//! What an app may say of where a guest comes from.

use chrysalis_domain::value::Label;

use super::reader::Reader;

/// Words that are kept and counted; none of a kind: all of it.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    channels: Vec<Label>,
    campaigns: Vec<Label>,
    referrers: Vec<Label>,
}

pub(super) fn read(r: &mut Reader) -> Entry {
    let mut of = |key| labels(r, key);
    Entry { channels: of("entry.channels"), campaigns: of("entry.campaigns"), referrers: of("entry.referrers") }
}

fn labels(r: &mut Reader, key: &str) -> Vec<Label> {
    let (mut labels, rule) =
        (Vec::new(), "write words of ASCII letters, digits, blanks and ._-+:/ with commas between them");
    for text in r.list(key) {
        match Label::parse(&text) {
            Some(label) => labels.push(label),
            None => r.mistake(key, format!("{text:?} is none"), rule),
        }
    }
    labels
}

impl Entry {
    pub fn channel(&self, text: &str) -> Option<Label> {
        listed(&self.channels, text)
    }

    pub fn campaign(&self, text: &str) -> Option<Label> {
        listed(&self.campaigns, text)
    }

    /// By the host of the page.
    pub fn referrer(&self, host: &str) -> Option<Label> {
        listed(&self.referrers, host)
    }
}

fn listed(known: &[Label], text: &str) -> Option<Label> {
    Label::parse(text).filter(|label| known.is_empty() || known.contains(label))
}
