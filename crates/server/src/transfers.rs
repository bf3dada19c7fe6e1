//! How many files may be on their way at the same time, in either direction.
//!
//! Each holds memory, a connection, and often a connection to the artifact store. Beyond the limit, requests wait for a moment
//! and are then asked to come back, so that a crowd is served one after the other instead of bringing the server down.
//! Requests that move no files are never in this queue.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use api::ErrorCode;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::app::App;
use crate::drain::drain;
use crate::respond::Failure;

/// How long a request waits for its turn. Shorter than what proxies wait for an answer.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The turns there are. Cloning is cheap; all clones share them.
#[derive(Clone)]
pub struct Transfers {
    turns: Arc<Semaphore>,
    /// Places to wait: as many as turns.
    places: Arc<Semaphore>,
}

impl Transfers {
    /// So many at the same time.
    pub fn new(most: usize) -> Self {
        let turns = |count: usize| Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        Self { turns: turns(most), places: turns(most) }
    }

    /// A turn, which ends when this is dropped; `None` if too many wait already, or it takes too long.
    async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(turn) = Arc::clone(&self.turns).try_acquire_owned() {
            return Some(turn);
        }
        let _place = self.places.try_acquire().ok()?;
        timeout(LONGEST_WAIT, Arc::clone(&self.turns).acquire_owned()).await.ok()?.ok()
    }
}

/// Lets a request pass when it has a turn, and ends the turn when its answer is sent or given up.
pub async fn admit(State(app): State<App>, request: Request, next: Next) -> Response {
    admit_to(app.transfers(), request, next).await
}

async fn admit_to(transfers: &Transfers, request: Request, next: Next) -> Response {
    match transfers.turn().await {
        Some(turn) => next.run(request).await.map(|body| Body::new(Held { body, _turn: turn })),
        None => {
            let (head, body) = request.into_parts();
            // Python's clients look for an answer when all is sent.
            drain(&head.headers, body.into_data_stream()).await;
            let text = "Too many files are being sent and received at the moment. Try again in a few seconds. \
                        The server's operator can raise the limit: --max-transfers.";
            Failure::from(api::Error::new(ErrorCode::TemporarilyUnavailable, text)).into_response()
        }
    }
}

/// A body with its turn.
struct Held {
    body: Body,
    _turn: OwnedSemaphorePermit,
}

impl hyper::body::Body for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::http::{Method, StatusCode};
    use axum::middleware::from_fn;
    use axum::routing::any;
    use tower::ServiceExt;

    fn server(most: usize) -> Router {
        let transfers = Transfers::new(most);
        let layer = from_fn(move |request: Request, next: Next| {
            let transfers = transfers.clone();
            async move { admit_to(&transfers, request, next).await }
        });
        Router::new()
            .route("/file", any(async || "content").layer(layer))
            .route("/api", any(async || "answer"))
    }

    async fn ask(server: &Router, method: Method, path: &str) -> Response {
        let request = Request::builder().method(method).uri(path).body(Body::from("sent")).unwrap();
        server.clone().oneshot(request).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_is_asked_to_come_back() {
        let server = server(2);
        let first = ask(&server, Method::GET, "/file").await;
        let second = ask(&server, Method::PUT, "/file").await;
        assert_eq!((first.status(), second.status()), (StatusCode::OK, StatusCode::OK));
        // Nobody has read their answers yet.
        let (third, fourth, fifth, api) = tokio::join!(
            ask(&server, Method::GET, "/file"),
            ask(&server, Method::PUT, "/file"),
            ask(&server, Method::GET, "/file"),
            ask(&server, Method::GET, "/api"),
        );
        for refused in [third, fourth, fifth] {
            assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert!(refused.headers().contains_key("retry-after"));
        }
        assert_eq!(api.status(), StatusCode::OK);
        drop(first);
        assert_eq!(ask(&server, Method::GET, "/file").await.status(), StatusCode::OK);
        drop(second);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_gets_the_next_turn() {
        let server = server(1);
        let first = ask(&server, Method::GET, "/file").await;
        let waiting = tokio::spawn({
            let server = server.clone();
            async move { ask(&server, Method::GET, "/file").await.status() }
        });
        tokio::time::sleep(LONGEST_WAIT / 2).await;
        // No place is left to wait at: refused at once.
        assert_eq!(ask(&server, Method::GET, "/file").await.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(!waiting.is_finished());
        let content = axum::body::to_bytes(first.into_body(), usize::MAX).await.unwrap();
        assert_eq!(&content[..], b"content");
        assert_eq!(waiting.await.unwrap(), StatusCode::OK);
    }
}
