//! Requests as bytes, for heads that no client library would send.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::App;

/// What came back: the status, the head in lower case, the body.
#[derive(Clone, Debug)]
pub struct RawAnswer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl RawAnswer {
    /// The code of a JSON error; the body itself where it is none.
    pub fn code(&self) -> String {
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
        body["code"].as_str().map_or_else(|| self.body.clone(), str::to_owned)
    }
}

/// Sends a head and a body. `Host` and `Connection: close` are added to the head.
pub async fn send(app: &App, line: &str, headers: &[&str], body: &[u8]) -> RawAnswer {
    let mut bytes = format!("{line} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", app.address()).into_bytes();
    for header in headers {
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    send_bytes(app, &bytes).await
}

pub async fn send_bytes(app: &App, bytes: &[u8]) -> RawAnswer {
    let mut stream = TcpStream::connect(app.address()).await.unwrap();
    // A server that has heard enough may hang up before everything is said.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    RawAnswer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}
