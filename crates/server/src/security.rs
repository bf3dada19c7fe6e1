//! What a browser must not be talked into: the checks of Host and Origin, the CORS answers and the headers of MLflow's
//! security middleware (`mlflow/server/fastapi_security.py`).
//!
//! Stricter than MLflow 3.7.0 where that can be got around: private addresses are addresses, not texts that begin like
//! one (`10.evil.example` is refused); a foreign page may write under no path, not only not under `/api/`; and no page
//! reads with credentials unless its origin is listed. A page of this server's own origin may write, by whatever name
//! the server is reached: the check of Host has seen to that name.

mod host;
mod origin;
mod refused;

use crate::drain::drain;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use host::Hosts;
use origin::Origins;
use refused::Refused;
use std::sync::Arc;

const INVALID_HOST: &str = "Invalid Host header - possible DNS rebinding attack detected";
const CROSS_ORIGIN: &str = "Cross-origin request blocked";
/// Notebooks show this page in a frame, from whatever origin they have.
const TRACE_RENDERER: &str = "/static-files/lib/notebook-trace-renderer";
/// How long a browser may remember the answer to a preflight, in seconds; MLflow's.
const PREFLIGHT_AGE: HeaderValue = HeaderValue::from_static("600");
const METHODS: HeaderValue = HeaderValue::from_static("DELETE, GET, OPTIONS, PATCH, POST, PUT");

/// The operator's choices. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Security(Arc<Rules>);

#[derive(Debug)]
struct Rules {
    hosts: Hosts,
    origins: Origins,
    x_frame_options: Option<HeaderValue>,
    static_prefix: String,
    refused: Refused,
}

impl Security {
    /// Rules from `--allowed-hosts`, `--cors-allowed-origins` and `--x-frame-options`, each as given.
    ///
    /// # Errors
    /// A sentence about the value that cannot be used.
    pub fn new(
        allowed_hosts: Option<&str>,
        allowed_origins: Option<&str>,
        x_frame_options: &str,
        static_prefix: &str,
    ) -> Result<Self, String> {
        let x_frame_options = match x_frame_options.to_ascii_uppercase().as_str() {
            "NONE" | "" => None,
            "SAMEORIGIN" => Some(HeaderValue::from_static("SAMEORIGIN")),
            "DENY" => Some(HeaderValue::from_static("DENY")),
            _ => return Err("--x-frame-options must be SAMEORIGIN, DENY or NONE".into()),
        };
        Ok(Self(Arc::new(Rules {
            hosts: Hosts::parse(allowed_hosts).map_err(|e| format!("--allowed-hosts: {e}"))?,
            origins: Origins::parse(allowed_origins).map_err(|e| format!("--cors-allowed-origins: {e}"))?,
            x_frame_options,
            static_prefix: static_prefix.to_owned(),
            refused: Refused::default(),
        })))
    }
}

/// The middleware. A request without an Origin, which is every one of MLflow's clients, costs a look at its Host and two
/// headers of the answer.
pub async fn check(State(Security(rules)): State<Security>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let framed =
        rules.x_frame_options.as_ref().filter(|_| !is_trace_renderer(&rules, request.uri())).cloned();
    let mut response = match refusal(&rules, &request) {
        Some(text) => refuse(text, request).await,
        None if is_preflight(&request) => preflight(&rules, request.headers()),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(value) = framed {
        headers.insert(header::X_FRAME_OPTIONS, value);
    }
    if let Some(origin) = origin {
        let_read(&rules.origins, origin, headers);
    }
    response
}

fn refusal(rules: &Rules, request: &Request) -> Option<&'static str> {
    let headers = request.headers();
    if !is_probe(rules, request.uri())
        && let Err(host) = rules.hosts.check(headers, request.uri())
    {
        rules.refused.host(host, &rules.hosts);
        return Some(INVALID_HOST);
    }
    let writes = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH | Method::DELETE);
    match headers.get(header::ORIGIN) {
        Some(origin) if writes && !may_write(rules, origin, headers) => {
            rules.refused.origin(origin, &rules.origins);
            Some(CROSS_ORIGIN)
        }
        _ => None,
    }
}

fn may_write(rules: &Rules, origin: &HeaderValue, headers: &HeaderMap) -> bool {
    rules.origins.allow(origin) || origin::is_own(origin, headers)
}

/// Probes come by address, from whoever watches the server.
fn is_probe(rules: &Rules, uri: &Uri) -> bool {
    matches!(uri.path().strip_prefix(rules.static_prefix.as_str()), Some("/health" | "/version"))
}

fn is_trace_renderer(rules: &Rules, uri: &Uri) -> bool {
    let path = uri.path().strip_prefix(rules.static_prefix.as_str());
    path.is_some_and(|path| path.starts_with(TRACE_RENDERER))
}

async fn refuse(text: &'static str, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    drain(&parts.headers, body.into_data_stream()).await;
    plain(StatusCode::FORBIDDEN, text)
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ORIGIN)
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

fn preflight(rules: &Rules, asked: &HeaderMap) -> Response {
    let Some(origin) = asked.get(header::ORIGIN).filter(|origin| may_write(rules, origin, asked)) else {
        return plain(StatusCode::FORBIDDEN, CROSS_ORIGIN);
    };
    tracing::debug!(?origin, "answered a preflight");
    let mut response = plain(StatusCode::OK, "OK");
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE);
    if let Some(names) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    response
}

/// Lets a page of an allowed origin read the answer. `*` never goes with credentials: together they would open the
/// server to every page the user looks at.
fn let_read(origins: &Origins, origin: HeaderValue, headers: &mut HeaderMap) {
    let any = HeaderValue::from_static("*");
    if *origins == Origins::Any {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any.clone());
    } else {
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        if !origins.allow(&origin) {
            return;
        }
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, any);
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::http::request::Builder;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use tower::ServiceExt;

    fn security(hosts: Option<&str>, origins: Option<&str>) -> Security {
        Security::new(hosts, origins, "sameorigin", "/ml").unwrap()
    }

    async fn send(security: &Security, request: Builder) -> Response {
        let handler = get(|| async { "fine" }).post(|| async { "written" });
        let router = Router::new().route("/{*path}", handler);
        let router = router.layer(from_fn_with_state(security.clone(), check));
        router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    fn header_of(response: &Response, name: header::HeaderName) -> Option<&str> {
        response.headers().get(name).map(|value| value.to_str().unwrap())
    }

    #[tokio::test]
    async fn a_wrong_host_is_told_so_in_mlflows_words() {
        let security = security(None, None);
        let response = send(&security, Request::get("/api/x").header("host", "10.evil.example:5000")).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert_eq!(header_of(&response, header::CONTENT_TYPE), Some("text/plain"));
        assert_eq!(header_of(&response, header::X_CONTENT_TYPE_OPTIONS), Some("nosniff"));
        let body = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
        assert_eq!(body, INVALID_HOST);
    }

    #[tokio::test]
    async fn only_probes_pass_without_a_known_host() {
        let security = security(None, None);
        for (path, expected) in [
            ("/ml/health", 200),
            ("/ml/version", 200),
            ("/ml/healthy", 403),
            ("/ml/health/x", 403),
            ("/ml/api/health", 403),
            ("/health", 403),
        ] {
            let response = send(&security, Request::get(path).header("host", "evil.example")).await;
            assert_eq!(response.status().as_u16(), expected, "{path}");
            let response = send(&security, Request::get(path)).await;
            assert_eq!(response.status().as_u16(), expected, "{path} without a Host");
        }
    }

    #[tokio::test]
    async fn foreign_pages_write_nowhere() {
        let security = security(Some("m.example"), Some("https://app.example"));
        for path in ["/api/2.0/x", "/ajax-api/2.0/x", "/graphql", "/v1/traces", "/ml/ajax-api/2.0/x"] {
            for (origin, expected) in [
                ("https://app.example", 200),
                ("http://localhost:3000", 200),
                ("https://m.example", 200),
                ("https://evil.example", 403),
                ("https://app.example.evil", 403),
                ("https://m.example:8443", 403),
                ("null", 403),
                ("", 403),
            ] {
                let request = Request::post(path).header("host", "m.example").header("origin", origin);
                assert_eq!(send(&security, request).await.status().as_u16(), expected, "{path} {origin}");
                let request = Request::get(path).header("host", "m.example").header("origin", origin);
                assert_eq!(send(&security, request).await.status(), StatusCode::OK, "{path} {origin}");
            }
        }
    }

    #[tokio::test]
    async fn only_allowed_origins_read_with_credentials() {
        let read = async |security: &Security, origin: &str| {
            let request = Request::get("/api/x").header("host", "localhost").header("origin", origin);
            let response = send(security, request).await;
            let allowed = header_of(&response, header::ACCESS_CONTROL_ALLOW_ORIGIN).map(str::to_owned);
            (allowed, header_of(&response, header::ACCESS_CONTROL_ALLOW_CREDENTIALS).is_some())
        };
        let listed = security(None, Some("https://app.example"));
        for origin in ["https://app.example", "http://127.0.0.1:8888"] {
            assert_eq!(read(&listed, origin).await, (Some(origin.to_owned()), true));
        }
        assert_eq!(read(&listed, "https://evil.example").await, (None, false));
        let every = security(None, Some("*"));
        assert_eq!(read(&every, "https://evil.example").await, (Some("*".to_owned()), false));
    }

    #[tokio::test]
    async fn preflights_are_answered_for_allowed_origins_only() {
        let ask = |origin: &str| {
            Request::options("/ajax-api/2.0/x")
                .header("host", "localhost")
                .header("origin", origin)
                .header("access-control-request-method", "POST")
                .header("access-control-request-headers", "content-type")
        };
        let security = security(None, None);
        let response = send(&security, ask("http://localhost:3000")).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(header_of(&response, header::ACCESS_CONTROL_ALLOW_ORIGIN), Some("http://localhost:3000"));
        assert_eq!(header_of(&response, header::ACCESS_CONTROL_ALLOW_HEADERS), Some("content-type"));
        assert!(header_of(&response, header::ACCESS_CONTROL_ALLOW_METHODS).unwrap().contains("PATCH"));
        let response = send(&security, ask("https://evil.example")).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert_eq!(header_of(&response, header::ACCESS_CONTROL_ALLOW_ORIGIN), None);
    }

    #[tokio::test]
    async fn frames_are_for_the_same_origin_and_for_notebooks() {
        let security = security(None, None);
        let get = |path: &str| Request::get(path).header("host", "localhost");
        let response = send(&security, get("/ml/static-files/index.html")).await;
        assert_eq!(header_of(&response, header::X_FRAME_OPTIONS), Some("SAMEORIGIN"));
        let renderer = format!("/ml{TRACE_RENDERER}/index.html");
        assert_eq!(header_of(&send(&security, get(&renderer)).await, header::X_FRAME_OPTIONS), None);
        let without = Security::new(None, None, "none", "").unwrap();
        assert_eq!(header_of(&send(&without, get("/x")).await, header::X_FRAME_OPTIONS), None);
        assert!(Security::new(None, None, "ALLOW-FROM x", "").unwrap_err().contains("DENY or NONE"));
    }
}
