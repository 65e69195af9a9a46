//! The network between a node and PostgreSQL is cut: nothing is lost but time, and of that little.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::faults::lives::Crowd;
use crate::faults::{answers_again, rounds};
use crate::postgres::Cluster;
use crate::process::{Answer, Folder, Server, assert_sound, case, eventually, unready};

/// In flight when the cut comes, an answer takes as long as the node needs to notice; then none takes long.
const UNTIL_NOTICED: Duration = Duration::from_secs(8);
const AT_ONCE: Duration = Duration::from_secs(1);

#[test]
fn a_cut_is_answered_503_at_once_and_heals_by_itself() {
    case(async {
        let cluster = Cluster::start();
        let cable = Cable::to(cluster.address()).await;
        let folder = Folder::on(&format!("postgres://chrysalis@{}/chrysalis", cable.address));
        let server = Server::start(folder.path());
        let guest = server.app();
        let arrived = guest.arrive().await.ok();
        let guest = guest.bearing(&arrived.token());
        let crowd = Crowd::patient(&[&server], 16);

        cable.cut(true);
        let (cut, asked) = (Instant::now(), Instant::now());
        let newcomer = server.app();
        let (arriving, looking) = tokio::join!(newcomer.arrive(), guest.session());
        assert!(asked.elapsed() < UNTIL_NOTICED, "{:?}", asked.elapsed());
        refused(&arriving);
        refused(&looking);
        let long = Duration::from_secs(rounds(4, 30) as u64);
        while cut.elapsed() < long {
            let asked = Instant::now();
            refused(&server.app().arrive().await);
            refused(&guest.session().await);
            refused(&guest.upgrade("someone@example.com").await);
            refused(&unready(&server).await);
            assert!(asked.elapsed() < AT_ONCE * 4, "{:?}", asked.elapsed());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // It lives, though it can't do anything.
        assert_eq!(server.app().get("/healthz").await.status, StatusCode::OK);

        cable.cut(false);
        answers_again(&server).await;
        eventually("the guest is known again", || async { guest.session().await.status == StatusCode::OK }).await;
        assert_eq!(guest.session().await.ok().user(), arrived.user());
        let lives = crowd.disperse().await;
        assert!(!lives.is_empty());
        for life in &lives {
            life.assert_remembered(&server).await;
        }
        server.app().post("/sign-in/anonymous", json!({})).await.ok();
        server.stop();
        assert_sound(folder.path());
    });
}

fn refused(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
    assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
}

/// What lies between: while it is cut, nothing comes through and nobody is told.
struct Cable {
    address: SocketAddr,
    whole: watch::Sender<bool>,
}

impl Cable {
    async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (whole, state) = watch::channel(true);
        let cable = Self { address: listener.local_addr().unwrap(), whole };
        tokio::spawn(async move {
            while let Ok((node, _)) = listener.accept().await {
                let state = state.clone();
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(server).await else { return };
                    let ((from_node, to_node), (from_server, to_server)) = (node.into_split(), server.into_split());
                    tokio::join!(
                        carry(from_node, to_server, state.clone()),
                        carry(from_server, to_node, state.clone())
                    );
                });
            }
        });
        cable
    }

    fn cut(&self, cut: bool) {
        self.whole.send_replace(!cut);
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut whole: watch::Receiver<bool>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        // The sender lives as long as the case.
        if whole.wait_for(|whole| *whole).await.is_err() || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
