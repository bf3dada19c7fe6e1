//! A file of the size that people upload: sent through the proxy and the server, read in part, and deleted.

use super::super::report::{Finding, Verdict};
use super::edge::trouble;
use super::site::{Answer, Site};
use bytes::Bytes;
use futures_util::stream;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, RANGE};
use reqwest::{Body, Method};
use std::convert::Infallible;
use std::time::{Duration, Instant};

/// What the file is made of, again and again.
const PIECE: usize = 64 << 10;
/// How much of it is read.
const PART: usize = 1 << 10;
/// Slower than this it is no use waiting.
const SLOWEST: u64 = 256 << 10;
const TOO_LARGE: &str = "Take the limit off: nginx.ingress.kubernetes.io/proxy-body-size: \"0\" at the Ingress, client_max_body_size 0 in \
                         nginx, maxRequestBodyBytes of Traefik's buffering; a load balancer may have one, too";
const TOO_SLOW: &str = "Raise the proxy's limits of time (nginx.ingress.kubernetes.io/proxy-read-timeout and proxy-send-timeout), and let \
                        it send on what comes: proxy-request-buffering: \"off\"";

/// Uploads so many bytes.
pub async fn look(site: &Site, bytes: u64) -> Vec<Finding> {
    let name = format!(".ferroflow-doctor-{}", uuid::Uuid::new_v4().simple());
    let path = format!("api/2.0/mlflow-artifacts/artifacts/{name}");
    let (uploaded, is_there) = upload(site, &path, bytes).await;
    let mut findings = vec![uploaded];
    if is_there {
        findings.push(read(site, &path, bytes).await);
        findings.push(delete(site, &path, &name).await);
    }
    findings
}

async fn upload(site: &Site, path: &str, bytes: u64) -> (Finding, bool) {
    const CHECK: &str = "upload";
    let (piece, size) = (piece(), format!("{} MiB", bytes >> 20));
    let pieces = (0..bytes / PIECE as u64).map(move |_| Ok::<_, Infallible>(piece.clone()));
    let request = site
        .request(Method::PUT, path)
        .header(CONTENT_TYPE, "application/octet-stream")
        .header(CONTENT_LENGTH, bytes)
        .body(Body::wrap_stream(stream::iter(pieces)));
    let began = Instant::now();
    let answer = site.ask_for(request, Duration::from_secs(60 + bytes / SLOWEST)).await;
    let took = began.elapsed().as_secs_f64();
    let failure = |detail: String, advice| (Finding::new(CHECK, Verdict::Failure, detail, advice), false);
    match answer {
        Ok(answer) if (200..300).contains(&answer.status) => {
            let rate = (bytes >> 20) as f64 / took.max(1e-3);
            (Finding::ok(CHECK, format!("{size} in {took:.1} s, {rate:.0} MiB/s")), true)
        }
        Ok(answer) if answer.status == 413 => {
            failure(format!("{size} are too large for a proxy before the server (413)"), TOO_LARGE)
        }
        Ok(answer) if [408, 504].contains(&answer.status) => failure(
            format!("{size} took longer than a proxy waits ({}, after {took:.0} s)", answer.status),
            TOO_SLOW,
        ),
        Ok(answer) if serves_none(&answer) => (
            Finding::notice(CHECK, "this server serves no artifacts; clients reach them by themselves"),
            false,
        ),
        Ok(answer) => (trouble(CHECK, &answer), false),
        Err(why) => failure(format!("{size}: broke off after {took:.0} s: {why}"), TOO_LARGE),
    }
}

/// What a server with `--no-serve-artifacts` says, ours or MLflow's.
fn serves_none(answer: &Answer) -> bool {
    [404, 501, 503].contains(&answer.status) && answer.text().contains("serve-artifacts")
}

async fn read(site: &Site, path: &str, bytes: u64) -> Finding {
    const CHECK: &str = "download";
    let from = bytes - PART as u64;
    let request = site.request(Method::GET, path).header(RANGE, format!("bytes={from}-"));
    let answer = match site.ask(request).await {
        Ok(answer) => answer,
        Err(why) => {
            return Finding::new(
                CHECK,
                Verdict::Failure,
                format!("broke off: {why}"),
                "Look at the proxy's log",
            );
        }
    };
    match answer.status {
        206 if answer.body == piece()[PIECE - PART..] => Finding::ok(CHECK, "and read, in part, too"),
        // MLflow's own server knows no ranges.
        200 => Finding::notice(
            CHECK,
            "a part was asked for, and all of it sent: downloads begin anew when they break off",
        ),
        206 => Finding::new(
            CHECK,
            Verdict::Failure,
            "what was read is not what was written",
            "Look for a cache or a filter at the proxy",
        ),
        302 | 307 => Finding::ok(CHECK, "downloads are sent to the store itself"),
        _ => trouble(CHECK, &answer),
    }
}

async fn delete(site: &Site, path: &str, name: &str) -> Finding {
    const CHECK: &str = "delete";
    let answer = site.ask(site.request(Method::DELETE, path)).await;
    let why = match answer {
        Ok(answer) if (200..300).contains(&answer.status) => return Finding::ok(CHECK, "and deleted again"),
        Ok(answer) => format!("answered {}", answer.status),
        Err(why) => why,
    };
    Finding::new(
        CHECK,
        Verdict::Warning,
        format!("{name} is left behind in the artifact store: {why}"),
        "Let DELETE through the proxy, and give the server the right to delete",
    )
}

fn piece() -> Bytes {
    (0..PIECE).map(|n| (n % 251) as u8).collect::<Vec<_>>().into()
}
