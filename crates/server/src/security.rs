//! What a browser must not be talked into: the checks of Host and Origin and the headers of MLflow's security middleware.
//!
//! Stricter than MLflow 3.7.0 where that can be got around: private addresses are addresses, not texts that begin like one
//! (`10.evil.example` is refused), and a foreign page may not write under any path, not only under `/api/`.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;
use std::sync::Arc;

const INVALID_HOST: &str = "Invalid Host header - possible DNS rebinding attack detected";
const CROSS_ORIGIN: &str = "Cross-origin request blocked";

/// What the operator allows. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Security(Arc<Rules>);

#[derive(Debug)]
struct Rules {
    hosts: Hosts,
    /// `None` is every origin.
    origins: Option<Vec<String>>,
    x_frame_options: Option<HeaderValue>,
    static_prefix: String,
}

#[derive(Debug, PartialEq, Eq)]
enum Hosts {
    Any,
    /// This machine and private addresses.
    Local,
    Patterns(Vec<String>),
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
        let hosts = match allowed_hosts.map(list) {
            None => Hosts::Local,
            Some(patterns) if patterns.iter().any(|p| p == "*") => Hosts::Any,
            Some(patterns) => Hosts::Patterns(patterns),
        };
        let origins = match allowed_origins.map(list) {
            Some(origins) if origins.iter().any(|o| o == "*") => None,
            origins => Some(origins.unwrap_or_default()),
        };
        let x_frame_options = match x_frame_options.to_ascii_uppercase().as_str() {
            "NONE" | "" => None,
            value @ ("SAMEORIGIN" | "DENY") => HeaderValue::from_str(value).ok(),
            other => return Err(format!("--x-frame-options is SAMEORIGIN, DENY or NONE, not {other}")),
        };
        let static_prefix = static_prefix.to_owned();
        Ok(Self(Arc::new(Rules { hosts, origins, x_frame_options, static_prefix })))
    }
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(|item| item.trim().to_ascii_lowercase()).filter(|item| !item.is_empty()).collect()
}

/// The middleware.
pub async fn check(State(Security(rules)): State<Security>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut response = match refusal(&rules, &request) {
        Some(text) => (StatusCode::FORBIDDEN, text).into_response(),
        None if request.method() == Method::OPTIONS && origin.is_some() => preflight(request.headers()),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(value) = &rules.x_frame_options {
        headers.insert(header::X_FRAME_OPTIONS, value.clone());
    }
    if let Some(origin) = origin.filter(|origin| origin_allowed(&rules, origin)) {
        // The origin itself, never `*`: a wildcard with credentials would open the server to every page.
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
    }
    response
}

fn refusal(rules: &Rules, request: &Request) -> Option<&'static str> {
    if !is_probe(rules, request.uri()) && !host_allowed(rules, request) {
        return Some(INVALID_HOST);
    }
    let writes = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH | Method::DELETE);
    match request.headers().get(header::ORIGIN) {
        Some(origin) if writes && !origin_allowed(rules, origin) => {
            tracing::warn!(
                ?origin,
                "a page of another origin was kept from writing; --cors-allowed-origins allows it"
            );
            Some(CROSS_ORIGIN)
        }
        _ => None,
    }
}

/// Probes come by address, from whoever watches the server.
fn is_probe(rules: &Rules, uri: &Uri) -> bool {
    matches!(uri.path().strip_prefix(rules.static_prefix.as_str()), Some("/health" | "/version"))
}

fn host_allowed(rules: &Rules, request: &Request) -> bool {
    if rules.hosts == Hosts::Any {
        return true;
    }
    let header = request.headers().get(header::HOST).and_then(|v| v.to_str().ok());
    let Some(host) = header.or_else(|| request.uri().authority().map(|a| a.as_str())) else { return false };
    let allowed = match &rules.hosts {
        Hosts::Any => true,
        Hosts::Local => is_local(host),
        Hosts::Patterns(patterns) => {
            let host = host.to_ascii_lowercase();
            patterns.iter().any(|pattern| {
                if pattern.contains('*') {
                    matches(pattern.as_bytes(), host.as_bytes())
                } else {
                    *pattern == host || *pattern == name_of(&host)
                }
            })
        }
    };
    if !allowed {
        tracing::warn!(
            "a request for host {host:?} was refused; to serve it, add {:?} to --allowed-hosts",
            name_of(host)
        );
    }
    allowed
}

/// The host without its port; an IPv6 address keeps its brackets.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port))
            if port.bytes().all(|b| b.is_ascii_digit()) && (!name.contains(':') || name.ends_with(']')) =>
        {
            name
        }
        _ => host,
    }
}

fn is_local(host: &str) -> bool {
    let name = name_of(host);
    if name.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let bare = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(name);
    match bare.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_unspecified(),
        Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unique_local(),
        Err(_) => false,
    }
}

fn origin_allowed(rules: &Rules, origin: &HeaderValue) -> bool {
    let Some(allowed) = &rules.origins else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    if allowed.iter().any(|a| a.eq_ignore_ascii_case(origin)) {
        return true;
    }
    let Some((scheme, host)) = origin.split_once("://") else { return false };
    let name = name_of(host);
    matches!(scheme, "http" | "https")
        && (name.eq_ignore_ascii_case("localhost") || matches!(name, "127.0.0.1" | "[::1]"))
}

/// Shell patterns with `*` only, as MLflow's `fnmatch` takes them in `--allowed-hosts`.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|skip| matches(rest, &text[skip..])),
        Some((c, rest)) => text.split_first().is_some_and(|(t, text)| t == c && matches(rest, text)),
    }
}

fn preflight(asked: &HeaderMap) -> Response {
    let mut response = Response::new(Body::from("OK"));
    let headers = response.headers_mut();
    let methods = HeaderValue::from_static("DELETE, GET, OPTIONS, PATCH, POST, PUT");
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    if let Some(names) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_addresses() {
        for host in [
            "localhost",
            "LOCALHOST:5000",
            "127.0.0.1:80",
            "[::1]:5000",
            "0.0.0.0",
            "10.1.2.3",
            "192.168.0.9:5000",
            "172.31.0.1",
            "[fd00::1]:5000",
            "fd00::1",
        ] {
            assert!(is_local(host), "{host}");
        }
        for host in [
            "10.evil.example:5000",
            "192.168.attacker.test",
            "172.16.x.attacker.test",
            "172.32.0.1",
            "8.8.8.8",
            "localhost.evil.example",
            "mlflow.example",
            "",
            "127.0.0.1.nip.io",
            "localhost:80:80",
        ] {
            assert!(!is_local(host), "{host}");
        }
    }

    fn rules(hosts: &str, origins: Option<&str>) -> Arc<Rules> {
        Security::new(Some(hosts), origins, "DENY", "/ml").unwrap().0
    }

    #[test]
    fn without_options_this_machine_is_served() {
        let rules = Security::new(None, None, "SAMEORIGIN", "").unwrap().0;
        assert_eq!(refusal(&rules, &get("127.0.0.1:5000", "/api")), None);
        assert_eq!(refusal(&rules, &get("10.evil.example", "/api")), Some(INVALID_HOST));
        let nameless = Request::get("/api").body(Body::empty()).unwrap();
        assert_eq!(refusal(&rules, &nameless), Some(INVALID_HOST));
    }

    fn get(host: &str, path: &str) -> Request {
        Request::get(path).header(header::HOST, host).body(Body::empty()).unwrap()
    }

    #[test]
    fn patterns_match_with_and_without_port() {
        let rules = rules("mlflow.example, app-*.example,10.0.0.100:5000", None);
        for host in ["mlflow.example", "MLflow.example:8080", "app-1.example", "10.0.0.100:5000"] {
            assert_eq!(refusal(&rules, &get(host, "/api")), None, "{host}");
        }
        for host in
            ["evil.example", "mlflow.example.evil", "app-1.example.evil", "10.0.0.100:5001", "localhost"]
        {
            assert_eq!(refusal(&rules, &get(host, "/api")), Some(INVALID_HOST), "{host}");
        }
        assert_eq!(refusal(&rules, &get("evil.example", "/ml/health")), None);
        assert_eq!(refusal(&rules, &get("evil.example", "/healthy")), Some(INVALID_HOST));
    }

    #[test]
    fn foreign_pages_do_not_write_anywhere() {
        let post = |origin: &str, path: &str| {
            Request::post(path)
                .header(header::HOST, "m.example")
                .header(header::ORIGIN, origin)
                .body(Body::empty())
                .unwrap()
        };
        let rules = rules("m.example", Some("https://app.example"));
        for path in ["/api/2.0/mlflow/runs/create", "/ajax-api/2.0/mlflow/runs/create", "/graphql"] {
            for good in
                ["https://app.example", "http://localhost:3000", "http://[::1]:3000", "http://127.0.0.1"]
            {
                assert_eq!(refusal(&rules, &post(good, path)), None, "{good}");
            }
            for bad in
                ["https://evil.example", "http://localhost.evil.example", "null", "https://app.example.evil"]
            {
                assert_eq!(refusal(&rules, &post(bad, path)), Some(CROSS_ORIGIN), "{bad}");
            }
        }
    }

    #[test]
    fn wrong_frame_options_are_named() {
        assert!(Security::new(None, None, "sameorigin", "").is_ok());
        assert!(
            Security::new(None, None, "ALLOW-FROM x", "").unwrap_err().contains("SAMEORIGIN, DENY or NONE")
        );
    }
}
