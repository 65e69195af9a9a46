//! What a node says and hears under TLS.

use std::io::{Error, Result};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::io::{DuplexStream, copy_bidirectional, duplex};
use tokio::sync::mpsc::Sender;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// Bytes on their way between what is under TLS and what is in clear.
const BUFFER: usize = 256 * 1024;

/// The files that it shows who it is by.
#[derive(Clone, Debug)]
pub struct Tls {
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Whoever comes has to show a certificate of the same authority.
    pub of_clients: bool,
}

pub(crate) fn acceptor(tls: &Tls) -> Result<TlsAcceptor> {
    let certificates = CertificateDer::pem_file_iter(&tls.certificate).map_err(Error::other)?;
    let certificates = certificates.collect::<std::result::Result<Vec<_>, _>>().map_err(Error::other)?;
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(Error::other)?;
    let provider = Arc::new(ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider.clone());
    let config = config.with_safe_default_protocol_versions().map_err(Error::other)?;
    let config = if tls.of_clients {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates.iter().cloned());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
        config.with_client_cert_verifier(verifier.map_err(Error::other)?)
    } else {
        config.with_no_client_auth()
    };
    let mut config = config.with_single_cert(certificates, key).map_err(Error::other)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Hands on what a client says, once it knows whom it talks to, for as long as it does.
pub(crate) async fn open(acceptor: TlsAcceptor, sealed: DuplexStream, connections: Sender<Result<DuplexStream>>) {
    let Ok(mut client) = acceptor.accept(sealed).await else { return };
    let (mut near, far) = duplex(BUFFER);
    if connections.send(Ok(far)).await.is_ok() {
        let _ = copy_bidirectional(&mut client, &mut near).await;
    }
}
