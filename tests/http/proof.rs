//! The log as evidence, over HTTP and on the command line: what is signed, what it proves, and who is told.

use std::io::Write;
use std::time::{Duration, Instant};

use chrysalis::proof::{ConsistencyProof, InclusionProof, Proof, VerifyingKey, note};
use serde_json::{Value, json};

use crate::support::{Answer, App, Client, KEY, Method, Tweak};

const AT_ONCE: Tweak<'_> = ("audit.checkpoint_every", "0");

async fn app() -> App {
    App::with(&[KEY, AT_ONCE, ("dev", "on"), ("rate_limits", "off")]).await
}

async fn get(who: &Client, path: &str) -> Answer {
    who.at(Method::GET, &format!("/api/audit{path}")).await
}

/// A text that is complete in itself.
#[track_caller]
fn text(answer: &Answer) -> &str {
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/plain; charset=utf-8")), "{answer:?}");
    &answer.text
}

/// The newest checkpoint, once it is about all that has happened so far.
async fn signed(app: &App) -> (u64, String) {
    let (head, asked) = (app.head().await, Instant::now());
    loop {
        let answer = get(&app.operator(), "/checkpoint").await;
        if answer.status == 200 {
            let note = text(&answer).to_owned();
            let size = note.lines().nth(1).unwrap().parse().unwrap();
            if size >= head {
                return (size, note);
            }
        } else {
            answer.refused(404, "NOTHING_SIGNED");
        }
        assert!(asked.elapsed() < Duration::from_secs(20), "nothing is signed");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn keys(app: &App) -> Vec<VerifyingKey> {
    let told = get(&app.operator(), "/keys").await.ok();
    let keys: Vec<_> = told["keys"].as_array().unwrap().clone();
    let key = |key: &Value| key["verifier"].as_str().unwrap().parse::<VerifyingKey>().unwrap();
    let keys: Vec<_> = keys.iter().map(key).collect();
    assert!(keys.iter().all(|key| key.name() == told["origin"]));
    assert_eq!(note::open_key_list(told["note"].as_str().unwrap(), &keys[..1]).unwrap(), keys);
    keys
}

fn included(text: &str) -> InclusionProof {
    let Proof::Inclusion(proof) = text.parse().unwrap() else { panic!("{text}") };
    proof
}

fn consistent(text: &str) -> ConsistencyProof {
    let Proof::Consistency(proof) = text.parse().unwrap() else { panic!("{text}") };
    proof
}

#[tokio::test]
async fn what_happened_is_signed_and_proven() {
    let app = app().await;
    let browser = app.browser();
    browser.arrive().await;
    let (older, older_note) = signed(&app).await;
    browser.upgrade("jane@example.com").await;
    let (size, newest) = signed(&app).await;
    assert!(size > older);
    let (keys, operator) = (keys(&app).await, app.operator());
    let checkpoint = note::open(&newest, &keys).unwrap();
    assert_eq!((checkpoint.size, &checkpoint.origin[..]), (size, keys[0].name()));

    // Every event is in it, and in no other place.
    for event in app.events().await.iter().filter(|event| event.position <= size) {
        let proof = included(text(&get(&operator, &format!("/proof/inclusion?position={}", event.position)).await));
        assert_eq!((proof.position, proof.leaf), (event.position, event.leaf()));
        assert_eq!(proof.check(&keys).unwrap(), checkpoint);
    }
    // In an older one, too; and the newer one only adds to it.
    let proof = included(text(&get(&operator, &format!("/proof/inclusion?position=1&size={older}")).await));
    assert_eq!((proof.check(&keys).unwrap().size, &proof.checkpoint), (older, &older_note));
    for to in ["".to_owned(), format!("&to={size}")] {
        let proof = consistent(text(&get(&operator, &format!("/proof/consistency?from={older}{to}")).await));
        assert_eq!(proof.check(&older_note, &keys).unwrap(), checkpoint);
    }
    assert_eq!(text(&get(&operator, &format!("/checkpoint?size={older}")).await), older_note);

    // All that was signed, by the page.
    let (mut after, mut notes) = (0, Vec::new());
    loop {
        let page = get(&operator, &format!("/checkpoints?after={after}&limit=1")).await.ok();
        notes
            .extend(page["checkpoints"].as_array().unwrap().iter().map(|row| row["note"].as_str().unwrap().to_owned()));
        after = page["next"].as_u64().unwrap();
        if page["more"] == json!(false) {
            break;
        }
    }
    assert!(notes.contains(&older_note) && notes.last() == Some(&newest), "{notes:?}");

    // Tiles hold the leaves, as far as they are signed.
    let leaves: Vec<u8> = app.events().await.iter().take(3).flat_map(|event| event.leaf()).collect();
    let bytes = bytes(&app, "/tile/0/000.p/3").await.unwrap();
    assert_eq!(bytes, leaves);
    for no_tile in
        ["/tile/0/000", &format!("/tile/0/000.p/{}", size + 1), "/tile/0/001.p/1", "/tile/9/000", "/tile/0/0"]
    {
        get(&operator, no_tile).await.refused(404, "NOT_FOUND");
    }
}

/// Of an answer that is no text.
async fn bytes(app: &App, path: &str) -> Option<Vec<u8>> {
    let url = format!("http://{}/api/audit{path}", app.address());
    let answer = crate::support::http().no_proxy().build().unwrap().get(url).bearer_auth(KEY.1).send().await.unwrap();
    if answer.headers()["content-type"] != "application/octet-stream" {
        return None;
    }
    Some(answer.bytes().await.unwrap().to_vec())
}

#[tokio::test]
async fn malformed_and_reversed_ranges_are_refused_by_their_field() {
    let app = app().await;
    app.browser().arrive().await;
    let ((size, _), operator) = (signed(&app).await, app.operator());
    // The server signs on meanwhile.
    let beyond = size + 1_000;
    for (path, field) in [
        ("/checkpoint?size=x".to_owned(), "size"),
        ("/checkpoint?size=99999".to_owned(), "size"),
        ("/checkpoint?size=-1".to_owned(), "size"),
        ("/checkpoints?after=1.5".to_owned(), "after"),
        ("/checkpoints?after=99999999999999999999".to_owned(), "after"),
        ("/checkpoints?limit=many".to_owned(), "limit"),
        ("/checkpoints?limit=0".to_owned(), "limit"),
        ("/proof/inclusion".to_owned(), "position"),
        ("/proof/inclusion?position=".to_owned(), "position"),
        ("/proof/inclusion?position=0".to_owned(), "position"),
        ("/proof/inclusion?position=18446744073709551615".to_owned(), "position"),
        (format!("/proof/inclusion?position={beyond}"), "position"),
        (format!("/proof/inclusion?position=1&size={beyond}"), "size"),
        ("/proof/consistency".to_owned(), "from"),
        ("/proof/consistency?from=0".to_owned(), "from"),
        (format!("/proof/consistency?from={beyond}"), "from"),
        (format!("/proof/consistency?from={beyond}&to={size}"), "from"),
        (format!("/proof/consistency?from=1&to={beyond}"), "to"),
        ("/proof/consistency?from=1&to=x".to_owned(), "to"),
        // What is misspelled is not taken for what was left out.
        ("/proof/inclusion?position=1&sise=1".to_owned(), "sise"),
        ("/proof/consistency?from=1&until=1".to_owned(), "until"),
        ("/checkpoint?sizes=1".to_owned(), "sizes"),
        ("/checkpoints?before=1".to_owned(), "before"),
    ] {
        let refused = get(&operator, &path).await.refused(422, "VALIDATION_ERROR");
        assert_eq!(refused["errors"][0]["field"], field, "{path}");
    }
    assert_eq!(get(&operator, "/checkpoints?after=99999").await.ok()["checkpoints"], json!([]));
    // Nor is what is wrong with a question told to whom may not ask it.
    get(&app.program(), "/proof/inclusion?sise=1").await.refused(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn only_auditors_are_told() {
    let app = app().await;
    let guest = app.browser();
    guest.arrive().await;
    signed(&app).await;
    let auditor = app.key(&["audit.read"]).await;
    let other = app.key(&["users.read"]).await;
    let admin = app.admin("ada@example.com").await;
    for path in [
        "/checkpoint",
        "/checkpoints",
        "/proof/inclusion?position=1",
        "/proof/consistency?from=1",
        "/keys",
        "/tile/0/000.p/1",
    ] {
        assert_eq!(get(&auditor, path).await.status, 200, "{path}");
        assert_eq!(get(&admin, path).await.status, 200, "{path}");
        get(&app.program(), path).await.refused(401, "UNAUTHORIZED");
        get(&app.bearer("sk_live_0123456789012345678901234567890123"), path).await.refused(401, "INVALID_API_KEY");
        get(&other, path).await.refused(403, "INSUFFICIENT_PERMISSION");
        get(&guest, path).await.refused(403, "FORBIDDEN");
    }
}

#[tokio::test]
async fn the_command_line_proves_and_checks() {
    let app = app().await;
    let browser = app.browser();
    browser.arrive().await;
    let older = app.command(&["audit", "checkpoint"]);
    browser.upgrade("jane@example.com").await;
    app.head().await;
    let newest = app.command(&["audit", "checkpoint"]);
    let keys = app.command(&["audit", "keys"]);
    let [key] = keys.lines().collect::<Vec<_>>()[..] else { panic!("{keys}") };
    let size = |note: &str| note.lines().nth(1).unwrap().to_owned();
    assert_ne!(size(&older), size(&newest));
    assert!(app.command(&["audit", "keys", "--signed"]).contains(key));
    assert_eq!(app.command(&["audit", "checkpoint", "--size", &size(&older)]), older);

    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
        path.display().to_string()
    };
    let (older_file, newest_file) = (file("older", &older), file("newest", &newest));
    let inclusion = file("event", &app.command(&["audit", "prove", "--position", "1"]));
    let consistency = file("added", &app.command(&["audit", "prove", "--from", &size(&older)]));
    let said = app.command(&["audit", "check-proof", &inclusion, "--key", key]);
    let leaf = app.events().await[0].leaf().map(|byte| format!("{byte:02x}")).concat();
    assert!(said.starts_with(&format!("the event at position 1 is in it, and its leaf is {leaf}\n")), "{said}");
    let said = app.command(&["audit", "check-proof", &consistency, "--key", key, "--checkpoint", &older_file]);
    assert!(said.starts_with(&format!("it adds to the checkpoint of {} events", size(&older))), "{said}");
    let said = app.command(&["audit", "check-proof", &newest_file, "--key", key]);
    assert!(said.contains(&format!("the checkpoint of {} events", size(&newest))), "{said}");
    // A log that changed its key has several: as they are printed, or in a file.
    let several = format!("{key}\n{key}\n");
    for keys in [several.as_str(), &file("keys", &several)] {
        assert_eq!(app.command(&["audit", "check-proof", &newest_file, "--key", keys]), said);
    }
    assert!(app.command(&["verify"]).contains("is the one that was signed"));
    let held = app.command(&["verify", "--checkpoint", &older_file, "--checkpoint", &newest_file]);
    assert!(held.contains("checkpoints that were kept elsewhere: 2 hold\n"), "{held}");

    // Who forgets what it is compared with is told so.
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_chrysalis"));
    let output = command.args(["audit", "check-proof", &consistency, "--key", key]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("give that one with --checkpoint"), "{said}");
}
