//! Mails as files, while no mail server is configured: an `.eml` for a mail program and a `.json` beside it for programs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

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
        self.write(&format!("{}.eml", letter.mail), &message.formatted())?;
        self.write(&format!("{}.json", letter.mail), &serde_json::to_vec(&kept)?)?;
        tracing::info!(mail = %letter.mail, folder = %self.folder.display(), "no mail server is configured: the mail is kept in the outbox");
        Ok(())
    }

    /// Whole or not at all: a reader never sees half a mail.
    fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        io::Write::write_all(&mut file, content)?;
        file.persist(self.folder.join(name))?;
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
