//! Somebody has the program and makes an export that agrees with itself: only what was signed tells it from the log's.

use chrysalis::evidence::finding::Fault;
use chrysalis::evidence::frame::{Filter, Header};
use chrysalis::evidence::verify::{Question, verify};
use chrysalis::keys::Purpose;
use chrysalis::proof::note::{NoteFault, Signer};

use super::exported::{Exported, faults, whole};
use crate::conformance::run;
use crate::conformance::world::Seeded;

fn kept(exported: &Exported, sizes: &[u64]) -> Vec<(String, String)> {
    sizes.iter().map(|size| exported.checkpoint(*size)).collect()
}

#[test]
fn an_event_that_was_rewritten_is_narrowed_down_by_old_checkpoints() {
    run(async {
        let exported = Exported::of(11, 40).await;
        let last = exported.leaves.len() as u64;
        let forged = exported.forged(|event| {
            if event.position == 17 {
                event.event_type = "NothingHappened";
            }
            true
        });
        assert_eq!(forged.len(), exported.lines.len());
        // What is not proven: alone, the file is as good as any.
        assert_eq!(faults(&exported.verified_alone(&whole(&forged))), []);
        let report = exported.verified(&whole(&forged));
        let of = "in the header".to_owned();
        assert_eq!(faults(&report), [(1, &Fault::Unsigned { of: of.clone(), from: 1, size: last })]);
        assert_eq!(report.proven(), 0);

        let report = exported.verified_by(&whole(&forged), kept(&exported, &[4, 16, 20]));
        assert_eq!(report.proven(), 16);
        let expected = Fault::Unsigned { of: "in 20.note".to_owned(), from: 17, size: 20 };
        assert!(faults(&report).contains(&(0, &expected)), "{:?}", faults(&report));

        // Another export names it.
        let other = exported.put("other", &exported.text());
        let question = exported.question(&exported.put("forged", &whole(&forged)));
        let report = verify(&Question { against: Some(other), ..question }).unwrap();
        assert!(faults(&report).contains(&(18, &Fault::Unlike { position: 17, line: 18 })));
    });
}

#[test]
fn events_that_were_taken_out_put_in_or_cut_off_are_not_what_was_signed() {
    run(async {
        let exported = Exported::of(12, 40).await;
        let last = exported.leaves.len() as u64;
        let closed_up = exported.forged(|event| {
            let gone = event.position == 9;
            event.position -= u64::from(event.position > 9);
            !gone
        });
        assert_eq!(faults(&exported.verified_alone(&whole(&closed_up))), []);
        let report = exported.verified_by(&whole(&closed_up), kept(&exported, &[8, 9]));
        assert_eq!(report.proven(), 8);
        assert!(faults(&report).contains(&(0, &Fault::Unsigned { of: "in 9.note".to_owned(), from: 9, size: 9 })));

        let shortened = exported.forged(|event| event.position <= last - 3);
        let of = || "in the header".to_owned();
        let short = Fault::Short { of: of(), size: last, held: last - 3 };
        assert_eq!(faults(&exported.verified(&whole(&shortened))), [(1, &short)]);
        // Without the checkpoint that it had, an older one that was kept says so.
        let mut header = Header::read(&shortened[0]).unwrap();
        header.checkpoint = None;
        let report = exported.verified_by(&whole(&refooted(header, &shortened)), kept(&exported, &[last]));
        assert_eq!(faults(&report).len(), 1);
        assert!(matches!(faults(&report)[0].1, Fault::Short { .. }));
    });
}

/// The same lines under another header, the footer adjusted.
fn refooted(header: Header, lines: &[String]) -> Vec<String> {
    use chrysalis::evidence::line::Line;
    use chrysalis::evidence::output::Tally;
    let mut tally = Tally::of(&header);
    let mut again = Vec::new();
    for line in &lines[1..lines.len() - 1] {
        let line = Line::read(line, &mut again).unwrap();
        tally.take(line.fields().position, line.stated());
    }
    let mut all = lines.to_vec();
    all[0] = header.line();
    *all.last_mut().unwrap() = tally.footer().line();
    all
}

/// Whoever made the file may have written anything in front of it.
#[test]
fn a_header_of_no_export_is_refused_and_breaks_nothing() {
    run(async {
        let exported = Exported::of(17, 20).await;
        let genuine = Header::read(&exported.lines[0]).unwrap();
        let filter = Some(Filter { event_type: Some("GuestCreated".to_owned()), stream: None });
        for (from, through, filter) in [
            (0, 0, None),
            (0, genuine.through, None),
            (0, 3, filter.clone()),
            (9, 7, None),
            (u64::MAX, 0, None),
            (2, u64::MAX, None),
            (2, u64::MAX, filter),
        ] {
            let mut header = genuine.clone();
            (header.from, header.through, header.filter, header.complete) = (from, through, filter, false);
            let forged = refooted(header, &exported.lines);
            let empty = [forged[0].clone(), forged[forged.len() - 1].clone()];
            for lines in [&forged[..], &empty] {
                let report = exported.verified_alone(&whole(lines));
                assert!(matches!(faults(&report)[0], (1, Fault::Flawed { .. })), "{:?}", faults(&report));
            }
            // Nor is it gone on with.
            let path = exported.put("begun", &whole(&forged[..2]));
            let log = exported.world.log.clone();
            let resumed = chrysalis::evidence::export::to_file(log, genuine.clone(), &path, false).await;
            assert!(resumed.is_err());
            assert_eq!(std::fs::read(&path).unwrap(), whole(&forged[..2]));
        }
    });
}

#[test]
fn a_fork_is_told_from_an_altered_export() {
    run(async {
        let exported = Exported::of(13, 40).await;
        let last = exported.leaves.len() as u64;
        // The log itself is rewritten, and signed again by whoever has its keys.
        let rewritten = exported.forged(|event| {
            if event.position == 5 {
                event.event_type = "NothingHappened";
            }
            true
        });
        let report = exported.verified_alone(&whole(&rewritten));
        let mut header = Header::read(&rewritten[0]).unwrap();
        header.checkpoint = Some(exported.signer.checkpoint(last, &report.root.unwrap().0));
        let rewritten = refooted(header, &rewritten);
        assert_eq!(faults(&exported.verified(&whole(&rewritten))), [], "whoever kept nothing can't know");
        let report = exported.verified_by(&whole(&rewritten), kept(&exported, &[4, 10]));
        let fork = Fault::Fork { of: "in 10.note".to_owned(), size: 10, larger: last };
        assert_eq!(faults(&report), [(0, &fork)]);
    });
}

#[test]
fn checkpoints_of_another_log_and_of_another_key_are_told_apart() {
    run(async {
        let mut exported = Exported::of(14, 30).await;
        let other = Exported::of(15, 30).await;
        let text = exported.text();
        let report = exported.verified_by(&text, kept(&other, &[3]));
        assert!(matches!(faults(&report)[..], [(0, Fault::Note { fault: NoteFault::OtherLog { .. }, .. })]));

        // After a rotation: whoever has the new key alone does not know the old one's signature.
        let before = exported.checkpoint(3);
        for _ in 0..2 {
            let world = &mut exported.world;
            let secret = crate::conformance::world::SECRET;
            let now = world.now();
            let chance = Seeded::new(99);
            world.keyring.rotate(world.log.as_ref(), secret, Purpose::LogSigning, &chance, now).await.unwrap();
            world.keyring = crate::conformance::world::World::keyring(world.log.as_ref(), &chance).await;
        }
        let signer = Signer::of(&exported.world.keyring).unwrap();
        let newest = vec![signer.keys().last().unwrap().clone()];
        let question = exported.question(&exported.put("export", &text));
        let report = verify(&Question { keys: newest, checkpoints: vec![before], ..question }).unwrap();
        let other_key = |fault: &Fault| matches!(fault, Fault::Note { fault: NoteFault::OtherKey { .. }, .. });
        assert!(faults(&report).iter().any(|(_, fault)| other_key(fault)), "{:?}", faults(&report));
    });
}

#[test]
fn exports_of_some_months_are_one_log_together() {
    run(async {
        let exported = Exported::of(16, 40).await;
        let last = exported.leaves.len() as u64;
        let mut parts = Vec::new();
        for (from, through) in [(1, 10), (11, 20), (21, last)] {
            let header = Header::new(from, through, Filter::default(), Some(exported.note(through)));
            let path = exported.path(&format!("from {from}"));
            chrysalis::evidence::export::to_file(exported.world.log.clone(), header, &path, from == 11).await.unwrap();
            parts.push(path);
        }
        let asked = |exports| Question { exports, keys: exported.keys(), ..Question::default() };
        let report = verify(&asked(parts.clone())).unwrap();
        assert_eq!((faults(&report), report.proven()), (vec![], last));
        // One of them alone says nothing of those before it, and says so.
        let report = verify(&asked(vec![parts[1].clone()])).unwrap();
        assert!(matches!(faults(&report)[..], [(1, Fault::Unheld { .. })]), "{:?}", faults(&report));
        let report = verify(&asked(vec![parts[0].clone(), parts[2].clone()])).unwrap();
        assert!(faults(&report).contains(&(1, &Fault::Apart { before: 10, found: 21 })));
        assert_eq!(report.proven(), 10);
    });
}
