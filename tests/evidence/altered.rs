//! What is done to the bytes of an export is found, whatever it is; what is done to its lines is named.

use chrysalis::evidence::finding::Fault;
use chrysalis::evidence::source::{Pieces, Source};
use chrysalis::evidence::verify::Verdict;

use super::exported::{Exported, faults, whole};
use crate::conformance::run;
use crate::conformance::world::Seeded;

/// Something that is done to bytes; each is tried at random and at the edges.
fn deed(bytes: &mut Vec<u8>, at: usize, chance: &Seeded) -> &'static str {
    let end = bytes.len();
    let stretch = |from: usize| from..(from + 1 + chance.below(2_000)).min(end);
    match chance.below(8) {
        0 => {
            bytes[at] ^= 1 << chance.below(8);
            "a bit is changed"
        }
        1 => {
            bytes[at] = chance.below(256) as u8;
            "a byte is changed"
        }
        2 => {
            bytes.remove(at);
            "a byte is taken away"
        }
        3 => {
            bytes.insert(at, *chance.pick(b"0a \n\"{},\\\0\xff"));
            "a byte is put in"
        }
        4 => {
            bytes.truncate(at);
            "the end is cut off"
        }
        5 => {
            bytes.drain(stretch(at));
            "a stretch is taken away"
        }
        6 => {
            let copied = bytes[stretch(chance.below(end))].to_vec();
            bytes.splice(at..at, copied);
            "a stretch is put in"
        }
        _ => {
            let other = chance.below(end);
            bytes.swap(at, other);
            "two bytes change places"
        }
    }
}

/// Where something is done: the beginning, the end, the ends of lines, anywhere.
fn place(bytes: &[u8], chance: &Seeded) -> usize {
    match chance.below(8) {
        0 => chance.below(300),
        1 => bytes.len() - 1 - chance.below(300),
        2 | 3 => {
            let from = chance.below(bytes.len());
            bytes[from..].iter().position(|byte| *byte == b'\n').map_or(from, |at| from + at)
        }
        _ => chance.below(bytes.len()),
    }
}

#[test]
fn whatever_is_done_to_an_export_is_found() {
    run(async {
        let exported = Exported::of(1, 40).await;
        let genuine = exported.text();
        let untouched = exported.verified(&genuine);
        assert_eq!(faults(&untouched), []);
        assert_eq!(untouched.proven(), exported.leaves.len() as u64);
        let chance = Seeded::new(2);
        for _ in 0..if crate::long() { 100_000 } else { 3_000 } {
            let mut bytes = genuine.clone();
            let at = place(&bytes, &chance);
            let done = deed(&mut bytes, at, &chance);
            let found = !exported.verified(&bytes).findings.is_empty();
            assert_eq!(found, bytes != genuine, "{done} at byte {at}");
        }
    });
}

/// There, bytes may be changed that mean nothing; but not what they say.
#[test]
fn whatever_is_done_to_a_compressed_export_is_found_or_says_the_same() {
    run(async {
        let exported = Exported::of(1, 40).await;
        let path = exported.path("export.zst");
        let header = exported.header().await;
        chrysalis::evidence::export::to_file(exported.world.log.clone(), header, &path, true).await.unwrap();
        let genuine = std::fs::read(&path).unwrap();
        assert_eq!(faults(&exported.verified(&genuine)), []);
        let says = |bytes: &[u8]| -> Option<Vec<u8>> {
            let pieces = Pieces::new(Source::open(&exported.put("said", bytes)).unwrap());
            let pieces: Result<Vec<_>, _> = pieces.collect();
            pieces.ok().map(|pieces| pieces.into_iter().flat_map(|piece| piece.bytes).collect())
        };
        assert_eq!(says(&genuine), Some(exported.text()));
        let chance = Seeded::new(3);
        for _ in 0..if crate::long() { 20_000 } else { 1_000 } {
            let mut bytes = genuine.clone();
            let at = place(&bytes, &chance);
            let done = deed(&mut bytes, at, &chance);
            let found = !exported.verified(&bytes).findings.is_empty();
            assert_eq!(found, says(&bytes) != Some(exported.text()), "{done} at byte {at}");
        }
    });
}

#[test]
fn what_is_done_to_lines_is_named_with_line_and_position() {
    run(async {
        let exported = Exported::of(4, 40).await;
        let last = exported.leaves.len() as u64;
        let lines = &exported.lines;
        // Line n + 1 has position n.
        let at = |position: u64| position as usize;
        for position in [1, 2, last / 2, last - 1, last] {
            let mut altered = lines.clone();
            altered[at(position)] = altered[at(position)].replacen("\"commandId\":\"cmd_0", "\"commandId\":\"cmd_1", 1);
            let report = exported.verified(&whole(&altered));
            assert_eq!(faults(&report), [(position + 1, &Fault::Altered { position })]);
            // Only that: what the lines state of themselves is what was signed.
            assert_eq!((report.proven(), report.stated()), (0, last));

            let mut less = lines.clone();
            less.remove(at(position));
            let report = exported.verified(&whole(&less));
            let removed = if position == last {
                Fault::CutOff { from: position, to: position }
            } else {
                Fault::Missing { from: position, to: position }
            };
            assert!(faults(&report).contains(&(position + 1, &removed)), "{:?}", faults(&report));

            let mut more = lines.clone();
            more.insert(at(position) + 1, lines[at(position)].clone());
            let report = exported.verified(&whole(&more));
            assert_eq!(faults(&report), [(position + 2, &Fault::Inserted { position })]);
            assert_eq!(report.proven(), last, "what was put in takes nothing from the others");

            let mut unreadable = lines.clone();
            unreadable[at(position)].replace_range(0..1, "[");
            let report = exported.verified(&whole(&unreadable));
            assert!(matches!(faults(&report)[..], [.., (line, Fault::Flawed { .. })] if line == position + 1));
        }
        for (one, other) in [(1, 2), (1, last), (last - 1, last), (3, last / 2)] {
            let mut moved = lines.clone();
            moved.swap(at(one), at(other));
            let report = exported.verified(&whole(&moved));
            let named: Vec<u64> = faults(&report)
                .into_iter()
                .filter_map(|(_, fault)| match fault {
                    Fault::Moved { position, .. } => Some(*position),
                    _ => None,
                })
                .collect();
            let expected: &[u64] = if other == one + 1 { &[other] } else { &[other, one] };
            assert_eq!(named, expected, "{one} and {other}: {:?}", faults(&report));
        }
        let mut gap = lines.clone();
        gap.drain(at(5)..=at(9));
        let report = exported.verified(&whole(&gap));
        assert!(faults(&report).contains(&(6, &Fault::Missing { from: 5, to: 9 })));
        let report = exported.verified(&whole(&lines[..at(10)]));
        assert!(faults(&report).contains(&(11, &Fault::CutOff { from: 10, to: last })));
        assert!(faults(&report).contains(&(11, &Fault::NoFooter)));
        let report = exported.verified(&whole(&lines[1..]));
        assert!(faults(&report).contains(&(1, &Fault::NoHeader)));
        assert!(faults(&exported.verified(b"")).contains(&(1, &Fault::NoHeader)));
    });
}

/// Older checkpoints say up to where all is well.
#[test]
fn a_line_that_is_gone_leaves_what_is_before_it_proven() {
    run(async {
        let exported = Exported::of(5, 40).await;
        let mut lines = exported.lines.clone();
        lines.remove(20);
        let kept = [5, 15, 25].map(|size| exported.checkpoint(size)).to_vec();
        let report = exported.verified_by(&whole(&lines), kept);
        assert_eq!(report.proven(), 15);
        let verdicts: Vec<_> = report.checkpoints.iter().map(|held| (held.size(), held.verdict)).collect();
        assert_eq!(verdicts[..3], [(5, Verdict::Holds), (15, Verdict::Holds), (25, Verdict::Unmet)]);
    });
}
