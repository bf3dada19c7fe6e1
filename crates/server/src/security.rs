//! What stands between a browser and the server: checks of Host and Origin, answers to preflights, and headers.
//!
//! Mirrors the security middleware of MLflow 3.5 and later, with these differences, all wanted. Hosts: see `security/hosts.rs`.
//! Requests that change something are refused to pages of foreign origins on every route, not only under `/api/`; in
//! return the server's own pages pass without being listed. Credentials are only for origins that are named or of this
//! machine, never for `*`. Refusals carry the security headers too.

mod glob;
mod hosts;

use crate::app::App;
use axum::extract::Request;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::future::{Either, Ready, ready};
use hosts::Hosts;
use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tower::{Layer, Service};

const INVALID_HOST: &str = "Invalid Host header - possible DNS rebinding attack detected";
const CORS_BLOCKED: &str = "Cross-origin request blocked";
/// The page that MLflow's client shows in notebooks, which are pages of other origins.
const NOTEBOOK_RENDERER: &str = "/static-files/lib/notebook-trace-renderer";
/// How many different refused names are logged; whoever sends more is not somebody who needs help.
const LOGGED: usize = 50;

/// The operator's choices.
#[derive(Debug, Clone)]
pub struct Security {
    hosts: Hosts,
    origins: Origins,
    frame_options: Option<HeaderValue>,
    logged: Arc<Mutex<HashSet<String>>>,
}

#[derive(Debug, Clone)]
enum Origins {
    Any,
    Listed(Vec<String>),
}

impl Security {
    /// From `--allowed-hosts`, `--cors-allowed-origins` and `--x-frame-options`.
    ///
    /// # Errors
    /// One sentence when the frame options are not among those that browsers know.
    pub fn new(hosts: Option<&str>, origins: Option<&str>, frame_options: &str) -> Result<Self, String> {
        let frame_options = match frame_options.trim().to_ascii_uppercase().as_str() {
            "NONE" | "" => None,
            "SAMEORIGIN" => Some(HeaderValue::from_static("SAMEORIGIN")),
            "DENY" => Some(HeaderValue::from_static("DENY")),
            other => return Err(format!("--x-frame-options is SAMEORIGIN, DENY or NONE, not {other:?}.")),
        };
        let origins = origins.unwrap_or_default().split(',').map(str::trim).filter(|o| !o.is_empty());
        let listed: Vec<_> = origins.map(str::to_owned).collect();
        let any = listed.iter().any(|origin| origin == "*");
        Ok(Self {
            hosts: Hosts::parse(hosts),
            origins: if any { Origins::Any } else { Origins::Listed(listed) },
            frame_options,
            logged: Arc::default(),
        })
    }

    /// Whether a request with this `Host` header is served.
    pub fn allows_host(&self, header: &str) -> bool {
        self.hosts.allow(header)
    }

    /// Which pages may show this server's in a frame, as a Content-Security-Policy says it. Browsers take that over
    /// `X-Frame-Options`, so the two must not differ.
    pub fn frame_ancestors(&self) -> Option<&'static str> {
        let options = self.frame_options.as_ref()?;
        Some(if options == "DENY" { "'none'" } else { "'self'" })
    }

    fn check(&self, request: &Request, path: &str) -> Verdict {
        let headers = request.headers();
        let host = only(headers, &header::HOST);
        if !matches!(path, "/health" | "/version" | "/livez" | "/readyz")
            && !host.is_some_and(|host| self.hosts.allow(host))
        {
            self.log_host(host.unwrap_or_default());
            return Verdict::Refuse(INVALID_HOST);
        }
        let method = request.method();
        let Some(origin) = headers.get(header::ORIGIN) else {
            return if *method == Method::OPTIONS { Verdict::Preflight(None) } else { Verdict::Serve(None) };
        };
        let access = match &self.origins {
            Origins::Any => Some(Access { origin: HeaderValue::from_static("*"), credentials: false }),
            Origins::Listed(_) if !self.trusts(origin, host, headers) => None,
            Origins::Listed(_) => Some(Access { origin: origin.clone(), credentials: true }),
        };
        let changes = [Method::POST, Method::PUT, Method::DELETE, Method::PATCH].contains(method);
        if access.is_none() && (changes || *method == Method::OPTIONS) {
            self.log_origin(origin);
            return Verdict::Refuse(CORS_BLOCKED);
        }
        if *method == Method::OPTIONS { Verdict::Preflight(access) } else { Verdict::Serve(access) }
    }

    /// Whether a page of this origin may do what its user may: it is named, of this machine, or of this server.
    fn trusts(&self, origin: &HeaderValue, host: Option<&str>, headers: &HeaderMap) -> bool {
        let Ok(origin) = origin.to_str() else { return false };
        let Origins::Listed(listed) = &self.origins else { return true };
        // Browsers set it themselves; it holds behind proxies that change the Host header.
        let same_origin = headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin");
        same_origin
            || listed.iter().any(|named| named == origin)
            || origin.split_once("://").is_some_and(|(_, authority)| {
                is_this_machine(authority) || host.is_some_and(|host| host.eq_ignore_ascii_case(authority))
            })
    }

    fn log_host(&self, host: &str) {
        if !self.is_new(host) {
            return;
        }
        if host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b)) && !host.is_empty() {
            let list = self.hosts.with(host);
            tracing::warn!(
                "refused the Host header {host:?}; if it is this server, add --allowed-hosts {list}"
            );
        } else {
            tracing::warn!("refused the Host header {host:?}");
        }
    }

    fn log_origin(&self, origin: &HeaderValue) {
        let origin = String::from_utf8_lossy(origin.as_bytes());
        if !self.is_new(&origin) {
            return;
        }
        match &self.origins {
            Origins::Listed(listed)
                if origin.contains("://") && !origin.contains(['"', '\'', '\\', ' ', ';']) =>
            {
                let named = listed.iter().map(String::as_str).chain([&*origin]).collect::<Vec<_>>().join(",");
                tracing::warn!(
                    "refused a page of {origin}; if it is yours, add --cors-allowed-origins {named}"
                );
            }
            _ => tracing::warn!("refused a page of {origin:?}"),
        }
    }

    fn is_new(&self, name: &str) -> bool {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        logged.len() < LOGGED && name.len() <= 256 && logged.insert(name.to_owned())
    }
}

/// What becomes of a request.
#[derive(Debug, PartialEq)]
enum Verdict {
    Serve(Option<Access>),
    Preflight(Option<Access>),
    Refuse(&'static str),
}

/// What a page of another origin may do with the answer.
#[derive(Debug, PartialEq)]
struct Access {
    origin: HeaderValue,
    credentials: bool,
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    if values.next().is_some() { None } else { first.to_str().ok() }
}

fn is_this_machine(authority: &str) -> bool {
    ["localhost", "127.0.0.1", "[::1]"].iter().any(|name| {
        let Some((host, port)) = authority.split_at_checked(name.len()) else { return false };
        let is_port = |port: &str| port.bytes().all(|b| b.is_ascii_digit());
        host.eq_ignore_ascii_case(name) && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
    })
}

fn preflight(request: &Request, allowed: bool) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    if allowed {
        let headers = response.headers_mut();
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET, POST, PUT, DELETE, OPTIONS, PATCH"),
        );
        if let Some(wanted) = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
        }
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
    response
}

/// Puts the checks around a route, unless the operator switched them off.
#[derive(Clone)]
pub struct Guard<S> {
    app: App,
    inner: S,
}

/// Makes a [`Guard`].
#[derive(Clone)]
pub struct GuardLayer(pub App);

impl<S> Layer<S> for GuardLayer {
    type Service = Guard<S>;

    fn layer(&self, inner: S) -> Guard<S> {
        Guard { app: self.0.clone(), inner }
    }
}

impl<S> Service<Request> for Guard<S>
where
    S: Service<Request, Response = Response>,
    S::Future: Unpin,
    S::Error: Unpin,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Guarded<S::Future, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let settings = self.app.settings();
        let Some(security) = &settings.security else {
            return Guarded { answer: Either::Right(self.inner.call(request)), headers: None };
        };
        let path = request.uri().path();
        let path = path.strip_prefix(settings.static_prefix.as_str()).unwrap_or(path);
        let frame_options = security.frame_options.clone().filter(|_| !path.starts_with(NOTEBOOK_RENDERER));
        let (answer, access) = match security.check(&request, path) {
            Verdict::Serve(access) => (Either::Right(self.inner.call(request)), access),
            Verdict::Preflight(access) => (here(preflight(&request, access.is_some())), access),
            Verdict::Refuse(text) => {
                let headers = [(header::CONTENT_TYPE, "text/plain")];
                (here((StatusCode::FORBIDDEN, headers, text).into_response()), None)
            }
        };
        Guarded { answer, headers: Some(Headers { frame_options, access }) }
    }
}

/// An answer of the guard's own, or that of the route behind it.
type Answer<F, E> = Either<Ready<Result<Response, E>>, F>;

fn here<F, E>(response: Response) -> Answer<F, E> {
    Either::Left(ready(Ok(response)))
}

/// The answer of a [`Guard`].
pub struct Guarded<F, E> {
    answer: Answer<F, E>,
    headers: Option<Headers>,
}

struct Headers {
    frame_options: Option<HeaderValue>,
    access: Option<Access>,
}

impl<F, E> Future for Guarded<F, E>
where
    F: Future<Output = Result<Response, E>> + Unpin,
    E: Unpin,
{
    type Output = Result<Response, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut response = std::task::ready!(Pin::new(&mut self.answer).poll(context))?;
        if let Some(headers) = self.headers.take() {
            headers.add_to(response.headers_mut());
        }
        Poll::Ready(Ok(response))
    }
}

impl Headers {
    fn add_to(self, headers: &mut HeaderMap) {
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(value) = self.frame_options {
            headers.insert(header::X_FRAME_OPTIONS, value);
        }
        if let Some(Access { origin, credentials }) = self.access {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            if credentials {
                headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
                headers.append(header::VARY, HeaderValue::from_static("origin"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn verdict(security: &Security, method: &str, path: &str, headers: &[(&str, &str)]) -> &'static str {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        match security.check(&request.body(Body::empty()).unwrap(), path) {
            Verdict::Serve(None) => "serve",
            Verdict::Serve(Some(Access { credentials: true, .. })) => "serve, readable",
            Verdict::Serve(Some(_)) => "serve, readable to all",
            Verdict::Preflight(access) => access.map_or("preflight", |_| "preflight, allowed"),
            Verdict::Refuse(INVALID_HOST) => "host",
            Verdict::Refuse(_) => "origin",
        }
    }

    #[test]
    fn hosts_are_checked_except_for_probes() {
        let security = Security::new(None, None, "").unwrap();
        let evil = [("host", "10.evil.example:5000")];
        assert_eq!(verdict(&security, "GET", "/api/2.0/mlflow/runs/get", &evil), "host");
        assert_eq!(verdict(&security, "GET", "/", &[]), "host");
        assert_eq!(verdict(&security, "GET", "/", &[("host", "localhost"), ("host", "localhost")]), "host");
        assert_eq!(verdict(&security, "GET", "/healthy", &evil), "host");
        assert_eq!(verdict(&security, "OPTIONS", "/api/x", &evil), "host");
        for path in ["/health", "/version", "/livez", "/readyz"] {
            assert_eq!(verdict(&security, "GET", path, &evil), "serve");
            assert_eq!(verdict(&security, "GET", path, &[]), "serve");
        }
    }

    #[test]
    fn foreign_pages_may_change_nothing() {
        let security = Security::new(Some("ml.example"), Some("https://app.example"), "").unwrap();
        for (origin, foreign) in [
            ("https://app.example", false),
            ("http://localhost:3000", false),
            ("https://LOCALHOST", false),
            ("http://127.0.0.1:8888", false),
            ("http://[::1]:1", false),
            // The server's own pages, TLS ending in front of it or not.
            ("https://ml.example:5000", false),
            ("http://ML.example:5000", false),
            ("https://ml.example", true),
            ("http://app.example", true),
            ("https://app.example.evil", true),
            ("http://localhost.evil", true),
            ("http://localhost:80.evil", true),
            ("http://localhost@evil", true),
            ("http://127.0.0.1.evil", true),
            ("http://127.0.0.2", true),
            ("null", true),
            ("localhost", true),
        ] {
            let headers = [("host", "ml.example:5000"), ("origin", origin)];
            for path in ["/api/2.0/mlflow/runs/create", "/ajax-api/2.0/mlflow/runs/create", "/graphql"] {
                for method in ["POST", "PUT", "PATCH", "DELETE"] {
                    let expected = if foreign { "origin" } else { "serve, readable" };
                    assert_eq!(verdict(&security, method, path, &headers), expected, "{method} {origin}");
                }
                let expected = if foreign { "origin" } else { "preflight, allowed" };
                assert_eq!(verdict(&security, "OPTIONS", path, &headers), expected, "{origin}");
                let expected = if foreign { "serve" } else { "serve, readable" };
                assert_eq!(verdict(&security, "GET", path, &headers), expected, "{origin}");
            }
        }
    }

    #[test]
    fn a_browser_says_itself_that_a_page_is_of_the_same_origin() {
        let security = Security::new(Some("*"), None, "").unwrap();
        let mut headers = vec![("host", "upstream:5000"), ("origin", "https://ml.example")];
        assert_eq!(verdict(&security, "POST", "/api/x", &headers), "origin");
        headers.push(("sec-fetch-site", "same-origin"));
        assert_eq!(verdict(&security, "POST", "/api/x", &headers), "serve, readable");
    }

    #[test]
    fn a_star_allows_all_pages_without_their_users_credentials() {
        let security = Security::new(None, Some("https://a.example, *"), "").unwrap();
        let headers = [("host", "localhost"), ("origin", "https://evil.example")];
        assert_eq!(verdict(&security, "POST", "/api/x", &headers), "serve, readable to all");
        assert_eq!(verdict(&security, "GET", "/api/x", &headers), "serve, readable to all");
    }

    #[test]
    fn frame_options_are_upper_cased() {
        let value = |text| Security::new(None, None, text).map(|security| security.frame_options);
        assert_eq!(value("deny"), Ok(Some(HeaderValue::from_static("DENY"))));
        assert_eq!(value("none"), Ok(None));
        let ancestors = |text| Security::new(None, None, text).map(|security| security.frame_ancestors());
        assert_eq!(ancestors("deny"), Ok(Some("'none'")));
        assert_eq!(ancestors("SameOrigin"), Ok(Some("'self'")));
        assert_eq!(ancestors("none"), Ok(None));
        assert!(value("ALLOW-FROM x").is_err());
    }

    #[test]
    fn a_refused_name_is_logged_once() {
        let security = Security::new(None, None, "").unwrap();
        assert!(security.is_new("evil.example"));
        assert!(!security.is_new("evil.example"));
        assert!(!security.is_new(&"x".repeat(300)));
        for n in 0..2 * LOGGED {
            security.is_new(&n.to_string());
        }
        assert_eq!(security.logged.lock().unwrap().len(), LOGGED);
    }
}
