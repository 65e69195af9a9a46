//! Mails as files, while no mail server is configured: an `.eml` for a mail program and a `.json` beside it for programs.
//! Their names say whom they go with: nothing that was written to somebody outlives their erasure.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chrysalis_domain::id::PersonId;
use lettre::Message;
use serde::{Deserialize, Serialize};

use super::Letter;

/// A mail, as the outbox shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    pub kind: String,
    pub to: String,
    pub subject: String,
    pub url: Option<String>,
    pub token: Option<String>,
    pub otp: Option<String>,
    /// When it was asked for, in ms.
    pub at: i64,
}

/// How the name of a file begins that is being written.
const UNFINISHED: &str = ".unfinished";

#[derive(Clone, Debug)]
pub struct Outbox {
    folder: PathBuf,
}

impl Outbox {
    /// Makes the folder, for its owner alone.
    pub fn open(data_dir: &Path) -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        let folder = data_dir.join("outbox");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        Ok(Self { folder })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn put(&self, letter: &Letter, subject: &str, message: &Message) -> io::Result<()> {
        let kept = Kept {
            kind: letter.kind.clone(),
            to: letter.to.clone(),
            subject: subject.to_owned(),
            url: letter.url.clone(),
            token: letter.token.clone(),
            otp: letter.code.clone(),
            at: letter.at.as_millis(),
        };
        let name = format!("{}.{}", letter.mail, letter.person);
        self.write(&format!("{name}.eml"), &message.formatted())?;
        self.write(&format!("{name}.json"), &serde_json::to_vec(&kept)?)?;
        tracing::info!(mail = %letter.mail, folder = %self.folder.display(), "no mail server is configured: the mail is kept in the outbox");
        Ok(())
    }

    /// Whole or not at all: a reader never sees half a mail.
    fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(&self.folder)?;
        io::Write::write_all(&mut file, content)?;
        file.persist(self.folder.join(name))?;
        Ok(())
    }

    /// Removes what a process that was killed in the middle of a mail has left of it. Nobody may be writing meanwhile.
    pub fn forget_unfinished(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes()) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// Whose mails there are.
    pub fn persons(&self) -> io::Result<BTreeSet<PersonId>> {
        let names = fs::read_dir(&self.folder)?.filter_map(|entry| person_of(&entry.ok()?.file_name()));
        Ok(names.collect())
    }

    /// Removes what was written to some.
    pub fn forget(&self, gone: &BTreeSet<PersonId>) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if person_of(&entry.file_name()).is_some_and(|person| gone.contains(&person)) {
                match fs::remove_file(entry.path()) {
                    // Another process was faster.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    removed => removed?,
                }
            }
        }
        Ok(())
    }

    /// The mails there are, oldest first; to one address, if one is named.
    pub fn list(&self, to: Option<&str>) -> io::Result<Vec<Kept>> {
        let read = |entry: fs::DirEntry| {
            let path = entry.path();
            let is_json = path.extension().is_some_and(|extension| extension == "json");
            let kept: Kept = serde_json::from_slice(&is_json.then(|| fs::read(&path).ok())??).ok()?;
            Some((kept.at, entry.metadata().ok()?.modified().ok()?, kept))
        };
        let mut mails: Vec<_> = fs::read_dir(&self.folder)?.filter_map(|entry| read(entry.ok()?)).collect();
        mails.sort_by_key(|(at, written, _)| (*at, *written));
        let mails = mails.into_iter().map(|(_, _, kept)| kept);
        Ok(mails.filter(|mail| to.is_none_or(|to| mail.to == to)).collect())
    }
}

/// Whom a file's name says it goes with.
fn person_of(name: &std::ffi::OsStr) -> Option<PersonId> {
    name.to_str()?.split('.').nth(1)?.parse().ok()
}
