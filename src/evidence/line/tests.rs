use proptest::prelude::*;

use super::*;
use crate::log::{Recorded, StreamId};

/// The event of the golden vector in `log/record.rs`.
const GOLDEN: &str = r#"{"position":7,"project":"proj_00000000000000000000000000","stream":"user-usr_01JD8M4Z5T0000000000000001","version":2,"id":"evt_01JD8M4Z5T0000000000000002","type":"ActivityRecorded","typeVersion":1,"recordedAt":"2024-11-21T14:40:00.123Z","occurredAt":"2024-11-21T14:40:00.120Z","actor":{"type":"user","id":"usr_01JD8M4Z5T0000000000000001","by":"ses_01JD8M4Z5T0000000000000003","impersonator":null},"requestId":"req_01JD8M4Z5T0000000000000004","commandId":"cmd_01JD8M4Z5T0000000000000005","cause":null,"settingsVersion":0,"sealed":[{"id":"sld_00000000010000000000000002","commitment":"AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM="}],"data":{"session":"ses_01JD8M4Z5T0000000000000003","carrier":"cookie","at":1732200000120},"leaf":"ffLX4d4oLm/ysjTkIzFlF+FMLTj2+PJJmYpatATvsa0="}"#;

fn read(text: &str) -> Result<Recorded, Flaw> {
    Line::read(text, &mut Vec::new()).map(|line| owned(&line.fields()))
}

fn owned(fields: &Fields<'_>) -> Recorded {
    let text = |text: Option<&str>| text.map(str::to_owned);
    Recorded {
        position: fields.position,
        project: fields.project.to_owned(),
        stream: StreamId::from_stored(fields.stream.to_owned()),
        version: fields.version,
        event_id: fields.event_id.to_owned(),
        event_type: fields.event_type.to_owned(),
        type_version: fields.type_version,
        recorded_at: fields.recorded_at,
        occurred_at: fields.occurred_at,
        actor_type: fields.actor_type.to_owned(),
        actor_id: text(fields.actor_id),
        actor_by: text(fields.actor_by),
        impersonator: text(fields.impersonator),
        request_id: text(fields.request_id),
        command_id: fields.command_id.to_owned(),
        cause: text(fields.cause),
        settings_version: fields.settings_version,
        sealed: fields.sealed.to_vec(),
        body: fields.body.to_vec(),
    }
}

fn written(event: &Recorded) -> String {
    let mut out = Vec::new();
    Line::of(&event.fields(), event.leaf()).write(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_line_of_the_first_day_gives_the_leaf_of_the_first_day() {
    let mut again = Vec::new();
    let line = Line::read(GOLDEN, &mut again).unwrap();
    let hex: String = line.fields().leaf().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "7df2d7e1de282e6ff2b234e423316517e14c2d38f6f8f249998a5ab404efb1ad");
    assert_eq!(line.stated(), line.fields().leaf());
    assert_eq!(written(&owned(&line.fields())), GOLDEN);
}

#[test]
fn whatever_byte_is_changed_taken_away_or_added_it_is_noticed() {
    let genuine = read(GOLDEN).unwrap();
    let noticed = |text: Vec<u8>| {
        let Ok(text) = String::from_utf8(text) else { return true };
        let mut again = Vec::new();
        match Line::read(&text, &mut again) {
            Err(_) => true,
            Ok(line) => {
                line.fields().leaf() != line.stated() && owned(&line.fields()) != genuine
                // The leaf itself is what was changed.
                || line.stated() != genuine.leaf()
            }
        }
    };
    for at in 0..GOLDEN.len() {
        for byte in 0..=255u8 {
            let mut other = GOLDEN.as_bytes().to_vec();
            if byte != other[at] {
                other[at] = byte;
                assert!(noticed(other), "byte {at} as {byte}");
            }
        }
        let mut less = GOLDEN.as_bytes().to_vec();
        less.remove(at);
        assert!(noticed(less), "without byte {at}");
        for byte in *b" 0\"{,a\t\\" {
            let mut more = GOLDEN.as_bytes().to_vec();
            more.insert(at, byte);
            assert!(noticed(more), "{byte} put before byte {at}");
        }
    }
}

#[test]
fn what_could_be_said_in_two_ways_is_said_in_one() {
    for (genuine, other) in [
        (r#""cause":null"#, r#""cause":"""#),
        (r#""cause":null,"#, ""),
        (r#""impersonator":null"#, r#""impersonator":"""#),
        (r#""position":7"#, r#""position":7.0"#),
        (r#""version":2"#, r#""version":2,"version":2"#),
        ("ActivityRecorded", "\\u0041ctivityRecorded"),
        (r#""2024-11-21T14:40:00.123Z""#, "1732200000123"),
        (r#""2024-11-21T14:40:00.123Z""#, r#""1732200000123""#),
        (r#"[{"id":"sld_"#, r#"[{"id":"SLD_"#),
        (r#""data":{"#, r#""data": {"#),
        (r#""data":{"#, "\"data\":{\r"),
        (r#""leaf":"f"#, r#""leaf": "f"#),
        ("{\"session\":\"ses_01JD8M4Z5T0000000000000003\",\"carrier\":\"cookie\",\"at\":1732200000120}", "null"),
        ("{\"session\":\"ses_01JD8M4Z5T0000000000000003\",\"carrier\":\"cookie\",\"at\":1732200000120}", "7"),
    ] {
        assert!(GOLDEN.contains(genuine), "{genuine}");
        assert!(read(&GOLDEN.replacen(genuine, other, 1)).is_err(), "{other}");
    }
    let body = r#"{"session":"ses_01JD8M4Z5T0000000000000003","carrier":"cookie","at":1732200000120}"#;
    let hidden = format!(r#""dataBytes":"{}""#, STANDARD.encode(body));
    assert!(read(&GOLDEN.replacen(&format!(r#""data":{body}"#), &hidden, 1)).is_err());
}

fn bodies() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(b"{}".to_vec()),
        Just(b"null".to_vec()),
        Just(b"{} ".to_vec()),
        Just(b" {}".to_vec()),
        Just(b"{\"a\":\n1}".to_vec()),
        Just(b"[1]".to_vec()),
        Just(b"".to_vec()),
        Just(b"{\"a\" : 1e5, \"a\":\"\\u00e9\", \"b\":\"\xc3\xa9\"}".to_vec()),
        Just(b"{\"a\":\"\xff\"}".to_vec()),
        Just([b"{\"a\":".repeat(200), b"1".to_vec(), b"}".repeat(200)].concat()),
        proptest::collection::vec(any::<u8>(), 0..40),
        any::<String>().prop_map(|text| serde_json::json!({ "text": text }).to_string().into_bytes()),
    ]
}

fn optional_text() -> impl Strategy<Value = Option<String>> {
    proptest::option::of(".{1,12}")
}

proptest! {
    /// Whatever a store holds, be it what nothing of ours would have written.
    #[test]
    fn every_event_is_found_again_in_its_line(
        (numbers, type_version, times) in (any::<[u64; 3]>(), any::<u16>(), any::<[i64; 2]>()),
        texts in proptest::array::uniform6(any::<String>()),
        optional in proptest::array::uniform5(optional_text()),
        sealed in proptest::collection::vec(any::<u8>(), 0..150),
        body in bodies(),
    ) {
        let [project, stream, event_id, event_type, actor_type, command_id] = texts;
        let [actor_id, actor_by, impersonator, request_id, cause] = optional;
        let [recorded_at, occurred_at] = times.map(Timestamp::from_millis);
        let event = Recorded {
            position: numbers[0], version: numbers[1], settings_version: numbers[2], type_version, recorded_at, occurred_at,
            project, stream: StreamId::from_stored(stream), event_id, event_type, actor_type, command_id,
            actor_id, actor_by, impersonator, request_id, cause, sealed, body,
        };
        let line = written(&event);
        prop_assert!(!line.contains(['\n', '\r']));
        prop_assert_eq!(read(&line), Ok(event));
    }
}
