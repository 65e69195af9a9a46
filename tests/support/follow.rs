//! Server-sent events, read as a browser reads them (WHATWG HTML, 9.2.6).

use std::time::Duration;

use serde_json::Value;

/// What does not come within this does not come.
const OVERDUE: Duration = Duration::from_secs(20);

/// A block, up to its empty line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
    pub id: Option<u64>,
    pub data: Option<Value>,
    pub comment: Option<String>,
}

/// An answer that goes on.
pub struct Following {
    response: reqwest::Response,
    read: String,
}

impl Following {
    pub(super) fn of(response: reqwest::Response) -> Self {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        Self { response, read: String::new() }
    }

    /// The next block; none when the answer has ended.
    pub async fn block(&mut self) -> Option<Block> {
        loop {
            if let Some((block, rest)) = self.read.split_once("\n\n") {
                let (block, rest) = (parse(block), rest.to_owned());
                self.read = rest;
                return Some(block);
            }
            let chunk = tokio::time::timeout(OVERDUE, self.response.chunk()).await.expect("nothing comes").unwrap();
            match chunk {
                Some(bytes) => self.read += std::str::from_utf8(&bytes).unwrap(),
                None => {
                    assert_eq!(self.read, "", "it broke off in the middle");
                    return None;
                }
            }
        }
    }

    /// The next event, past what says that the server is still there.
    pub async fn event(&mut self) -> Option<(u64, Value)> {
        loop {
            let Block { id, data, .. } = self.block().await?;
            if let Some(data) = data {
                return Some((id.expect("an event has an id"), data));
            }
        }
    }

    pub async fn events(&mut self, count: usize) -> Vec<(u64, Value)> {
        let mut events = Vec::new();
        while events.len() < count {
            events.push(self.event().await.expect("it ended"));
        }
        events
    }

    /// Until it ends; answers what still came.
    pub async fn rest(mut self) -> Vec<(u64, Value)> {
        let mut events = Vec::new();
        while let Some(event) = self.event().await {
            events.push(event);
        }
        events
    }
}

fn parse(text: &str) -> Block {
    let mut block = Block::default();
    for line in text.lines() {
        match line.split_once(": ") {
            Some(("", comment)) => block.comment = Some(comment.to_owned()),
            Some(("id", id)) => block.id = Some(id.parse().unwrap()),
            Some(("data", data)) => block.data = Some(serde_json::from_str(data).unwrap()),
            _ => panic!("no field: {line}"),
        }
    }
    block
}
