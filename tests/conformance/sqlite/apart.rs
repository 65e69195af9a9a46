//! Tests in a process of their own: one that is to be killed, or that lives on a disk that is full.
//!
//! The child is this very binary, told to run one ignored test. What it needs to know comes by environment.

use std::path::{Path, PathBuf};
use std::process::Command;

const FOLDER: &str = "CHRYSALIS_TEST_FOLDER";
const SEED: &str = "CHRYSALIS_TEST_SEED";

/// A process that runs an ignored test of this folder. `through` is a command that starts it, where its surroundings
/// have to be made first.
pub fn process(through: &[&str], test: &str, folder: &Path, seed: u64) -> Command {
    let program = std::env::current_exe().unwrap();
    let mut words = through.iter().map(|word| (*word).into()).chain([program.into_os_string()]);
    let mut command = Command::new(words.next().unwrap());
    command.args(words).args(["--ignored", "--exact", "--nocapture", "--test-threads=1"]);
    command.arg(format!("conformance::sqlite::{test}")).env(FOLDER, folder).env(SEED, seed.to_string());
    command
}

/// Runs it to its end; its failure is ours.
pub fn succeed(mut command: Command) {
    let output = command.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{command:?} {}\n{said}", output.status);
}

/// In the child: the folder to work in.
pub fn folder() -> PathBuf {
    told(FOLDER).into()
}

/// In the child: the seed of its chance.
pub fn seed() -> u64 {
    told(SEED).parse().unwrap()
}

#[allow(clippy::disallowed_methods, reason = "how a child is told what to do")]
fn told(name: &str) -> String {
    std::env::var(name).expect("this test is run by another one, in a process of its own")
}
