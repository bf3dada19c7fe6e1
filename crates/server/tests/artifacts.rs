//! Artifacts over HTTP: through a run, through the proxy, and the UI's files.

#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use std::fs;

use artifacts::Store;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use common::TestApp;
use insta::assert_snapshot;

const PROXY: &str = "/api/2.0/mlflow-artifacts/artifacts";
const LIST: &str = "/api/2.0/mlflow/artifacts/list";
const UPLOAD: &str = "/ajax-api/2.0/mlflow/upload-artifact";

async fn call(app: &mut TestApp, method: Method, path: &str, body: impl Into<Body>) -> String {
    app.send(Request::builder().method(method).uri(path).body(body.into()).unwrap()).await
}

async fn put(app: &mut TestApp, path: &str, content: &'static str) {
    let answer = call(app, Method::PUT, &format!("{PROXY}/{path}"), content).await;
    assert_eq!(answer, "200 OK application/json\n{}", "{path}");
}

/// A run with `a/b.txt` ("hello world"), `MLmodel` and `model.pkl` among its artifacts.
async fn run_with_artifacts(app: &mut TestApp) -> String {
    let run = app.new_run().await;
    for (name, content) in [("a/b.txt", "hello world"), ("MLmodel", "flavors:"), ("model.pkl", "\x00\x01")] {
        put(app, &format!("0/{run}/artifacts/{name}"), content).await;
    }
    run
}

fn pick<'a>(headers: &'a HeaderMap, names: &[&str]) -> Vec<&'a str> {
    names.iter().map(|name| headers.get(*name).map_or("-", |value| value.to_str().unwrap())).collect()
}

#[tokio::test]
async fn a_runs_artifacts_are_listed_read_and_deleted() {
    let mut app = TestApp::new().await;
    let run = run_with_artifacts(&mut app).await;
    let mut answers = String::new();
    for path in [
        format!("{LIST}?run_id={run}"),
        format!("{LIST}?run_uuid={run}&path=a"),
        format!("{LIST}?run_id={run}&path=a/b.txt"),
        format!("{LIST}?run_id={run}&path=nothing"),
        format!("{PROXY}?path=0/{run}/artifacts"),
        format!("{PROXY}?path=nothing"),
        format!("/get-artifact?run_id={run}&path=a/b.txt"),
        format!("/get-artifact?run_uuid={run}&path=MLmodel"),
        format!("{PROXY}/0/{run}/artifacts/model.pkl"),
    ] {
        let answer = app.get(&path).await;
        answers.push_str(&format!("GET {}\n{answer}\n\n", path.replace(&run, "RUN")));
    }
    assert_snapshot!("listed_and_read", answers);

    let folder = format!("{PROXY}/0/{run}/artifacts/a");
    assert_eq!(call(&mut app, Method::DELETE, &folder, "").await, "200 OK application/json\n{}");
    assert_eq!(call(&mut app, Method::DELETE, &folder, "").await, "200 OK application/json\n{}");
    assert!(app.get(&format!("{folder}/b.txt")).await.starts_with("404"));
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let mut app = TestApp::new().await;
    let run = run_with_artifacts(&mut app).await;
    let mut answers = String::new();
    let get = Method::GET;
    for (method, path) in [
        (&get, LIST.to_owned()),
        (&get, format!("{LIST}?run_id=nope")),
        (&get, format!("{LIST}?run_id={run}&path=../a")),
        (&get, "/get-artifact?path=a".into()),
        (&get, format!("/get-artifact?run_id={run}")),
        (&get, format!("/get-artifact?run_id={run}&path=a")),
        (&get, format!("/get-artifact?run_id={run}&path=nothing")),
        (&get, format!("/get-artifact?run_id={run}&path=/etc/passwd")),
        (&get, format!("{PROXY}/nothing")),
        (&get, format!("{PROXY}/0")),
        (&get, format!("{PROXY}?path=..")),
        (&Method::PUT, format!("{PROXY}/0")),
        (&Method::PUT, format!("{PROXY}/0/{run}/artifacts/MLmodel/x")),
        (&Method::PUT, format!("{PROXY}/0/folder/")),
        (&Method::PUT, format!("{PROXY}/%ff")),
        (&Method::DELETE, format!("{PROXY}/.")),
        (&Method::POST, "/api/2.0/mlflow-artifacts/mpu/create/a".into()),
        (&Method::POST, "/api/2.0/mlflow-artifacts/mpu/abort/../a".into()),
    ] {
        let answer = call(&mut app, method.clone(), &path, "").await;
        answers.push_str(&format!("{method} {}\n{answer}\n\n", path.replace(&run, "RUN")));
    }
    assert_snapshot!("artifact_refusals", answers);
}

/// Every route that takes an artifact path, against what has got out of MLflow's roots before.
#[tokio::test]
async fn no_path_leaves_the_root() {
    let mut app = TestApp::with(|settings| {
        settings.ui = Some(Store::local(settings.working_dir.join("ui")));
    })
    .await;
    let run = run_with_artifacts(&mut app).await;
    for path in [
        "..",
        "../x",
        "a/../../x",
        "..%2fx",
        "%2e%2e/x",
        "%2e%2e%2fx",
        "..%252fx",
        "%252e%252e%252fx",
        "%25252e%25252e/x",
        "%2fetc/passwd",
        "%252fetc/passwd",
        "..%5cx",
        "..%255cx",
        "a%5c..%5c..%5cx",
        "C:/x",
        "C%3a%5cx",
        "%5c%5chost%5cshare",
        "a%23/../x",
        "a%3f/../x",
        "a;/../x",
        "%00/../x",
        "file:..%2fx",
        "file:%2fetc%2fpasswd",
        "file:%2f%2f%2fetc",
        ".%09./x",
    ] {
        for (method, url) in [
            (Method::GET, format!("{PROXY}/{path}")),
            (Method::PUT, format!("{PROXY}/{path}")),
            (Method::DELETE, format!("{PROXY}/{path}")),
            (Method::GET, format!("/ajax-api/2.0/mlflow-artifacts/artifacts/{path}")),
            (Method::POST, format!("/api/2.0/mlflow-artifacts/mpu/create/{path}")),
            (Method::POST, format!("/api/2.0/mlflow-artifacts/mpu/complete/{path}")),
            (Method::POST, format!("/api/2.0/mlflow-artifacts/mpu/abort/{path}")),
            (Method::GET, format!("{PROXY}?path={path}")),
            (Method::GET, format!("{LIST}?run_id={run}&path={path}")),
            (Method::GET, format!("/get-artifact?run_id={run}&path={path}")),
            (Method::POST, format!("{UPLOAD}?run_uuid={run}&path={path}")),
            (Method::GET, format!("/static-files/{path}")),
            (Method::GET, format!("/build/{path}")),
        ] {
            let answer = call(&mut app, method.clone(), &url, "x").await;
            assert!(
                answer.starts_with("400") && answer.contains("\"Invalid path\""),
                "{method} {url}: {answer}"
            );
        }
    }
}

#[tokio::test]
async fn downloads_have_the_headers_of_a_file() {
    let mut app = TestApp::new().await;
    let run = run_with_artifacts(&mut app).await;
    put(&mut app, &format!("0/{run}/artifacts/p%25%20%C3%A4.html"), "<script>").await;
    for (path, content_type, disposition) in [
        ("a/b.txt", "text/plain", "attachment; filename=b.txt"),
        ("MLmodel", "text/plain", "attachment; filename=MLmodel"),
        ("model.pkl", "application/octet-stream", "attachment; filename=model.pkl"),
        (
            "p%25%20%C3%A4.html",
            "text/html",
            "attachment; filename=\"p% .html\"; filename*=UTF-8''p%25%20%C3%A4.html",
        ),
    ] {
        for url in
            [format!("/get-artifact?run_id={run}&path={path}"), format!("{PROXY}/0/{run}/artifacts/{path}")]
        {
            for method in [Method::GET, Method::HEAD] {
                let request = Request::builder().method(&method).uri(&url).body(Body::empty()).unwrap();
                let (status, headers, body) = app.raw(request).await;
                assert_eq!(status, StatusCode::OK, "{method} {url}");
                let names = [
                    "content-type",
                    "content-disposition",
                    "x-content-type-options",
                    "content-security-policy",
                    "accept-ranges",
                ];
                assert_eq!(
                    pick(&headers, &names),
                    [content_type, disposition, "nosniff", "sandbox", "bytes"],
                    "{method} {url}"
                );
                assert!(headers.contains_key(header::ETAG) && headers.contains_key(header::LAST_MODIFIED));
                let length: usize = headers[header::CONTENT_LENGTH].to_str().unwrap().parse().unwrap();
                assert!(length > 0 && body.len() == if method == Method::GET { length } else { 0 });
            }
        }
    }
}

#[tokio::test]
async fn ranges_and_conditions_are_honoured() {
    let mut app = TestApp::new().await;
    let run = run_with_artifacts(&mut app).await;
    let url = format!("{PROXY}/0/{run}/artifacts/a/b.txt");
    let (_, headers, _) = app.raw(Request::get(&url).body(Body::empty()).unwrap()).await;
    let etag = headers[header::ETAG].to_str().unwrap().to_owned();
    let modified = headers[header::LAST_MODIFIED].to_str().unwrap().to_owned();
    type Asked<'a> = &'a [(&'a str, &'a str)];
    let cases: &[(Asked, u16, &str, &str)] = &[
        (&[("range", "bytes=6-")], 206, "world", "bytes 6-10/11"),
        (&[("range", "bytes=0-4")], 206, "hello", "bytes 0-4/11"),
        (&[("range", "bytes=-1")], 206, "d", "bytes 10-10/11"),
        (&[("range", "bytes=0-99")], 206, "hello world", "bytes 0-10/11"),
        (&[("range", "bytes=0-1,4-5")], 200, "hello world", "-"),
        (&[("range", "bytes=6-"), ("if-range", &etag)], 206, "world", "bytes 6-10/11"),
        (&[("range", "bytes=6-"), ("if-range", &modified)], 206, "world", "bytes 6-10/11"),
        (&[("range", "bytes=6-"), ("if-range", "\"old\"")], 200, "hello world", "-"),
        (&[("range", "bytes=99-"), ("if-range", "\"old\"")], 200, "hello world", "-"),
        (&[("range", "bytes=99-"), ("if-none-match", &etag)], 304, "", "-"),
        (&[("if-none-match", &etag)], 304, "", "-"),
        (&[("if-modified-since", &modified)], 304, "", "-"),
        (&[("if-match", &etag)], 200, "hello world", "-"),
    ];
    for (asked, status, body, content_range) in cases {
        let mut request = Request::get(&url);
        for (name, value) in *asked {
            request = request.header(*name, *value);
        }
        let (got, headers, content) = app.raw(request.body(Body::empty()).unwrap()).await;
        assert_eq!((got.as_u16(), &content[..]), (*status, body.as_bytes()), "{asked:?}");
        assert_eq!(pick(&headers, &["content-range", "etag"]), [*content_range, &etag], "{asked:?}");
    }
    for (name, value, status) in [("range", "bytes=11-", 416), ("if-match", "\"old\"", 412)] {
        let (got, headers, _) =
            app.raw(Request::get(&url).header(name, value).body(Body::empty()).unwrap()).await;
        assert_eq!((got.as_u16(), pick(&headers, &["content-type"])), (status, vec!["application/json"]));
        assert_eq!(headers.contains_key("content-range"), status == 416);
    }
}

#[tokio::test]
async fn the_ui_uploads_small_files() {
    let mut app = TestApp::new().await;
    let run = app.new_run().await;
    let mut answers = String::new();
    for (query, body) in [
        (String::new(), Body::empty()),
        (format!("?run_uuid={run}"), Body::empty()),
        (format!("?run_uuid={run}&path=d/u.txt"), Body::empty()),
        (format!("?run_uuid={run}&path=d/"), "hey".into()),
        ("?run_uuid=nope&path=d/u.txt".into(), "hey".into()),
        (format!("?run_uuid={run}&path=d/u.txt"), vec![b'x'; (10 << 20) + 1].into()),
        (format!("?run_uuid={run}&path=d/u.txt"), "hey".into()),
    ] {
        let answer = call(&mut app, Method::POST, &format!("{UPLOAD}{query}"), body).await;
        answers.push_str(&format!("POST {}\n{answer}\n\n", query.replace(&run, "RUN")));
    }
    assert_snapshot!("ui_uploads", answers);
    let announced =
        Request::post(format!("{UPLOAD}?run_uuid={run}&path=x")).header("content-length", 10_485_761);
    assert!(app.send(announced.body("x".into()).unwrap()).await.contains("Max size is 10MB."));
    assert!(app.get(&format!("/get-artifact?run_id={run}&path=d/u.txt")).await.ends_with("hey"));
    assert!(app.get(&format!("{LIST}?run_id={run}")).await.contains("\"path\": \"d\""));
}

#[tokio::test]
async fn a_run_may_keep_its_artifacts_elsewhere() {
    let mut app = TestApp::with(|settings| {
        settings.destination = None;
        let folder = settings.working_dir.display().to_string();
        settings.locations = api::uri::Locations::parse(&folder).unwrap();
    })
    .await;
    let location = r#"{"name": "elsewhere", "artifact_location": "kept here?x=1"}"#;
    let answer = app.post("/api/2.0/mlflow/experiments/create", location).await;
    assert!(answer.starts_with("200"), "{answer}");
    let request =
        Request::post("/api/2.0/mlflow/runs/create").header(header::CONTENT_TYPE, "application/json");
    let request = request.body(r#"{"experiment_id": "1"}"#.into()).unwrap();
    let run: serde_json::Value = serde_json::from_slice(&app.raw(request).await.2).unwrap();
    let info = &run["run"]["info"];
    assert!(info["artifact_uri"].as_str().unwrap().contains("/kept here?x=1/"), "{info}");
    let run = info["run_id"].as_str().unwrap();
    let answer = call(&mut app, Method::POST, &format!("{UPLOAD}?run_uuid={run}&path=d/u.txt"), "hey").await;
    assert_eq!(answer, "200 OK application/json\n");
    assert!(app.get(&format!("{LIST}?run_id={run}&path=d")).await.contains("\"path\": \"d/u.txt\""));
    assert!(app.get(&format!("/get-artifact?run_id={run}&path=d/u.txt")).await.ends_with("hey"));
    for refused in ["s3://b/p#f", "s3://b/p?x=%2e%2e/y", "http://b/p;x", "file://host/x"] {
        let location = format!(r#"{{"name": "refused", "artifact_location": "{refused}"}}"#);
        let answer = app.post("/api/2.0/mlflow/experiments/create", &location).await;
        assert!(answer.starts_with("400") || answer.starts_with("500"), "{refused}: {answer}");
    }
    // Where this server cannot reach them it says so.
    let run = app.new_run().await;
    assert_snapshot!("not_served", app.get(&format!("{LIST}?run_id={run}")).await);
}

#[tokio::test]
async fn switched_off_halves_say_so() {
    let mut app = TestApp::with(|settings| settings.destination = None).await;
    let mut answers = String::new();
    for path in [PROXY, &format!("{PROXY}/a/b"), "/ajax-api/2.0/mlflow-artifacts/artifacts/a"] {
        answers.push_str(&format!("{}\n", app.get(path).await));
    }
    let mut app = TestApp::with(|settings| settings.artifacts_only = true).await;
    for path in [LIST, "/get-artifact", PROXY] {
        answers.push_str(&format!("{}\n", app.get(path).await));
    }
    assert_snapshot!("switched_off", answers);
}

async fn app_with_a_build() -> TestApp {
    TestApp::with(|settings| {
        let build = settings.working_dir.join("ui");
        fs::create_dir_all(build.join("static/js")).unwrap();
        for (name, content) in [
            ("index.html", "<html>"),
            ("manifest.json", "{}"),
            ("static/js/main.7ffba301.js", "x = 1"),
            ("static/js/main.7ffba301.js.gz", "compressed"),
        ] {
            fs::write(build.join(name), content).unwrap();
        }
        settings.ui = Some(Store::local(build));
        settings.static_prefix = "/ml".into();
    })
    .await
}

#[tokio::test]
async fn a_build_of_the_ui_is_served() {
    let mut app = app_with_a_build().await;
    let script = "application/javascript; charset=utf-8";
    let forever = "public, max-age=31536000, immutable";
    for (path, content_type, caching, content) in [
        ("/ml/", "text/html; charset=utf-8", "no-cache", "<html>"),
        ("/ml/static-files/manifest.json", "application/json", "no-cache", "{}"),
        ("/ml/static-files/static/js/main.7ffba301.js", script, forever, "x = 1"),
        ("/ml/build/static/js/main.7ffba301.js", script, forever, "x = 1"),
    ] {
        let (status, headers, body) = app.raw(Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!((status.as_u16(), &body[..]), (200, content.as_bytes()), "{path}");
        let names =
            ["content-type", "cache-control", "x-content-type-options", "vary", "content-disposition"];
        let expected = [content_type, caching, "nosniff", "Accept-Encoding", "-"];
        assert_eq!(pick(&headers, &names), expected, "{path}");
        let again = Request::get(path).header(header::IF_NONE_MATCH, &headers[header::ETAG]);
        let (status, again, _) = app.raw(again.body(Body::empty()).unwrap()).await;
        assert_eq!((status.as_u16(), pick(&again, &["vary"])), (304, vec!["Accept-Encoding"]));
    }
    assert!(app.get("/ml/static-files/nothing.js").await.starts_with("404"));
    assert!(app.get("/ml/experiments/0").await.contains("ENDPOINT_NOT_FOUND"), "pages are after a #");
    let (status, headers, _) = app.raw(Request::get("/ml").body(Body::empty()).unwrap()).await;
    assert_eq!((status.as_u16(), pick(&headers, &["location"])), (308, vec!["/ml/"]));
}

#[tokio::test]
async fn files_of_a_build_are_sent_compressed_to_those_who_take_it() {
    let mut app = app_with_a_build().await;
    let path = "/ml/static-files/static/js/main.7ffba301.js";
    let names = ["content-type", "content-encoding", "content-length", "content-range", "vary"];
    let script = "application/javascript; charset=utf-8";
    let mut tags = Vec::new();
    for (accepted, expected, content) in [
        ("gzip, br", [script, "gzip", "10", "-", "Accept-Encoding"], "compressed"),
        ("br", [script, "-", "5", "-", "Accept-Encoding"], "x = 1"),
    ] {
        for method in [Method::GET, Method::HEAD] {
            let request =
                Request::builder().method(&method).uri(path).header(header::ACCEPT_ENCODING, accepted);
            let (status, headers, body) = app.raw(request.body(Body::empty()).unwrap()).await;
            assert_eq!(
                (status.as_u16(), pick(&headers, &names)),
                (200, expected.to_vec()),
                "{method} {accepted}"
            );
            assert_eq!(body, if method == Method::GET { content } else { "" });
            tags.push(headers[header::ETAG].clone());
        }
    }
    assert_ne!(tags[0], tags[2], "two representations, two tags");
    for (tag, status) in [(&tags[0], 304), (&tags[2], 200)] {
        let request =
            Request::get(path).header(header::ACCEPT_ENCODING, "gzip").header(header::IF_NONE_MATCH, tag);
        assert_eq!(app.raw(request.body(Body::empty()).unwrap()).await.0.as_u16(), status);
    }
    let request =
        Request::get(path).header(header::ACCEPT_ENCODING, "gzip").header(header::RANGE, "bytes=0-2");
    let (status, headers, body) = app.raw(request.body(Body::empty()).unwrap()).await;
    assert_eq!((status.as_u16(), &body[..]), (206, b"com" as &[u8]));
    assert_eq!(pick(&headers, &names), [script, "gzip", "3", "bytes 0-2/10", "Accept-Encoding"]);
    let request = Request::get("/ml/static-files/manifest.json").header(header::ACCEPT_ENCODING, "gzip");
    let (status, headers, body) = app.raw(request.body(Body::empty()).unwrap()).await;
    assert_eq!((status.as_u16(), &body[..]), (200, b"{}" as &[u8]));
    assert_eq!(pick(&headers, &["content-encoding", "vary"]), ["-", "Accept-Encoding"]);
}

#[tokio::test]
async fn without_a_build_there_is_a_page_about_the_server() {
    let mut app = TestApp::with(|settings| {
        settings.artifact_root = "mlflow-artifacts:/<b>".into();
        settings.ui = Some(Store::local(settings.working_dir.join("no such build")));
    })
    .await;
    let (status, headers, body) = app.raw(Request::get("/").body(Body::empty()).unwrap()).await;
    let page = String::from_utf8(body.to_vec()).unwrap();
    assert_eq!((status.as_u16(), pick(&headers, &["content-type"])), (200, vec!["text/html; charset=utf-8"]));
    for fact in [
        env!("CARGO_PKG_VERSION"),
        "3.7.0",
        store::schema::HEAD,
        "mlartifacts",
        "mlflow-artifacts:/&lt;b&gt;",
    ] {
        assert!(page.contains(fact), "{fact}");
    }
    assert!(!page.contains("{{"));
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_stands_still_stores_nothing() {
    let mut app = TestApp::new().await;
    let limit = std::time::Duration::from_secs(60);
    let first = futures_util::stream::iter([Ok::<_, std::io::Error>("the first piece")]);
    let body = Body::from_stream(futures_util::StreamExt::chain(first, futures_util::stream::pending()));
    let request = Request::put(format!("{PROXY}/still/a.txt")).body(body).unwrap();
    let (request, late) = server::patience::watch(request, limit);
    let (status, _, _) = app.raw(request.map(Body::new)).await;
    assert_eq!(status, 400, "the handler saw a broken body");
    assert_eq!(late.or(Default::default(), limit).status(), 408);
    let listed = app.get(&format!("{PROXY}?path=still")).await;
    assert_eq!(listed, "200 OK application/json\n{}");
}
