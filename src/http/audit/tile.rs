//! Tiles of the Merkle tree over the log, by the paths of C2SP tlog-tiles: whoever has them can make every proof, and look for
//! a fork, without asking for it.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use chrysalis_domain::Permission;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use tlog_tiles::Tile;

use crate::http::state::Http;
use crate::http::who::Who;
use crate::log::follow::Stage;
use crate::proof;
use crate::proof::tiles::{HEIGHT, LEVELS, Place, Tree, WIDTH};
use crate::wire::error::{ApiError, ErrorBody};

const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// A tile of the tree, as far as it is signed: 32 bytes for each hash. `number` is written as `x001/x234/067`, and
/// `x001/x234/067.p/8` is the first 8 hashes of a tile that is not whole yet.
#[utoipa::path(
    get, path = "/tile/{level}/{*number}", tag = "audit",
    params(
        ("level" = u8, Path, description = "0 for leaves"),
        ("number" = String, Path, description = "Counted from 0, by three digits, and what part of it"),
    ),
    responses(
        (status = 200, description = "Hashes", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`: `audit.read`; `FORBIDDEN`", body = ErrorBody),
        (status = 404, description = "`NOT_FOUND`: there is no such tile, or not so much of it is signed", body = ErrorBody),
    )
)]
pub async fn tile(
    State(http): State<Http>,
    who: Who,
    Path((level, number)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    who.authority(Permission::AuditRead)?;
    let (place, width) = named(&level, &number).ok_or_else(ApiError::not_found)?;
    let log = http.app.log.as_ref();
    let signed = proof::latest(log).await?.map_or(0, |signed| signed.size);
    if place.width(signed) < width {
        return Err(ApiError::not_found());
    }
    let tile = Tree { log }.tile(place, Stage::Live).await?.unwrap_or_default();
    let Some(hashes) = tile.get(..width) else { return Err(ApiError::not_found()) };
    Ok(([(CONTENT_TYPE, BYTES)], hashes.concat()).into_response())
}

/// Which tile a path names, and how many of its hashes.
fn named(level: &str, number: &str) -> Option<(Place, usize)> {
    let (number, width) = match number.split_once(".p/") {
        Some((number, written)) => {
            let width = written.parse().ok().filter(|width| (1..WIDTH).contains(width))?;
            (number, Some(width).filter(|width| width.to_string() == written)?)
        }
        None => (number, WIDTH),
    };
    let path = format!("tile/{HEIGHT}/{level}/{number}");
    // Whether it is written as it must be, the library says; it takes no level that there can't be.
    let known = level.parse::<u8>().is_ok_and(|level| level <= LEVELS) && !number.contains('.');
    let tile = if known { Tile::from_path(&path).ok()? } else { return None };
    let fits = !tile.is_data() && tile.level_index() < 1 << 56;
    fits.then_some((Place { level: tile.level(), number: tile.level_index() }, width))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tile_is_named_in_one_way() {
        let place = |level, number| Place { level, number };
        assert_eq!(named("0", "000"), Some((place(0, 0), WIDTH)));
        assert_eq!(named("1", "x001/x234/067"), Some((place(1, 1_234_067), WIDTH)));
        assert_eq!(named("0", "x001/234.p/8"), Some((place(0, 1_234), 8)));
        for (level, number) in [
            ("0", ""),
            ("0", "0"),
            ("0", "1234"),
            ("0", "x000/001"),
            ("0", "001/234"),
            ("0", "000.p/0"),
            ("0", "000.p/00"),
            ("0", "000.p/+0"),
            ("0", "000.p/+8"),
            ("0", "000.p/08"),
            ("0", "000.p/256"),
            ("0", "000.p/8.p/8"),
            ("0", "000.p/"),
            ("0", "-01"),
            ("00", "000"),
            ("8", "000"),
            ("64", "000"),
            ("255", "000"),
            ("data", "000"),
            ("-1", "000"),
            ("0", "x018/x446/x744/x073/x709/x551/616"),
            ("0", "x999/x999/x999/x999/x999/x999/x999/x999/x999/999"),
        ] {
            assert_eq!(named(level, number), None, "{level}/{number}");
        }
    }
}
