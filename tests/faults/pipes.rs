//! Whoever reads what a command prints may have seen enough and go, as `head` does: the command ends as it would have, and says
//! nothing of it.

use std::path::Path;
use std::process::Stdio;

use super::lives::jane;
use crate::process::{Folder, Server, case, chrysalis, run};

/// Runs a command whose reader has gone already; answers how it ended and what it said of it.
fn unread(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = chrysalis(folder).args(arguments).stdout(writer).stderr(Stdio::piped()).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The same where nobody reads what it says of itself, either.
fn unheard(folder: &Path, arguments: &[&str]) -> Option<i32> {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = chrysalis(folder).args(arguments).stdout(writer.try_clone().unwrap()).stderr(writer).status().unwrap();
    status.code()
}

#[test]
fn whoever_reads_may_go_before_the_end() {
    case(async {
        let folder = Folder::new();
        let server = Server::start(folder.path());
        let user = jane(&server).await;
        server.stop();
        let commands: &[&[&str]] = &[
            &["verify"],
            &["config", "check"],
            &["config", "keys"],
            &["replay"],
            &["replay", "--users"],
            &["replay", "--user", &user],
            &["log", "head"],
            &["log", "show"],
            &["log", "show", "--readable"],
            &["log", "tail", "--from", "1"],
            &["log", "export"],
            &["log", "export", "--compress"],
            &["audit", "export"],
            &["audit", "keys"],
            &["audit", "checkpoint"],
            &["audit", "prove", "--position", "1"],
            &["audit", "rebuild"],
            &["keys", "list"],
            &["keys", "rotate", "cookie"],
            &["api-key", "create", "--name", "x"],
            &["api-key", "list"],
            &["users", "export", &user],
            &["guests", "list"],
            &["guests", "dry-run", "--max-age", "14d"],
            &["guests", "origins"],
            &["webhooks", "list"],
            &["sessions", "end-all"],
            &["analytics", "export", "--out", "counts"],
            &["analytics", "report", "--out", "report.html"],
            &["projections", "rebuild"],
        ];
        for command in commands {
            let (code, said) = unread(folder.path(), command);
            assert_eq!(code, Some(0), "{command:?}: {said}");
            assert!(!said.contains("panic"), "{command:?}: {said}");
            assert_eq!(unheard(folder.path(), command), Some(0), "{command:?}");
        }
        // What was to be done is done, whoever reads.
        let keys = run(folder.path(), &["api-key", "list"]);
        assert_eq!(String::from_utf8(keys.stdout).unwrap().lines().count(), 2);
        // And what was found is not lost with whoever would have read it.
        folder.alter("UPDATE users SET standing = 'guest'");
        for command in [&["verify"][..], &["--set", "log.filter=debug", "verify"]] {
            let (code, said) = unread(folder.path(), command);
            assert_eq!(code, Some(3), "{said}");
            assert_eq!(unheard(folder.path(), command), Some(3));
        }
        assert_eq!(unread(folder.path(), &["log", "export", "--from", "5", "--to", "3"]).0, Some(2));
    });
}
