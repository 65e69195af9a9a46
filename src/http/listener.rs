//! Connections: accepted up to a bound, read with a deadline, ended politely.
//!
//! Somebody who opens many connections or sends a request one byte at a time costs a place for a while and nothing else.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower::{Service, ServiceExt};

/// Connections at a time. One more waits in the kernel's backlog.
const MAX_CONNECTIONS: usize = 16_384;
/// From the first byte of a head to its last; also how long an idle connection is kept, and one that has asked for nothing
/// yet.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// After `accept` failed, for want of file descriptors say.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// Serves until `stop` turns true, then finishes what was accepted, for at most `grace`.
pub async fn serve<S>(listener: TcpListener, service: S, mut stop: watch::Receiver<bool>, grace: Duration)
where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static,
{
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let connections = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, peer, place)) => connection(stream, peer, place, service.clone(), &connections),
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(grace, connections.shutdown()).await.is_err() {
        tracing::warn!("some requests were not finished in time");
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    // Answers are small and whole: waiting to fill a packet only delays them.
    stream.set_nodelay(true)?;
    Ok((stream, peer, place))
}

fn connection<S>(
    stream: TcpStream,
    peer: SocketAddr,
    place: OwnedSemaphorePermit,
    service: S,
    connections: &GracefulShutdown,
) where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static,
{
    let (asked, has_asked) = (Arc::new(AtomicBool::new(false)), Ordering::Relaxed);
    let asks = asked.clone();
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        asks.store(true, has_asked);
        request.extensions_mut().insert(ConnectInfo(peer));
        service.clone().oneshot(request.map(axum::body::Body::new))
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(HEAD_TIMEOUT).keep_alive_timeout(HEAD_TIMEOUT);
    let serving = connections.watch(builder.serve_connection(TokioIo::new(stream), service).into_owned());
    tokio::spawn(async move {
        let mut serving = pin!(serving);
        // hyper's own deadline begins with the first byte, and behind what may be the opening of HTTP/2.
        let ended = match tokio::time::timeout(HEAD_TIMEOUT, serving.as_mut()).await {
            Ok(ended) => ended,
            Err(_) if asked.load(has_asked) => serving.await,
            Err(_) => Ok(()),
        };
        // A connection that broke is the client's affair.
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
        drop(place);
    });
}
