//! Webhooks of a whole server: what is shown of them, what is refused, and that messages go out beside the requests.

#[expect(dead_code, reason = "the other tests use the rest")]
mod common;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use common::TestApp;
use serde_json::{Value, json};
use server::webhooks::{Allowed, WebhookSettings};
use std::time::Duration;
use store::webhooks::SecretKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const API: &str = "/api/2.0/mlflow/webhooks";
const KEY: &str = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";

fn webhook(url: &str) -> Value {
    json!({"name": "w", "url": url, "events": [{"entity": "PROMPT", "action": "CREATED"}]})
}

async fn send(app: &mut TestApp, method: &str, path: &str, body: &Value) -> (StatusCode, Value) {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    let (status, _, body) = app.raw(request.body(Body::from(body.to_string())).expect("a request")).await;
    (status, serde_json::from_slice(&body).expect("JSON"))
}

#[tokio::test]
async fn a_secret_needs_a_key_and_is_never_shown() {
    let url = "https://93.184.216.34/hook";
    let mut with_secret = webhook(url);
    with_secret["secret"] = "geheim".into();
    let mut app = TestApp::new().await;
    let (status, refused) = send(&mut app, "POST", API, &with_secret).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let text = refused.to_string();
    assert!(text.contains("MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY") && !text.contains("geheim"), "{text}");

    let key = SecretKey::parse(KEY).expect("a key");
    let mut app = TestApp::with(|settings| settings.webhooks.key = Some(key)).await;
    let (status, made) = send(&mut app, "POST", API, &with_secret).await;
    assert_eq!(status, StatusCode::OK, "{made}");
    let id = made["webhook"]["webhook_id"].as_str().expect("an id").to_owned();
    let (_, listed) = send(&mut app, "GET", API, &Value::Null).await;
    assert_eq!(listed["webhooks"], json!([made["webhook"]]));
    let (_, got) = send(&mut app, "GET", &format!("{API}/{id}"), &Value::Null).await;
    assert_eq!(got, made);
    let fields: Vec<_> = got["webhook"].as_object().expect("an object").keys().collect();
    assert_eq!(
        fields,
        ["creation_timestamp", "events", "last_updated_timestamp", "name", "status", "url", "webhook_id"]
    );
}

#[tokio::test]
async fn webhooks_do_not_lead_inside() {
    let mut app = TestApp::new().await;
    for url in
        ["https://127.0.0.1/", "https://localhost/", "https://169.254.169.254/latest", "https://[::1]:8443/"]
    {
        let (status, refused) = send(&mut app, "POST", API, &webhook(url)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{url}");
        assert!(
            refused["message"].as_str().is_some_and(|text| text.contains("--webhook-allowed-networks")),
            "{refused}"
        );
    }
    let (status, listed) = send(&mut app, "GET", API, &Value::Null).await;
    assert_eq!((status, listed), (StatusCode::OK, json!({})));
}

/// A receiver that takes one request and answers 500 with a text.
async fn receiver() -> (u16, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let taking = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut request = Vec::new();
        // The body ends with the message's last brace.
        while !request.ends_with(b"}}") {
            let mut bytes = [0; 4096];
            let count = stream.read(&mut bytes).await.expect("a request");
            request.extend_from_slice(&bytes[..count]);
        }
        let answer = "HTTP/1.1 500 No\r\nContent-Length: 12\r\nConnection: close\r\n\r\ninternal key";
        stream.write_all(answer.as_bytes()).await.expect("answered");
        String::from_utf8(request).expect("text")
    });
    (port, taking)
}

#[tokio::test]
async fn a_test_tells_the_status_and_not_the_words() {
    let settings = WebhookSettings {
        schemes: vec!["http".into()],
        allowed: Allowed::parse("127.0.0.1").expect("a place"),
        timeout: Duration::from_secs(10),
        key: Some(SecretKey::parse(KEY).expect("a key")),
        ..WebhookSettings::default()
    };
    let mut app = TestApp::with(|all| all.webhooks = settings).await;
    let (port, taking) = receiver().await;
    let mut new = webhook(&format!("http://127.0.0.1:{port}/path?x=1"));
    new["secret"] = "geheim".into();
    let (_, made) = send(&mut app, "POST", API, &new).await;
    let id = made["webhook"]["webhook_id"].as_str().expect("an id").to_owned();
    let (status, tested) = send(&mut app, "POST", &format!("{API}/{id}/test"), &json!({})).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(tested, json!({"result": {"success": false, "response_status": 500}}));
    let request = taking.await.expect("a request").to_lowercase();
    assert!(request.starts_with("post /path?x=1 http/1.1\r\n"), "{request}");
    for header in [
        "x-mlflow-delivery-id: ",
        "x-mlflow-timestamp: ",
        "x-mlflow-signature: v1,",
        "content-type: application/json",
    ] {
        assert!(request.contains(header), "{request}");
    }
    assert!(
        request.contains(r#""entity":"prompt","action":"created","timestamp":"1970-01-01t00:16:40+00:00","#),
        "{request}"
    );
}
