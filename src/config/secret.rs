//! The root secret: given, or made on the first start and kept in a file that nobody else can read.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::reader::Reader;
use crate::entropy::{self, Entropy};

/// Characters a secret needs: 32 random letters hold more than 128 bits.
pub const MIN_LENGTH: usize = 32;
const FILE: &str = "secret";

#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("{path} can be read by others; run `chmod 600 {path}`")]
    Exposed { path: String },
    #[error(
        "{path} holds fewer than {MIN_LENGTH} characters; make a longer secret, for example with `openssl rand -base64 32`"
    )]
    Short { path: String },
    #[error(
        "{path} is missing, and what is in the store opens under no other secret; put it back from its backup, or start with the \
         CHRYSALIS_SECRET that the store was made with"
    )]
    Missing { path: String },
    #[error("{path}: {source}")]
    Io { path: String, source: io::Error },
}

/// Where the secret is to be had.
#[derive(Clone, Debug)]
pub enum SecretSource {
    Given(SecretString),
    File(PathBuf),
    /// Made on the first start, kept in the data folder.
    Own,
}

impl SecretSource {
    /// The root secret itself. Makes it where it is missing, for a store that is new: in the place of one that was lost, another
    /// would open nothing, and be taken for it.
    pub fn resolve(&self, data_dir: &Path, is_new: bool, entropy: &dyn Entropy) -> Result<SecretString, SecretError> {
        match self {
            SecretSource::Given(secret) => Ok(secret.expose_secret().to_owned().into()),
            SecretSource::File(path) => read(path),
            SecretSource::Own if is_new => of_folder(data_dir, entropy),
            SecretSource::Own => {
                let path = data_dir.join(FILE);
                if path.exists() { read(&path) } else { Err(SecretError::Missing { path: path.display().to_string() }) }
            }
        }
    }
}

pub(super) fn source(r: &mut Reader) -> SecretSource {
    let (given, file) = (r.text("secret").map(str::to_owned), r.text("secret_file").map(PathBuf::from));
    match (given, file) {
        (Some(_), Some(_)) => {
            r.mistake("secret", "secret and secret_file are both given", "give one of them");
            SecretSource::Own
        }
        (Some(secret), None) => {
            if secret.len() < MIN_LENGTH {
                r.mistake("secret", "is too short", format!("give at least {} random characters", MIN_LENGTH));
            }
            SecretSource::Given(secret.into())
        }
        (None, Some(file)) => SecretSource::File(file),
        (None, None) => SecretSource::Own,
    }
}

/// Makes the data folder, for its owner alone.
pub fn make_folder(path: &Path) -> Result<(), SecretError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| SecretError::Io { path: path.display().to_string(), source })
}

/// Reads a secret from a file.
pub fn read(path: &Path) -> Result<SecretString, SecretError> {
    let shown = || path.display().to_string();
    let io = |source| SecretError::Io { path: shown(), source };
    let mode = fs::metadata(path).map_err(io)?.permissions().mode();
    // Group may read: container platforms mount secrets so. Others may not.
    if mode & 0o007 != 0 {
        return Err(SecretError::Exposed { path: shown() });
    }
    let text = fs::read_to_string(path).map_err(io)?.trim().to_owned();
    if text.len() < MIN_LENGTH { Err(SecretError::Short { path: shown() }) } else { Ok(text.into()) }
}

/// The secret of a data folder, made if there is none. Of two processes that start at once, one makes it and both read
/// it.
pub fn of_folder(folder: &Path, entropy: &dyn Entropy) -> Result<SecretString, SecretError> {
    let path = folder.join(FILE);
    if !path.exists() {
        let io = |source| SecretError::Io { path: path.display().to_string(), source };
        // A temporary file has mode 0600 from its birth.
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(io)?;
        let secret: String = entropy::bytes::<32>(entropy).iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(file, "{secret}").map_err(io)?;
        file.as_file().sync_all().map_err(io)?;
        match file.persist_noclobber(&path) {
            Ok(_) => {}
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io(error.error)),
        }
    }
    read(&path)
}
