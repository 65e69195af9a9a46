//! An export that was broken off, wherever, is gone on with, and comes out the same to the byte.

use chrysalis::evidence::export::{Asked, Done, ExportError, settle, to_file};
use chrysalis::evidence::frame::Filter;
use chrysalis::evidence::output::ResumeError;

use super::exported::Exported;
use crate::conformance::run;
use crate::conformance::world::Seeded;

#[test]
fn an_export_that_was_broken_off_comes_out_the_same() {
    run(async {
        let exported = Exported::of(21, 60).await;
        let (log, header) = (exported.world.log.clone(), exported.header().await);
        for compressed in [false, true] {
            let path = exported.path("whole");
            let _ = std::fs::remove_file(&path);
            to_file(log.clone(), header.clone(), &path, compressed).await.unwrap();
            let whole = std::fs::read(&path).unwrap();
            let chance = Seeded::new(22);
            let edges = [0, 1, 5, 200, whole.len() - 1, whole.len()];
            let anywhere: Vec<usize> = (0..200).map(|_| chance.below(whole.len())).collect();
            for end in edges.into_iter().chain(anywhere) {
                let path = exported.put("broken", &whole[..end.min(whole.len())]);
                let Done { finished, before, tally } =
                    to_file(log.clone(), header.clone(), &path, compressed).await.unwrap();
                assert_eq!(finished, end == whole.len());
                assert!(before.is_none_or(|before| before <= tally.count));
                assert_eq!(std::fs::read(&path).unwrap(), whole, "broken off at byte {end}");
            }
        }
    });
}

/// What came to the log meanwhile is not part of it.
#[test]
fn an_export_ends_where_the_log_ended_when_it_began() {
    run(async {
        let exported = Exported::of(23, 40).await;
        let path = exported.put("broken", &exported.text()[..5_000]);
        let log = exported.world.log.clone();
        exported.world.arrival().await;
        let now = settle(log.as_ref(), &Asked::default()).await.unwrap();
        assert!(now.through > exported.leaves.len() as u64);
        to_file(log, now, &path, false).await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), exported.text());
    });
}

#[test]
fn what_is_no_beginning_of_this_export_is_left_alone() {
    run(async {
        let exported = Exported::of(24, 40).await;
        let (log, header, text) = (exported.world.log.clone(), exported.header().await, exported.text());
        let refused = async |bytes: &[u8], header, compressed| {
            let path = exported.put("there", bytes);
            let refused = to_file(log.clone(), header, &path, compressed).await.err();
            assert_eq!(std::fs::read(&path).unwrap(), bytes, "{refused:?}");
            refused.unwrap()
        };
        let begun = &text[..9_000];
        for other in [b"my novel".as_slice(), b"my novel\n", b"{}\n", b"\n"] {
            let error = refused(other, header.clone(), false).await;
            assert!(matches!(error, ExportError::Resume(ResumeError::Foreign(_))), "{error}");
        }
        let error = refused(begun, header.clone(), true).await;
        assert!(matches!(error, ExportError::Resume(ResumeError::Form { .. })), "{error}");
        let altered =
            String::from_utf8(begun.to_vec()).unwrap().replacen("\"version\":1,\"id\"", "\"version\":2,\"id\"", 1);
        let error = refused(altered.as_bytes(), header.clone(), false).await;
        assert!(matches!(error, ExportError::Resume(ResumeError::Altered { .. })), "{error}");

        let filter = Filter { event_type: Some("GuestCreated".to_owned()), ..Filter::default() };
        for asked in [
            Asked { from: Some(3), ..Asked::default() },
            Asked { filter, ..Asked::default() },
            Asked { to: Some(4), ..Asked::default() },
        ] {
            let other = settle(log.as_ref(), &asked).await.unwrap();
            let error = refused(begun, other, false).await;
            assert!(matches!(error, ExportError::OtherQuestion(_)), "{error}");
        }
        // Another log, of another history.
        let other = Exported::of(25, 60).await;
        let path = exported.put("there", begun);
        let error = to_file(other.world.log.clone(), other.header().await, &path, false).await.err().unwrap();
        assert!(matches!(error, ExportError::OtherLog(_)), "{error}");
        // Somebody else is at it.
        let file = std::fs::File::open(&path).unwrap();
        file.lock().unwrap();
        let error = to_file(log.clone(), header, &path, false).await.err().unwrap();
        assert!(matches!(error, ExportError::Resume(ResumeError::Busy(_))), "{error}");
    });
}
