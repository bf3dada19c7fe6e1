//! What becomes of a body that nobody wants any more.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, header};
use futures_util::stream::{Stream, StreamExt};

/// How much of an unwanted body is read, and for how long.
const PATIENCE: (usize, Duration) = (256 << 20, Duration::from_secs(20));

/// Reads what is left of `body` and forgets it, so that the client gets to read why its upload was refused: Python's
/// clients send everything before they look for an answer, and only see a broken connection if nobody takes it.
/// A client that asked first (`Expect: 100-continue`) has not sent anything yet.
pub async fn drain<E>(headers: &HeaderMap, mut body: impl Stream<Item = Result<Bytes, E>> + Unpin) {
    if headers.contains_key(header::EXPECT) {
        return;
    }
    let (most, longest) = PATIENCE;
    let reading = async {
        let mut left = most;
        while let Some(Ok(bytes)) = body.next().await {
            left = left.saturating_sub(bytes.len());
            if left == 0 {
                break;
            }
        }
    };
    // Whether it ended or was too long makes no difference: the connection closes after the answer.
    drop(tokio::time::timeout(longest, reading).await);
}
