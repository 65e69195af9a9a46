//! The certified OIDC provider of npm's, as a process.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

pub struct OidcProvider {
    pub issuer: String,
    /// With which the client `apple` shows who it is.
    apple: NamedTempFile,
    process: Child,
    _input: ChildStdin,
}

impl OidcProvider {
    /// `in_id_tokens`: id tokens say names and addresses; otherwise only userinfo does.
    pub fn start(in_id_tokens: bool) -> Self {
        super::install();
        let (apple, public) = apple_key();
        let mut process = Command::new("node")
            .current_dir(super::home())
            .arg("oidc_provider.js")
            .env("CLAIMS", if in_id_tokens { "id_token" } else { "userinfo" })
            .env("APPLE_KEY", public.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node runs; ./test installs it");
        let (output, input) = (process.stdout.take().unwrap(), process.stdin.take().unwrap());
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        let said = lines.find(|line| line.starts_with('{')).unwrap();
        // It has more to say, and nobody who wants to know; unread, it would be stopped by that.
        std::thread::spawn(move || lines.for_each(drop));
        let said: Value = serde_json::from_str(&said).unwrap();
        Self { issuer: format!("http://127.0.0.1:{}", said["port"]), apple, process, _input: input }
    }

    /// The configuration of a server that comes to it as google, apple, and by a name of its own.
    pub fn config(&self) -> Vec<(String, String)> {
        let mut config = vec![
            ("outgoing.allow".to_owned(), "127.0.0.0/8".to_owned()),
            ("social.apple.team_id".to_owned(), "TEAM".to_owned()),
            ("social.apple.key_id".to_owned(), "KEY".to_owned()),
            ("social.apple.private_key_file".to_owned(), self.apple.path().to_str().unwrap().to_owned()),
        ];
        for id in ["google", "apple", "mine"] {
            config.push((format!("social.{id}.client_id"), id.to_owned()));
            config.push((format!("social.{id}.issuer"), self.issuer.clone()));
            if id != "apple" {
                config.push((format!("social.{id}.client_secret"), format!("secret of {id}")));
            }
        }
        config
    }
}

/// A key as Apple gives it, and its public half.
fn apple_key() -> (NamedTempFile, Value) {
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
    let mut file = NamedTempFile::new().unwrap();
    let body = STANDARD.encode(document.as_ref());
    write!(file, "-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n").unwrap();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &SystemRandom::new());
    let key = key.unwrap();
    let point = key.public_key().as_ref();
    let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..65]));
    (file, json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y }))
}

impl Drop for OidcProvider {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
