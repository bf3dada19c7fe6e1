//! The checks of Host and Origin around real routes.

#[expect(dead_code, reason = "the other tests use the rest")]
mod common;

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use common::TestApp;
use server::Security;

async fn guarded(prefix: &str) -> TestApp {
    TestApp::with(|settings| {
        settings.security = Some(Security::new(None, None, "deny").expect("options"));
        settings.static_prefix = prefix.to_owned();
    })
    .await
}

async fn send(
    app: &mut TestApp,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> (StatusCode, HeaderMap, String) {
    let mut request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = if method == "POST" { r#"{"name": "guarded"}"# } else { "" };
    let (status, headers, body) = app.raw(request.body(Body::from(body)).expect("a request")).await;
    (status, headers, String::from_utf8(body.to_vec()).expect("text"))
}

#[tokio::test]
async fn a_foreign_host_gets_nothing_but_probes() {
    for prefix in ["", "/ml"] {
        let mut app = guarded(prefix).await;
        let evil = [("host", "192.168.attacker.test:5000")];
        for path in ["/api/2.0/mlflow/experiments/search?max_results=1", "/", "/nowhere"] {
            let (status, headers, body) = send(&mut app, "GET", &format!("{prefix}{path}"), &evil).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{path}");
            assert_eq!(headers["content-type"], "text/plain");
            assert_eq!(headers["x-content-type-options"], "nosniff");
            assert_eq!(body, "Invalid Host header - possible DNS rebinding attack detected");
        }
        for path in ["/health", "/version", "/livez", "/readyz"] {
            let (status, headers, _) = send(&mut app, "GET", &format!("{prefix}{path}"), &evil).await;
            assert_eq!(status, StatusCode::OK, "{path}");
            assert_eq!(headers["x-frame-options"], "DENY");
        }
        let path = format!("{prefix}/api/2.0/mlflow/experiments/search?max_results=1");
        let (status, headers, _) = send(&mut app, "GET", &path, &[("host", "[fd00::1]:5000")]).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert!(!headers.contains_key("access-control-allow-origin"));
    }
}

#[tokio::test]
async fn foreign_pages_change_nothing() {
    let mut app = guarded("").await;
    for place in ["/api", "/ajax-api"] {
        let path = format!("{place}/2.0/mlflow/experiments/create");
        let foreign = [("host", "localhost:5000"), ("origin", "https://evil.example")];
        let (status, headers, body) = send(&mut app, "POST", &path, &foreign).await;
        assert_eq!((status, body.as_str()), (StatusCode::FORBIDDEN, "Cross-origin request blocked"));
        assert_eq!(headers["content-type"], "text/plain");
        assert!(!headers.contains_key("access-control-allow-origin"));
    }
    let own = [("host", "localhost:5000"), ("origin", "http://localhost:3000")];
    let (status, headers, _) = send(&mut app, "POST", "/api/2.0/mlflow/experiments/create", &own).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["access-control-allow-origin"], "http://localhost:3000");
    assert_eq!(headers["access-control-allow-credentials"], "true");
    assert_eq!(headers["vary"], "origin");
}

#[tokio::test]
async fn preflights_are_answered() {
    let mut app = guarded("").await;
    let asked = [
        ("host", "localhost:5000"),
        ("origin", "http://127.0.0.1:8888"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type,authorization"),
    ];
    let (status, headers, body) = send(&mut app, "OPTIONS", "/api/2.0/mlflow/runs/create", &asked).await;
    assert_eq!((status, body.as_str()), (StatusCode::NO_CONTENT, ""));
    assert_eq!(headers["access-control-allow-origin"], "http://127.0.0.1:8888");
    assert_eq!(headers["access-control-allow-headers"], "content-type,authorization");
    assert!(headers["access-control-allow-methods"].to_str().is_ok_and(|methods| methods.contains("PATCH")));
    let foreign = [("host", "localhost:5000"), ("origin", "https://evil.example")];
    let (status, headers, _) = send(&mut app, "OPTIONS", "/api/2.0/mlflow/runs/create", &foreign).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(!headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn pages_have_a_policy_that_agrees_on_frames() {
    for with_ui in [true, false] {
        for (options, ancestors) in
            [("deny", "; frame-ancestors 'none'"), ("SAMEORIGIN", "; frame-ancestors 'self'"), ("none", "")]
        {
            let mut app = TestApp::with(|settings| {
                settings.security = Some(Security::new(None, None, options).expect("options"));
                let build = settings.working_dir.join("build");
                std::fs::create_dir(&build).expect("a folder");
                std::fs::write(build.join("index.html"), "the UI").expect("a file");
                settings.ui = with_ui.then(|| artifacts::Store::local(build));
            })
            .await;
            let (status, headers, _) = send(&mut app, "GET", "/", &[("host", "localhost")]).await;
            assert_eq!(status, StatusCode::OK);
            let policy = headers["content-security-policy"].to_str().expect("text");
            let pages = if with_ui { "form-action 'self'; object-src 'none'" } else { "form-action 'none'" };
            assert!(policy.contains("base-uri 'none'"), "{policy}");
            assert!(policy.ends_with(&format!("{pages}{ancestors}")), "{policy}");
        }
    }
}

#[tokio::test]
async fn switched_off_nothing_is_checked() {
    let mut app = TestApp::new().await;
    let evil = [("host", "evil.example"), ("origin", "https://evil.example")];
    let (status, headers, _) = send(&mut app, "POST", "/api/2.0/mlflow/experiments/create", &evil).await;
    assert_eq!(status, StatusCode::OK);
    assert!(!headers.contains_key("x-frame-options"));
}
