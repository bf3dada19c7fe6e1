//! The accept loop: timeouts that transfers of hours survive, and an end that finishes what has begun.

use crate::patience::{self, Watched};
use axum::http::{HeaderValue, Request, header};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tower::Service;

/// How long a client may take to send a request's head, and a connection may wait for its next request. Longer than the 60 s
/// for which proxies keep connections: one that is closed while a proxy sends on it is a 502.
const HEADER_TIMEOUT: Duration = Duration::from_secs(75);
/// How long a request's body may stand still. As long as the above, and longer than the 60 s that proxies wait for the same
/// thing, so that theirs, which know their clients, give up first.
const BODY_TIMEOUT: Duration = HEADER_TIMEOUT;
/// How long an answer may stand still because its client takes nothing of it, or does not confirm what it got.
const ANSWER_TIMEOUT: Duration = BODY_TIMEOUT;
/// How long connections without a request stay open once the server is told to stop. A proxy may be sending on one at that
/// moment, and cannot send a write elsewhere then; the answer tells it not to use the connection again.
const LAST_REQUESTS: Duration = Duration::from_millis(500);
/// How long to wait when no connection can be accepted.
const RETRY: Duration = Duration::from_millis(100);

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Every request was answered.
    Finished,
    /// Requests were cut off.
    CutOff,
}

/// Serves until `stop` is ready. From then on new connections are refused, answers say that theirs is closed, connections
/// that stay idle are closed after a moment, and the requests in flight are finished, but only until the future is ready too
/// that `cut_off` makes of what `stop` returned.
///
/// There is no limit on a request's time: artifacts of any size come and go. A client that sends no head is dropped, one whose
/// body stands still is answered 408, and one that stops reading its answer is cut off.
pub async fn serve<R, T, CutOff: Future<Output = ()>>(
    listener: TcpListener,
    routes: R,
    stop: impl Future<Output = T>,
    cut_off: impl FnOnce(T) -> CutOff,
) -> End
where
    R: Service<Request<Watched<Incoming>>, Response = Response, Error = Infallible, Future: Send>,
    R: Clone + Send + 'static,
{
    serve_with(BODY_TIMEOUT, ANSWER_TIMEOUT, listener, routes, stop, cut_off).await
}

async fn serve_with<R, T, CutOff: Future<Output = ()>>(
    body_timeout: Duration,
    answer_timeout: Duration,
    listener: TcpListener,
    routes: R,
    stop: impl Future<Output = T>,
    cut_off: impl FnOnce(T) -> CutOff,
) -> End
where
    R: Service<Request<Watched<Incoming>>, Response = Response, Error = Infallible, Future: Send>,
    R: Clone + Send + 'static,
{
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    let connections = GracefulShutdown::new();
    let routes = TowerToHyperService::new(routes);
    let stopping = Arc::new(AtomicBool::new(false));
    let is_stopping = Arc::clone(&stopping);
    let service = service_fn(move |request| {
        let (request, late) = patience::watch(request, body_timeout);
        let answer = hyper::service::Service::call(&routes, request);
        let is_stopping = Arc::clone(&is_stopping);
        async move {
            let mut answer = late.or(answer.await?, body_timeout);
            if is_stopping.load(Ordering::Relaxed) {
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let start = |stream: TcpStream| {
        end_when_not_read(&stream, answer_timeout);
        let connection = connections.watch(server.serve_connection(TokioIo::new(stream), service.clone()));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                // Clients hang up all the time; that is theirs to know.
                tracing::debug!(%error, "a connection ended with an error");
            }
        });
    };
    tokio::pin!(stop);
    let told = loop {
        tokio::select! {
            accepted = accept(&listener) => start(accepted),
            told = &mut stop => break told,
        }
    };
    stopping.store(true, Ordering::Relaxed);
    // New connections are refused from here on, so that a balancer sends them elsewhere. Those that the system has
    // accepted for us were not.
    for stream in waiting(listener) {
        start(stream);
    }
    tokio::select! {
        () = async {
            last_requests(&connections).await;
            connections.shutdown().await;
        } => End::Finished,
        () = cut_off(told) => End::CutOff,
    }
}

/// The connections that wait to be accepted by a listener that is closed.
fn waiting(listener: TcpListener) -> Vec<TcpStream> {
    let Ok(listener) = listener.into_std() else { return Vec::new() };
    // It does not block: it was tokio's.
    let accepted = std::iter::from_fn(|| listener.accept().ok());
    let stream = |(stream, _): (std::net::TcpStream, _)| {
        stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream)).ok()
    };
    accepted.filter_map(stream).collect()
}

async fn last_requests(connections: &GracefulShutdown) {
    let end = Instant::now() + LAST_REQUESTS;
    while connections.count() > 0 && Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Lets the system end a connection whose client takes nothing for so long, or has vanished. It sees every byte that is taken,
/// which we do not: most of what is sent waits in its buffer.
fn end_when_not_read(stream: &TcpStream, limit: Duration) {
    #[cfg(target_os = "linux")]
    if let Err(error) = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(limit)) {
        tracing::debug!(%error, "a connection was gone before it began");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (stream, limit);
}

async fn accept(listener: &TcpListener) -> TcpStream {
    let mut failing = false;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Answers are small and complete: waiting to fill a packet only delays them.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection was gone before it began");
                }
                return stream;
            }
            Err(error) if is_the_clients(&error) => {}
            Err(error) => {
                // Out of file descriptors, mostly: connections must be able to end before the next try. Said once, as
                // it may last.
                if !failing {
                    tracing::error!(%error, "no connection can be accepted; raising the limit of open files may help");
                }
                failing = true;
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// Whether only this one connection failed.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::body::Bytes;
    use axum::routing::post;
    use std::net::SocketAddr;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::oneshot::{self, error::TryRecvError};
    use tokio::task::JoinHandle;

    /// A server that echoes bodies, the sender that stops it, and the sender that makes it hurry.
    async fn echo() -> (SocketAddr, oneshot::Sender<()>, oneshot::Sender<()>, JoinHandle<End>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", post(|body: Bytes| async { body }));
        let ((stop, stopped), (hurry, hurried)) = (oneshot::channel(), oneshot::channel::<()>());
        let stop_serving = async { stopped.await.unwrap() };
        let serving =
            tokio::spawn(serve(listener, router, stop_serving, |()| async { hurried.await.unwrap() }));
        (address, stop, hurry, serving)
    }

    /// The whole answer to bytes after which the client stays silent, from a server that waits a twentieth of a second.
    async fn answer_to_silence(router: Router, sent: &[u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        client.write_all(sent).await.unwrap();
        let never = std::future::pending::<()>();
        let limit = Duration::from_millis(50);
        let mut answer = String::new();
        tokio::select! {
            _ = serve_with(limit, limit, listener, router, never, |()| std::future::pending()) => unreachable!(),
            read = client.read_to_string(&mut answer) => read.unwrap(),
        };
        answer
    }

    #[tokio::test]
    async fn a_body_that_stands_still_is_given_up() {
        let router = Router::new().route("/", post(|body: Bytes| async { body }));
        for sent in [
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbo",
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n",
        ] {
            let answer = answer_to_silence(router.clone(), sent.as_bytes()).await;
            assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
            assert!(
                answer.contains("connection: close") && answer.contains("Send the request again"),
                "{answer}"
            );
        }
    }

    #[tokio::test]
    async fn a_client_that_stops_reading_is_cut_off() {
        // Its other end notices when it is dropped.
        let (alive, mut dropped) = oneshot::channel::<Infallible>();
        let alive = std::sync::Mutex::new(Some(alive));
        let endless = move || {
            let alive = alive.lock().unwrap().take();
            let piece = Bytes::from_static(&[0; 65536]);
            let pieces = futures_util::stream::repeat_with(move || {
                let _ = &alive;
                Ok::<_, Infallible>(piece.clone())
            });
            async { axum::body::Body::from_stream(pieces) }
        };
        let endless = Arc::new(endless);
        let router = Router::new().route("/", axum::routing::get(move || endless()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let limit = Duration::from_millis(500);
        let never = std::future::pending::<()>();
        let serving =
            tokio::spawn(serve_with(limit, limit, listener, router, never, |()| std::future::pending()));
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        // As long as it reads, however little at a time, it gets more.
        for _ in 0..15 {
            tokio::time::sleep(limit / 5).await;
            let mut some = vec![0; 4 << 20];
            client.read_exact(&mut some).await.unwrap();
        }
        assert_eq!(dropped.try_recv(), Err(TryRecvError::Empty), "it is still being sent");
        assert!(dropped.await.is_err());
        serving.abort();
    }

    async fn begin(address: SocketAddr) -> TcpStream {
        let mut client = TcpStream::connect(address).await.unwrap();
        let head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
        client.write_all(head).await.unwrap();
        let mut go_on = [0; 25];
        // Sent once the handler waits for the body, so that the request is in flight for certain.
        client.read_exact(&mut go_on).await.unwrap();
        assert!(go_on.starts_with(b"HTTP/1.1 100"));
        client
    }

    #[tokio::test]
    async fn what_has_begun_is_finished_and_idle_connections_are_closed() {
        let (address, stop, _hurry, serving) = echo().await;
        let mut fresh = TcpStream::connect(address).await.unwrap();
        let mut busy = begin(address).await;
        stop.send(()).unwrap();
        assert_eq!(fresh.read(&mut [0; 1]).await.unwrap(), 0, "a connection without a request is closed");
        assert!(TcpStream::connect(address).await.is_err(), "no new connections");
        busy.write_all(b"body").await.unwrap();
        let mut answer = String::new();
        busy.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("body"), "{answer}");
        assert_eq!(serving.await.unwrap(), End::Finished);
    }

    #[tokio::test]
    async fn a_proxy_that_keeps_connections_loses_no_request() {
        let (address, stop, _hurry, serving) = echo().await;
        let mut kept = TcpStream::connect(address).await.unwrap();
        let request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody";
        kept.write_all(request).await.unwrap();
        let mut first = [0; 1000];
        let read = kept.read(&mut first).await.unwrap();
        assert!(!String::from_utf8_lossy(&first[..read]).contains("connection: close"));
        stop.send(()).unwrap();
        // Sent while the server begins to stop, or just after.
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        kept.write_all(request).await.unwrap();
        let mut answer = String::new();
        kept.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");
        assert_eq!(serving.await.unwrap(), End::Finished);
    }

    #[tokio::test]
    async fn a_hurry_cuts_off() {
        let (address, stop, hurry, serving) = echo().await;
        let _busy = begin(address).await;
        stop.send(()).unwrap();
        hurry.send(()).unwrap();
        assert_eq!(serving.await.unwrap(), End::CutOff);
    }
}
