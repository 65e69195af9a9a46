//! Which language somebody reads (RFC 9110, 12.5.4).

use chrysalis_domain::value::Locale;
use http::HeaderMap;
use http::header::ACCEPT_LANGUAGE;

/// Entries looked at: a header is not to cost more than it tells.
const MOST: usize = 16;

/// The language of `known` that the caller likes best, if they like one.
pub fn preferred(headers: &HeaderMap, known: &[Locale]) -> Option<Locale> {
    let header = headers.get(ACCEPT_LANGUAGE)?.to_str().ok()?;
    let mut best: Option<(f32, Locale)> = None;
    for entry in header.split(',').take(MOST) {
        let mut parts = entry.split(';').map(str::trim);
        let tag = parts.next().unwrap_or_default().to_ascii_lowercase();
        let quality = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse::<f32>().ok());
        let locale = Locale::parse(tag.split('-').next().unwrap_or_default()).filter(|locale| known.contains(locale));
        if let (Some(locale), Some(quality)) = (locale, quality.filter(|quality| *quality > 0.0))
            && best.is_none_or(|(liked, _)| quality > liked)
        {
            best = Some((quality, locale));
        }
    }
    best.map(|(_, locale)| locale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn the_best_liked_of_those_there_are() {
        let (en, de) = (Locale::ENGLISH, Locale::parse("de").unwrap());
        for (header, expected) in [
            ("de-AT, en;q=0.8", Some(de)),
            ("fr, en;q=0.5, de;q=0.9", Some(de)),
            ("EN-us", Some(en)),
            ("de;q=0, en;q=0.1", Some(en)),
            ("de;q=abc, en;q=NaN", None),
            ("*", None),
            ("", None),
            ("fr", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_static(header));
            assert_eq!(preferred(&headers, &[en, de]), expected, "{header}");
        }
    }
}
