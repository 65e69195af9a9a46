//! The official client from npm, unmodified and pinned, against the running binary.
//!
//! Each test here is a file of JavaScript, run by Node's own test runner against a server of its own. What is installed
//! is what `package-lock.json` says.

pub mod provider;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::process::{Folder, Server, free_port};
use crate::support::KEY;
use provider::OidcProvider;

/// Where the React page stands: not where the server is.
const APP: &str = "http://localhost:5173";

#[test]
fn the_vanilla_client_lives_a_guests_life() {
    node("vanilla.test.js");
}

#[test]
fn a_client_without_the_plugin_becomes_a_member_too() {
    node("without_plugin.test.js");
}

#[test]
fn links_codes_and_resets_by_mail() {
    node("mail.test.js");
}

#[test]
fn a_guest_that_costs_work() {
    drive("challenge.test.js", APP, &["challenge.kind=work".to_owned(), "challenge.effort=20".to_owned()]);
}

#[test]
fn organizations_are_made_filled_and_left() {
    node("organization.test.js");
}

#[test]
fn administrators_do_what_they_do_and_a_clean_up_by_mistake_does_nothing() {
    node("admin.test.js");
}

#[test]
fn a_react_page_follows_its_user() {
    node("react.test.js");
}

#[test]
fn social_sign_in_and_linking() {
    let provider = OidcProvider::start(true);
    let config: Vec<String> = provider.config().iter().map(|(key, value)| format!("{key}={value}")).collect();
    drive("social.test.js", APP, &config);
}

/// Cookies, pages and redirects as a real browser has them; the app on another origin than the server.
#[test]
fn a_real_browser_becomes_a_member_by_a_provider_and_by_a_link() {
    install();
    let provider = OidcProvider::start(false);
    // Of this machine any port is the app's; another than the server's is another origin on the same site.
    let app = format!("http://localhost:{}", free_port());
    let config: Vec<String> = provider.config().iter().map(|(key, value)| format!("{key}={value}")).collect();
    drive("chromium.test.js", &app, &config);
}

#[allow(clippy::disallowed_methods, reason = "where the machine keeps its programs")]
fn chromium() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let mut all = std::env::split_paths(&folders).flat_map(|folder| names.map(|name| folder.join(name)));
    all.find(|program| program.exists())
}

fn node(file: &str) {
    drive(file, APP, &[]);
}

fn drive(file: &str, app: &str, config: &[String]) {
    install();
    let folder = Folder::new();
    let (origins, key) = (format!("trusted_origins={app}"), format!("bootstrap_api_key={}", KEY.1));
    let mut flags = vec!["--set", "rate_limits=off", "--set", "dev=on", "--set", &origins, "--set", &key];
    flags.extend(config.iter().flat_map(|line| ["--set", line.as_str()]));
    let server = Server::start_with(folder.path(), &flags);
    let mut command = Command::new("node");
    command.current_dir(home()).args(["--test", file]).env("CHRYSALIS_URL", server.url()).env("CHRYSALIS_APP_URL", app);
    command.env("CHRYSALIS_KEY", KEY.1);
    if let Some(chromium) = chromium() {
        command.env("CHROMIUM", chromium);
    }
    run(command);
}

pub fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// Installs once for each lock file.
pub fn install() {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let lock = std::fs::read(home().join("package-lock.json")).unwrap();
        let installed = home().join("node_modules/.installed-from");
        if std::fs::read(&installed).is_ok_and(|from| from == lock) {
            return;
        }
        let mut command = Command::new("npm");
        command.current_dir(home()).arg("ci");
        run(command);
        std::fs::write(installed, lock).unwrap();
    });
}

fn run(mut command: Command) {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{program} does not run: {error}; ./test installs what is missing"));
    assert!(
        output.status.success(),
        "{program} ended with {}:\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
