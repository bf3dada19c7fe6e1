//! How long a request's body may keep the server waiting.
//!
//! There is no limit on the whole, since artifacts of any size come over slow lines. But a client that sends a head and
//! then nothing (a closed laptop, a cut line, bad will) would hold its request, and what that request holds, for ever.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use crate::respond::Failure;

/// A body that fails when its client sends nothing for too long while somebody waits for it. A server that is busy with
/// what has come does not wait.
pub struct Watched<B> {
    body: B,
    limit: Duration,
    /// Set while somebody waits.
    alarm: Option<Pin<Box<Sleep>>>,
    late: Late,
}

/// Whether a request's client was late; known once its handler is done.
#[derive(Clone)]
pub struct Late(Option<Arc<AtomicBool>>);

/// Puts a watch over a request's body.
pub fn watch<B: Body>(request: Request<B>, limit: Duration) -> (Request<Watched<B>>, Late) {
    let has_body = !request.body().is_end_stream();
    let late = Late(has_body.then(Arc::default));
    let request = request.map(|body| Watched { body, limit, alarm: None, late: late.clone() });
    (request, late)
}

impl Late {
    /// The handler's answer, or, if its client was late, the one that says so. The handler saw a body that broke off,
    /// and has undone what it had begun.
    pub fn or(&self, answer: Response, limit: Duration) -> Response {
        if !self.is_set() {
            return answer;
        }
        let text = format!(
            "Nothing of the request's body came for {} s, so that the server stopped waiting. Send the request again.",
            limit.as_secs()
        );
        let error = api::Error::new(api::ErrorCode::BadRequest, text);
        let mut answer = Failure::with_status(StatusCode::REQUEST_TIMEOUT, error).into_response();
        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        answer
    }

    fn is_set(&self) -> bool {
        self.0.as_ref().is_some_and(|late| late.load(Ordering::Relaxed))
    }

    fn set(&self) {
        if let Some(late) = &self.0 {
            late.store(true, Ordering::Relaxed);
        }
    }
}

impl<B> Body for Watched<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<axum::BoxError>,
{
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let this = &mut *self;
        if this.late.is_set() {
            // Whoever reads on, to be rid of the rest, is not to wait once more.
            return Poll::Ready(None);
        }
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            this.alarm = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let limit = this.limit;
        let alarm = this.alarm.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(alarm.as_mut().poll(context));
        this.late.set();
        let error = io::Error::new(io::ErrorKind::TimedOut, "nothing of the body came for too long");
        Poll::Ready(Some(Err(error.into())))
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
    use futures_util::stream;
    use http_body_util::BodyExt;

    const LIMIT: Duration = Duration::from_secs(60);

    /// A body of two pieces, each after a pause.
    fn slow_body(pauses: [u64; 2]) -> axum::body::Body {
        axum::body::Body::from_stream(stream::unfold(pauses.into_iter(), |mut pauses| async {
            sleep(Duration::from_secs(pauses.next()?)).await;
            Some((Ok::<_, io::Error>("piece"), pauses))
        }))
    }

    #[tokio::test(start_paused = true)]
    async fn only_silence_is_limited() {
        let (request, late) = watch(Request::new(slow_body([59, 59])), LIMIT);
        let mut body = request.into_body();
        assert!(body.frame().await.unwrap().is_ok());
        // The server's own pauses are not the client's.
        sleep(LIMIT * 10).await;
        assert!(body.frame().await.unwrap().is_ok());
        assert!(body.frame().await.is_none() && !late.is_set());
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_the_body_with_an_error() {
        let (request, late) = watch(Request::new(slow_body([1, 61])), LIMIT);
        let mut body = request.into_body();
        assert!(body.frame().await.unwrap().is_ok() && !late.is_set());
        assert!(body.frame().await.unwrap().is_err());
        assert!(body.frame().await.is_none(), "nobody waits for it a second time");
        assert_eq!(late.or(Response::default(), LIMIT).status(), StatusCode::REQUEST_TIMEOUT);
    }
}
