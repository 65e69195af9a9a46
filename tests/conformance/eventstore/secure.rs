//! The way to EventStoreDB is protected, and both ends have to show who they are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use chrysalis::config::{Config, ConfigErrors, Overrides};
use chrysalis::log::{Expected, LogFault, Store as WholeStore};
use eventstore_double::{Double, Options, Tls};

use super::impatient;
use crate::conformance::run;
use crate::conformance::store::EventStore;
use crate::conformance::world::{bare, clock};

/// A certificate of this machine's address, which is its own authority, and its key.
fn certified(folder: &Path) -> (PathBuf, PathBuf) {
    let mut make = Command::new("openssl");
    make.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]);
    make.args(["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]);
    make.args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout", "key.pem", "-out", "cert.pem"]);
    let made = make.current_dir(folder).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (folder.join("cert.pem"), folder.join("key.pem"))
}

/// A log there, and what goes with it.
async fn open(url: &str) -> Result<(Arc<dyn WholeStore>, EventStore), LogFault> {
    let store = EventStore::at(url);
    Ok((store.try_open(&impatient(&store), &clock()).await?, store))
}

async fn unavailable(url: &str) -> String {
    match open(url).await.map(|_| ()) {
        Err(LogFault::Unavailable(said)) => said,
        other => panic!("{other:?}"),
    }
}

async fn stores(url: &str) {
    let (log, _store) = open(url).await.unwrap();
    log.append(bare("s", Expected::NoStream, 1)).await.unwrap();
}

#[test]
fn tls_is_spoken_with_the_server_that_is_meant_and_no_other() {
    run(async {
        let (folder, others) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let ((certificate, key), (other, _)) = (certified(folder.path()), certified(others.path()));
        let tls = Some(Tls { certificate: certificate.clone(), key, of_clients: false });
        let double = Double::with(&Options { tls, ..Options::default() }).unwrap();
        let url = double.url();
        stores(&format!("{url}&tlsCaFile={}", certificate.display())).await;
        // By an authority that nobody named, by another one, and in clear.
        unavailable(&url).await;
        unavailable(&format!("{url}&tlsCaFile={}", other.display())).await;
        unavailable(&url.replace("tls=true", "tls=false")).await;
        assert_eq!(double.events().len(), 1);
        // What is misspelled is told by its name, and ends nothing.
        let said = unavailable(&format!("{url}&tlsCaFile=/nowhere/ca.pem")).await;
        assert!(said.contains("tlsCaFile /nowhere/ca.pem"), "{said}");
        stores(&format!("{url}&tlsVerifyCert=false")).await;
    });
}

#[test]
fn a_client_shows_its_certificate_where_it_is_asked_for() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = certified(folder.path());
        let tls = Some(Tls { certificate: certificate.clone(), key: key.clone(), of_clients: true });
        let double = Double::with(&Options { tls, ..Options::default() }).unwrap();
        let url = format!("{}&tlsCaFile={}", double.url(), certificate.display());
        stores(&format!("{url}&userCertFile={}&userKeyFile={}", certificate.display(), key.display())).await;
        unavailable(&url).await;
        let said =
            unavailable(&format!("{url}&userCertFile={}&userKeyFile=/nowhere/key.pem", certificate.display())).await;
        assert!(said.contains("userKeyFile /nowhere/key.pem"), "{said}");
        // One that is another certificate's ends nothing either.
        let others = tempfile::tempdir().unwrap();
        let (_, other) = certified(others.path());
        let said =
            unavailable(&format!("{url}&userCertFile={}&userKeyFile={}", certificate.display(), other.display())).await;
        assert!(said.contains("userKeyFile") && said.contains(&other.display().to_string()), "{said}");
    });
}

#[test]
fn certificates_that_serve_are_checked_before_anything_is_connected_to() {
    let (folder, others) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ((certificate, key), (_, other)) = (certified(folder.path()), certified(others.path()));
    let given = |key: &Path| {
        let at = certificate.display();
        let store = format!("esdb://one?tlsCaFile={at}&userCertFile={at}&userKeyFile={}", key.display());
        let values = [("store", store.as_str()), ("read_store", "sqlite:read.db")];
        let values = values.map(|(key, value)| (key.to_owned(), value.to_owned()));
        Config::from(&Overrides { values: values.into(), ..Overrides::default() }, &BTreeMap::new())
    };
    given(&key).unwrap();
    let ConfigErrors(mistakes) = given(&other).unwrap_err();
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    assert!(mistakes[0].key == "store" && mistakes[0].problem.contains("userKeyFile"), "{mistakes:?}");
}

#[test]
fn credentials_are_shown_and_never_told() {
    run(async {
        let login = Some(("chrysalis".to_owned(), "a-secret".to_owned()));
        let double = Double::with(&Options { login, ..Options::default() }).unwrap();
        stores(&double.url()).await;
        for wrong in ["chrysalis:another-secret@", ""] {
            let said = unavailable(&double.url().replace("chrysalis:a-secret@", wrong)).await;
            assert!(said.contains("credentials") && !said.contains("secret"), "{said}");
        }
    });
}
