//! `ferroflow ui`: installing the web UI, and what a server makes of one that is installed.

#[expect(dead_code, reason = "`server.rs` uses the rest")]
mod common;

use common::{Done, Server, run};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

const HOME: &str = "FERROFLOW_UI_HOME";

fn install(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Done {
    run(folder, &[&["ui", "install"], arguments].concat(), &[&[(HOME, "home")], variables].concat())
}

fn assert_fails(done: &Done, code: i32, words: &[&str]) {
    assert_eq!((done.code, done.stderr.lines().count()), (Some(code), 1), "{}", done.stderr);
    for word in words {
        assert!(done.stderr.contains(word), "no {word} in {}", done.stderr);
    }
}

/// An index that answers each request with the next of `answers`. Its address has a password.
fn index(answers: Vec<String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for answer in answers {
            let (mut connection, _) = listener.accept().expect("a connection");
            // The whole head comes in one piece over the loopback.
            let _ = connection.read(&mut [0; 4096]).expect("a request");
            connection.write_all(answer.as_bytes()).expect("a connection");
        }
    });
    format!("http://user:geheim@127.0.0.1:{port}/simple")
}

fn answer(status: &str, content_type: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

#[test]
fn what_is_not_the_wheel_is_not_installed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("other.whl"), "other").unwrap();
    let from = |arguments: &[&str]| install(folder.path(), arguments, &[]);
    assert_fails(&from(&["--wheel", "no.whl"]), 1, &["cannot read no.whl", "pip download mlflow==3.7.0"]);
    assert_fails(
        &from(&["--wheel", "other.whl"]),
        1,
        &["other.whl: this is not mlflow-3.7.0", "nothing was installed"],
    );
    assert_fails(&from(&["--index", "packages.example"]), 2, &["--index", "https://pypi.org/simple"]);
    assert_fails(&from(&["--port", "1"]), 2, &["see ferroflow ui install --help"]);
    assert!(!folder.path().join("home").exists());
}

#[test]
fn an_index_is_asked_for_the_wheel() {
    let folder = tempfile::tempdir().unwrap();
    let json = "application/vnd.pypi.simple.v1+json";
    let list = r#"{"files": [{"filename": "mlflow-3.7.0-py3-none-any.whl", "url": "../../w.whl"}]}"#;
    let page = "<a href='/w/mlflow-3.7.0-py3-none-any.whl#sha256=0'>mlflow-3.7.0-py3-none-any.whl</a>";
    let wheel = || answer("200 OK", "binary/octet-stream", "not the wheel");
    for (answers, words) in [
        (
            vec![answer("200 OK", json, list), wheel()],
            ["mlflow-3.7.0-py3-none-any.whl: this is not", "nothing"],
        ),
        (
            vec![answer("200 OK", "text/html", page), wheel()],
            ["mlflow-3.7.0-py3-none-any.whl: this is not", "nothing"],
        ),
        (
            vec![answer("200 OK", json, r#"{"files": []}"#)],
            ["has no mlflow-3.7.0-py3-none-any.whl", "--index"],
        ),
        (
            vec![answer("200 OK", json, list), answer("403 Forbidden", "text/plain", "")],
            ["answers 403", "w.whl"],
        ),
        (vec![answer("404 Not Found", "text/plain", "")], ["answers 404", "/simple/mlflow/"]),
        (vec!["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx".to_owned()], ["broke off", "127.0.0.1"]),
        (vec![], ["cannot reach http://127.0.0.1", "connection"]),
    ] {
        let index = index(answers);
        let done = install(folder.path(), &[], &[("PIP_INDEX_URL", &index), ("NO_PROXY", "127.0.0.1")]);
        assert_fails(&done, 1, &words);
        assert!(!done.stderr.contains("geheim") && !done.stdout.contains("geheim"), "{}", done.stderr);
        assert!(!folder.path().join("home").exists());
    }
}

#[test]
fn what_is_installed_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost");
    let server = Server::start(folder.path(), &[], &[]);
    assert!(server.banner.contains("none installed: `ferroflow ui install`"), "{}", server.banner);
    assert!(server.request(&get("/")).contains("ferroflow ui install"));
    drop(server);

    let build = folder.path().join("home/3.7.0");
    fs::create_dir_all(&build).unwrap();
    fs::write(build.join("index.html"), "the installed one").unwrap();
    let server = Server::start(folder.path(), &[], &[(HOME, "home")]);
    assert!(server.banner.contains("home/3.7.0"), "{}", server.banner);
    assert!(server.request(&get("/")).ends_with("the installed one"));
    drop(server);

    let other = folder.path().join("other");
    fs::create_dir_all(&other).unwrap();
    fs::write(other.join("index.html"), "the other one").unwrap();
    let server = Server::start(folder.path(), &["--ui-dir", "other"], &[(HOME, "home")]);
    assert!(server.request(&get("/")).ends_with("the other one"));

    let done = install(folder.path(), &["--wheel", "no.whl"], &[]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    assert!(done.stdout.contains("home/3.7.0 already"), "{}", done.stdout);
}

#[test]
fn without_a_command_it_is_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let done = run(folder.path(), &["ui", "--static-prefix", "ml"], &[]);
    assert_fails(&done, 2, &["must begin with a '/'", "see ferroflow ui --help"]);
    for (arguments, words) in [
        (&["ui", "--help"] as &[&str], &["install", "--backend-store-uri", "Examples:"] as &[&str]),
        (&["ui", "install", "--help"], &["Examples:", "--wheel", "FERROFLOW_UI_HOME", "Exit codes: 0"]),
    ] {
        let done = run(
            folder.path(),
            arguments,
            &[("PIP_INDEX_URL", "https://user:geheim@packages.example/simple")],
        );
        assert_eq!(done.code, Some(0));
        assert!(words.iter().all(|word| done.stdout.contains(word)), "{}", done.stdout);
        assert!(!done.stdout.contains("geheim"));
    }
}
