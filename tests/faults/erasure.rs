//! Whoever was erased is in no file of the machine any more: not in the store's, the mails', or what the process says.

use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::json;

use crate::postgres::Cluster;
use crate::process::{Folder, PASSWORD, Server, assert_sound, case, eventually, run};
use crate::support::{KEY, forms, in_folder};

const EMAIL: &str = "miss.marple@st-mary-mead.example";
const NAME: &str = "Jane Marple of St Mary Mead";
const IMAGE: &str = "https://images.example.com/needles-and-pink-wool.png";
const METADATA: &str = "the-vicarage-next-door";
const APP_METADATA: &str = "knits-for-the-parish";
const ADDRESS: &str = "203.0.113.77";
const AGENT: &str = "Bertram/19.55";
const PLANTED: [&str; 7] = [EMAIL, NAME, IMAGE, METADATA, APP_METADATA, ADDRESS, AGENT];

/// Everything is logged, and users are not searched: where they are it takes half a day, of which another test knows.
const FLAGS: [&str; 10] = [
    "--set",
    "log.filter=trace",
    "--set",
    "trusted_proxies=127.0.0.1/32",
    "--set",
    "search.enabled=off",
    "--set",
    "rate_limits=off",
    "--set",
    "bootstrap_api_key=sk_test_0123456789abcdefghijklmnopqrstuv",
];

/// Somebody lives a life, and leaves by one of the ways there are. Answers who it was.
async fn a_life(server: &Server, leaves: Leaves) -> String {
    let browser = server.browser();
    let said = [("x-forwarded-for", ADDRESS), ("user-agent", AGENT)];
    let post = async |path: &str, body: serde_json::Value| {
        browser.try_call(Method::POST, &format!("/api/auth{path}"), Some(body), &said).await.unwrap().ok()
    };
    let user = post("/sign-in/anonymous", json!({})).await.user();
    let metadata = json!({ "where": METADATA });
    post("/anonymous/upgrade", json!({ "email": EMAIL, "password": PASSWORD, "name": NAME, "image": IMAGE })).await;
    post("/update-user", json!({ "metadata": metadata })).await;
    post("/email-otp/send-verification-otp", json!({ "email": EMAIL, "type": "sign-in" })).await;
    post("/request-password-reset", json!({ "email": EMAIL })).await;
    let operator = server.app().bearing(KEY.1);
    let app_metadata = json!({ "userId": user, "appMetadata": { "note": APP_METADATA } });
    operator.post("/admin/update-user", app_metadata).await.ok();
    match leaves {
        Leaves::ByThemselves => drop(post("/delete-user", json!({ "password": PASSWORD })).await),
        Leaves::ByAdministrator => drop(operator.post("/admin/users/erase", json!({ "userId": user })).await.ok()),
        Leaves::Stays => {}
    }
    user
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaves {
    ByThemselves,
    ByAdministrator,
    Stays,
}

fn left(places: &[PathBuf]) -> Vec<(&'static str, PathBuf)> {
    let stands = |text: &str, place: &Path| forms::of(text).iter().any(|form| in_folder(place, form));
    let all = PLANTED.iter().flat_map(|text| places.iter().map(move |place| (*text, place.clone())));
    all.filter(|(text, place)| stands(text, place)).collect()
}

fn no_line_tells(lines: &[String]) {
    let all = lines.join("\n");
    for text in PLANTED {
        for form in forms::of(text) {
            assert!(memchr::memmem::find(all.as_bytes(), &form).is_none(), "a line tells {text}");
        }
    }
}

#[test]
fn nothing_of_whoever_was_erased_is_left_in_a_file() {
    for leaves in [Leaves::ByThemselves, Leaves::ByAdministrator] {
        case(async move {
            let folder = Folder::embedded();
            let server = Server::start_with(folder.path(), &FLAGS);
            let data = vec![folder.path().to_owned()];
            a_life(&server, leaves).await;
            eventually("nothing is left, while the server runs", async || left(&data).is_empty()).await;
            server.terminate();
            let (status, lines) = server.wait();
            assert!(status.success());
            assert_eq!(left(&data), []);
            no_line_tells(&lines);
            assert_sound(folder.path());
        });
    }
}

#[test]
fn on_the_command_line_it_is_gone_at_once() {
    case(async {
        let folder = Folder::embedded();
        let server = Server::start_with(folder.path(), &FLAGS);
        let user = a_life(&server, Leaves::Stays).await;
        let outbox = folder.path().join("data/outbox");
        let mailed = async || std::fs::read_dir(&outbox).is_ok_and(|mails| mails.count() >= 6);
        eventually("mails are kept", mailed).await;
        server.stop();
        assert!(in_folder(folder.path(), EMAIL.as_bytes()), "looked for in the wrong place");
        let erased = run(folder.path(), &["users", "erase", &user]);
        assert!(erased.status.success(), "{}", String::from_utf8_lossy(&erased.stderr));
        assert_eq!(left(&[folder.path().to_owned()]), []);
        let again = run(folder.path(), &["users", "erase", &user]);
        assert_eq!(String::from_utf8_lossy(&again.stdout), String::from_utf8_lossy(&erased.stdout));
        let nobody = run(folder.path(), &["users", "erase", "usr_01M84QNVS457CMSJXYA73AV541"]);
        assert!(!nobody.status.success());
        assert_sound(folder.path());
    });
}

/// Tables, indexes, the write-ahead log, the visibility of yesterday: all of it.
#[test]
fn nor_in_the_files_of_postgresql() {
    case(async {
        let cluster = Cluster::start();
        let folder = Folder::on(&cluster.url());
        let server = Server::start_with(folder.path(), &FLAGS);
        a_life(&server, Leaves::ByAdministrator).await;
        let outbox = vec![folder.path().to_owned()];
        eventually("no mail is left", async || left(&outbox).is_empty()).await;
        server.terminate();
        let (status, lines) = server.wait();
        assert!(status.success());
        no_line_tells(&lines);
        crate::postgres::execute(&cluster.url(), "VACUUM");
        crate::postgres::execute(&cluster.url(), "CHECKPOINT");
        assert_eq!(left(&[cluster.data(), folder.path().to_owned()]), []);
        assert_sound(folder.path());
    });
}
