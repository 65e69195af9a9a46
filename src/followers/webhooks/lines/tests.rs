//! Lines against a log that grows, an endpoint that fails as it likes, and a process that dies at any moment.

use std::collections::HashMap;

use chrysalis_domain::Span;

use super::*;

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// Chance that is the same for the same seed (splitmix64).
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(bound).unwrap()).unwrap()
    }
}

fn stream(n: usize) -> StreamId {
    StreamId::from_stored(format!("user-{n}"))
}

/// A log of so many streams, in which every event is one message.
#[derive(Default)]
struct World {
    log: Vec<(StreamId, Version)>,
    versions: HashMap<StreamId, Version>,
    now: Timestamp,
    /// What is stored.
    cursor: Position,
    rows: HashMap<StreamId, Stored>,
    /// What the endpoint took, by stream, each the first time.
    arrived: HashMap<StreamId, Vec<Version>>,
    twice: usize,
    /// What is in memory.
    lines: Lines<()>,
    taken: Position,
    under_way: Vec<StreamId>,
}

impl World {
    fn grow(&mut self, of: usize, chance: &mut Seeded) {
        let stream = stream(chance.below(of));
        let version = self.versions.entry(stream.clone()).or_default();
        *version += 1;
        self.log.push((stream, *version));
    }

    fn message(&self, position: Position) -> Message<()> {
        let (stream, version) = self.log[usize::try_from(position - 1).unwrap()].clone();
        Message { stream, position, place: Place { version, nth: 0 }, what: () }
    }

    fn scan(&mut self) {
        if self.taken < self.log.len() as Position {
            self.taken += 1;
            self.lines.take(self.message(self.taken));
        }
    }

    fn start_one(&mut self) {
        match self.lines.next(self.now, 2) {
            Some(Next::Send { stream, .. }) => {
                assert!(!self.under_way.contains(&stream), "two of one stream are under way");
                self.under_way.push(stream);
            }
            Some(Next::Read { stream, from }) => self.read(&stream, from),
            None => {}
        }
    }

    fn read(&mut self, stream: &StreamId, from: Place) {
        let all = (1..=self.log.len() as Position).map(|position| self.message(position));
        let page: Vec<_> = all.filter(|message| message.stream == *stream && message.place >= from).take(3).collect();
        if page.first().is_some_and(|first| first.place.version == from.version && first.position > self.taken) {
            return self.lines.put_off(stream, self.now + Span::from_millis(1));
        }
        let known: Vec<_> = page.into_iter().filter(|message| message.position <= self.taken).collect();
        let rest = known.last().filter(|_| known.len() == 3).map(|last| last.place.next());
        self.lines.read(stream, known, rest);
    }

    /// What is under way comes back.
    fn finish(&mut self, stream: &StreamId, arrives: bool) {
        self.under_way.retain(|other| other != stream);
        if !arrives {
            return self.lines.failed(stream, self.now + Span::from_secs(300));
        }
        let version = self.lines.first(stream).unwrap().place.version;
        let arrived = self.arrived.entry(stream.clone()).or_default();
        if version == arrived.last().copied().unwrap_or(0) + 1 {
            arrived.push(version);
        } else {
            assert!(arrived.contains(&version), "{stream:?}: {version} comes before {arrived:?}");
            self.twice += 1;
        }
        self.lines.done(stream);
    }

    fn store(&mut self) {
        let (put, gone) = self.lines.changed();
        self.rows.extend(put.into_iter().map(|stored| (stored.stream.clone(), stored)));
        self.cursor = self.lines.settled(self.taken);
        gone.iter().for_each(|stream| drop(self.rows.remove(stream)));
    }

    fn die(&mut self) {
        self.lines = Lines::default();
        self.rows.values().cloned().for_each(|stored| self.lines.restore(stored));
        self.taken = self.cursor;
        self.under_way.clear();
    }
}

#[test]
fn nothing_is_skipped_and_every_stream_comes_in_order() {
    for seed in 0..300 {
        let mut chance = Seeded(seed);
        let mut world = World { now: START, ..World::default() };
        let streams = 1 + chance.below(8);
        let fails = chance.below(90);
        for _ in 0..2_000 {
            match chance.below(100) {
                0..20 => world.grow(streams, &mut chance),
                20..45 => world.scan(),
                45..70 => world.start_one(),
                70..90 if !world.under_way.is_empty() => {
                    let one = chance.below(world.under_way.len());
                    let stream = world.under_way[one].clone();
                    let arrives = chance.below(100) >= fails;
                    world.finish(&stream, arrives);
                }
                90..95 => world.store(),
                95..98 => world.now = world.now + Span::from_secs(100),
                98 => world.die(),
                _ => {}
            }
        }
        world.die();
        // From here on everything works.
        for _ in 0..100_000 {
            if world.taken == world.log.len() as Position && world.lines.is_empty() {
                break;
            }
            world.scan();
            world.start_one();
            if let Some(stream) = world.under_way.last().cloned() {
                world.finish(&stream, true);
            }
            world.now = world.now + Span::from_secs(1);
        }
        for (stream, version) in &world.versions {
            let arrived = world.arrived.get(stream).map_or(0, Vec::len);
            assert_eq!(arrived as Version, *version, "seed {seed}: {stream:?} was skipped");
        }
        world.store();
        assert_eq!((world.cursor, world.rows.len()), (world.log.len() as Position, 0), "seed {seed}");
        assert_eq!((world.lines.held(), world.lines.under_way(), world.lines.stored()), (0, 0, 0));
    }
}

#[test]
fn without_a_crash_nothing_comes_twice() {
    for seed in 0..100 {
        let mut chance = Seeded(seed);
        let mut world = World { now: START, ..World::default() };
        for _ in 0..3_000 {
            match chance.below(10) {
                0..2 => world.grow(5, &mut chance),
                2..5 => world.scan(),
                5..8 => world.start_one(),
                8 => world.now = world.now + Span::from_secs(30),
                _ => {
                    if let Some(stream) = world.under_way.last().cloned() {
                        let arrives = chance.below(2) == 0;
                        world.finish(&stream, arrives);
                        world.store();
                    }
                }
            }
        }
        assert_eq!(world.twice, 0, "seed {seed}");
    }
}

#[test]
fn one_that_fails_holds_up_its_own_line_alone() {
    let mut world = World { now: START, ..World::default() };
    for n in [0, 0, 1, 1] {
        let version = world.versions.entry(stream(n)).or_default();
        *version += 1;
        world.log.push((stream(n), *version));
    }
    (0..4).for_each(|_| world.scan());
    (0..2).for_each(|_| world.start_one());
    world.finish(&stream(0), false);
    world.finish(&stream(1), true);
    assert_eq!(world.lines.settled(world.taken), 3, "what failed is stored by itself");
    world.start_one();
    world.finish(&stream(1), true);
    assert_eq!(world.arrived[&stream(1)], [1, 2]);
    assert_eq!(world.lines.next(world.now, 2), None);
    world.now = world.now + Span::from_secs(300);
    assert_eq!(
        world.lines.next(world.now, 2),
        Some(Next::Read { stream: stream(0), from: Place { version: 1, nth: 0 } })
    );
}

#[test]
fn those_that_are_tried_again_leave_room_for_others() {
    let mut lines: Lines<()> = Lines::default();
    let message =
        |n: usize, position| Message { stream: stream(n), position, place: Place { version: 1, nth: 0 }, what: () };
    for n in 0..10 {
        lines.take(message(n, n as Position + 1));
    }
    while lines.next(START, 2).is_some() {}
    (0..10).for_each(|n| lines.failed(&stream(n), START));
    lines.take(message(10, 11));
    let mut again = 0;
    let mut fresh = 0;
    while let Some(next) = lines.next(START, 2) {
        match next {
            Next::Read { stream: read, .. } => {
                let n = (0..10).find(|n| stream(*n) == read).unwrap();
                lines.read(&read, vec![message(n, n as Position + 1)], None);
            }
            Next::Send { attempts: 1, .. } => again += 1,
            Next::Send { .. } => fresh += 1,
        }
    }
    assert_eq!((again, fresh), (2, 1));
}
