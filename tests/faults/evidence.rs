//! What `verify` says of a store that somebody altered.

use crate::process::{Folder, Server, case, run};

fn said(folder: &Folder, arguments: &[&str]) -> (i32, String) {
    let output = run(folder.path(), arguments);
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), text)
}

#[test]
fn verify_says_which_row_differs_from_what_and_ends_with_3() {
    case(async {
        let folder = Folder::new();
        let server = Server::start(folder.path());
        let browser = server.browser();
        let user = browser.arrive().await.ok().user();
        browser.upgrade("jane@example.com").await.ok();
        server.stop();
        // What follows the log may not have seen its end.
        assert_eq!(said(&folder, &["audit", "export"]).0, 0);
        let (code, clean) = said(&folder, &["verify"]);
        assert_eq!(code, 0, "{clean}");
        assert!(clean.contains(" 0 differences"), "{clean}");

        folder.alter(&format!("UPDATE users SET standing = 'guest' WHERE user_id = '{user}'"));
        folder.alter("DELETE FROM audit WHERE action = 'user.upgraded'");
        let (code, found) = said(&folder, &["verify"]);
        assert_eq!(code, 3, "{found}");
        assert!(found.contains(&format!("users {user}: standing is guest, and should be member")), "{found}");
        let missing = found.lines().find(|line| line.starts_with("audit ")).unwrap_or_else(|| panic!("{found}"));
        assert!(
            missing.contains("the whole row is absent, and should be ") && missing.contains("action=user.upgraded"),
            "{found}"
        );
        assert!(found.contains(" 2 differences"), "{found}");
        assert!(said(&folder, &["projections", "rebuild"]).0 == 0);
        assert_eq!(said(&folder, &["verify"]).0, 0);

        // What it could not look at is another matter.
        assert_eq!(said(&folder, &["--store", "sqlite:nowhere.db", "verify"]).0, 1);
        // What does not read is a mistake of whoever asked.
        for wrong in [["replay", "--at", "yesterday"], ["replay", "--at", "2027-02-30"], ["replay", "--user", "jane"]] {
            assert_eq!(said(&folder, &wrong).0, 2, "{wrong:?}");
        }
        let (code, nobody) = said(&folder, &["replay", "--user", "usr_01JD8M4Z5T0000000000000001"]);
        assert_eq!(code, 1);
        assert!(nobody.contains("there is no such user, and never was"), "{nobody}");
    });
}
