//! Certificates and keys that the client of EventStoreDB reads: whether it can. It panics, in a task of its own, where it can't.

use std::error::Error as _;
use std::fmt;

use eventstore::ClientSettings;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::LogFault;

/// A file that an option of the connection string names, and why it is of no use.
pub(super) struct Wrong<'p> {
    pub(super) option: &'static str,
    pub(super) path: &'p str,
    pub(super) told: String,
}

/// Everything that is wrong with the authorities that are trusted, and with the certificate that is shown and its key.
pub(super) fn wrong<'p>(authorities: Option<&'p str>, shown: Option<(&'p str, &'p str)>) -> Vec<Wrong<'p>> {
    let trusted = authorities.and_then(|path| wrong_with("tlsCaFile", path, trusted(path)));
    let shown = shown.map(|(certificate, key)| {
        let chain = chain(certificate);
        let secret = PrivateKeyDer::from_pem_file(key).map_err(told);
        match (chain, secret) {
            (Ok(chain), Ok(secret)) => {
                let pair = CertifiedKey::from_der(chain, secret, &aws_lc_rs::default_provider());
                vec![wrong_with("userKeyFile", key, pair.map_err(told))]
            }
            (chain, secret) => {
                vec![wrong_with("userCertFile", certificate, chain), wrong_with("userKeyFile", key, secret)]
            }
        }
    });
    trusted.into_iter().chain(shown.into_iter().flatten().flatten()).collect()
}

fn wrong_with<'p, T>(option: &'static str, path: &'p str, read: Result<T, String>) -> Option<Wrong<'p>> {
    read.err().map(|told| Wrong { option, path, told })
}

fn trusted(path: &str) -> Result<(), String> {
    let mut roots = rustls::RootCertStore::empty();
    chain(path)?.into_iter().try_for_each(|certificate| roots.add(certificate).map_err(told))
}

fn chain(path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(path).map_err(told)?.collect::<Result<_, _>>().map_err(told)?;
    if chain.is_empty() { Err("it holds no certificate".to_owned()) } else { Ok(chain) }
}

fn told(error: impl fmt::Display) -> String {
    error.to_string()
}

/// Whether the client can read what it reads; it reads that also where it speaks no TLS.
pub(super) fn sound(settings: &ClientSettings) -> Result<(), LogFault> {
    let authorities = settings.tls_ca_file().map(String::as_str);
    let shown = settings.user_certificate().map(|(certificate, key)| (certificate.as_str(), key.as_str()));
    if let Some(Wrong { option, path, told }) = wrong(authorities, shown).first() {
        return Err(LogFault::Unavailable(format!("{option} {path}: {told}")));
    }
    if authorities.is_none() { native() } else { Ok(()) }
}

/// The machine's own list of authorities.
fn native() -> Result<(), LogFault> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = rustls::RootCertStore::empty();
    let told = match found.errors.first() {
        Some(error) => Some(error.source().map_or_else(|| error.to_string(), ToString::to_string)),
        None => {
            found.certs.into_iter().find_map(|certificate| roots.add(certificate).err()).map(|error| error.to_string())
        }
    };
    told.map_or(Ok(()), |told| {
        Err(LogFault::Unavailable(format!(
            "the machine's list of certificate authorities does not read: {told}; name a file with tlsCaFile"
        )))
    })
}
