//! Where a server keeps what it has: a folder that goes with the test, or a small disk of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A new folder. The server's data are in `data` below it, as [`super::chrysalis`] tells it.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::Builder::new().prefix("chrysalis-test-").tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn database(&self) -> PathBuf {
        self.path().join("data/chrysalis.db")
    }
}

/// A small disk in memory; unmounted when dropped.
pub struct Tmpfs(Folder);

impl Tmpfs {
    /// `None`, with a word why, where nothing may be mounted.
    pub fn mount(size: &str) -> Option<Self> {
        let folder = Folder::new();
        let options = format!("size={size},mode=0700");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "chrysalis-test"]).arg(folder.path()).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(folder)),
            Ok(output) => {
                super::skipped(&format!("needs a disk of its own: {}", String::from_utf8_lossy(&output.stderr).trim()));
                None
            }
            Err(error) => {
                super::skipped(&format!("needs a disk of its own: mount does not run: {error}"));
                None
            }
        }
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes every byte that is left.
    pub fn fill(&self) {
        use std::io::Write;
        let mut filler = std::fs::File::create(self.filler()).unwrap();
        while filler.write_all(&[0x5a; 4096]).is_ok() {}
    }

    /// Gives them back.
    pub fn free(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }

    /// `ro` or `rw`, for everybody.
    pub fn remount(&self, access: &str) {
        let options = format!("remount,{access}");
        let done = Command::new("mount").args(["-o", &options]).arg(self.path()).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Lazily: a process that is still about to end must not keep it.
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).output();
    }
}
