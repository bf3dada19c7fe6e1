//! `ferroflow server` as its operators meet it: the program itself, its exit codes and its words.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use store::db::Db;
use store::uri::DatabaseUri;

const LONG: Duration = Duration::from_secs(60);

/// The program in a folder of its own, without the variables of whoever runs the tests.
fn ferroflow(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ferroflow"));
    command.args(args).current_dir(folder).env_clear().stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

fn finished(mut command: Command) -> Output {
    let mut child = command.spawn().expect("a process");
    let deadline = Instant::now() + LONG;
    while child.try_wait().expect("a status").is_none() {
        if Instant::now() > deadline {
            child.kill().expect("a kill");
            panic!("the server started: {command:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().expect("an output")
}

/// What `ferroflow server ARGS` says before it ends with `code`.
fn refused(folder: &Path, args: &[&str], code: i32) -> String {
    let args: Vec<_> = ["server", "--port", "0"].iter().chain(args).copied().collect();
    let output = finished(ferroflow(folder, &args));
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    assert_eq!(text(&output.stdout), "", "{args:?}");
    assert!(said.lines().count() <= 2 && said.starts_with("Error: "), "{args:?}: {said}");
    assert!(!said.contains("..\n"), "{args:?}: {said}");
    said
}

/// A running server on a free port.
struct Server {
    child: Child,
    lines: Receiver<String>,
    said: String,
    port: u16,
}

impl Server {
    fn start(folder: &Path, args: &[&str]) -> Self {
        let args: Vec<_> = ["server", "--port=0"].iter().chain(args).copied().collect();
        Self::of(ferroflow(folder, &args))
    }

    /// Waits for the line with the address.
    fn of(mut command: Command) -> Self {
        let mut child = command.spawn().expect("a process");
        let mut stderr = child.stderr.take().expect("a pipe");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let (mut chunk, mut waiting) = ([0; 4096], String::new());
            while let Ok(count @ 1..) = stderr.read(&mut chunk) {
                waiting.push_str(&String::from_utf8_lossy(&chunk[..count]));
                while let Some(end) = waiting.find('\n') {
                    let _ = sender.send(waiting.drain(..=end).collect::<String>());
                }
            }
        });
        let mut server = Self { child, lines, said: String::new(), port: 0 };
        server.wait_for("  web UI ");
        let address = server.said.split("http://").nth(1).expect("an address");
        let address = address.split([' ', '\n', '/']).next().expect("an address");
        server.port = address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        server
    }

    fn wait_for(&mut self, words: &str) {
        while !self.said.contains(words) {
            match self.lines.recv_timeout(LONG) {
                Ok(line) => self.said.push_str(&line),
                Err(_) => panic!("no {words:?} in: {}", self.said),
            }
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("a connection");
        stream.set_read_timeout(Some(LONG)).expect("a timeout");
        stream
    }

    fn get(&self, path: &str) -> String {
        let mut stream = self.connect();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(status.expect("kill").success());
    }

    /// Everything it said, and its exit code.
    fn ended(mut self) -> (String, Option<i32>) {
        let deadline = Instant::now() + LONG;
        let status = loop {
            match self.child.try_wait().expect("a status") {
                Some(status) => break status,
                None if Instant::now() > deadline => panic!("still running: {}", self.said),
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        while let Ok(line) = self.lines.recv_timeout(LONG) {
            self.said.push_str(&line);
        }
        (std::mem::take(&mut self.said), status.code())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn help_has_examples_and_variables() {
    let folder = folder();
    let output = finished(ferroflow(folder.path(), &["server", "--help"]));
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0));
    for words in ["Examples:", "--allowed-hosts mlflow.example", "MLFLOW_BACKEND_STORE_URI", "-h, --host"] {
        assert!(said.contains(words), "no {words} in {said}");
    }
    let mut secret = ferroflow(folder.path(), &["server", "--help"]);
    secret.env("MLFLOW_BACKEND_STORE_URI", "postgresql://u:geheim@h/d");
    assert!(!text(&finished(secret).stdout).contains("geheim"));
}

#[test]
fn wrong_options_end_with_2() {
    let folder = folder();
    std::fs::create_dir(folder.path().join("empty")).expect("a folder");
    for (args, words) in [
        (&["--host"][..], "'--host <HOST>'"),
        (&["--port", "http"], "'--port <PORT>'"),
        (&["--backend-stor-uri=x"], "'--backend-stor-uri'"),
        (&["surplus"], "surplus"),
        (&["--static-prefix", "ml"], "--static-prefix must begin with a '/'"),
        (&["--static-prefix", "/ml/"], "--static-prefix should not end with a '/'"),
        (&["--app-name", "basic-auth"], "--app-name comes with a later version"),
        (&["--expose-prometheus", "m"], "--expose-prometheus comes with a later version"),
        (&["--backend-store-uri", "./mlruns"], "sqlite:///"),
        (&["--backend-store-uri", "file:///mlruns"], "sqlite:///"),
        (&["--backend-store-uri", "sqlite://x.db"], "three slashes"),
        (&["--backend-store-uri", "mysql://h/d"], "MySQL"),
        (&["--registry-store-uri", "sqlite:///b.db"], "--registry-store-uri must be the same"),
        (&["--artifacts-destination", "s3://bucket/x"], "comes with a later version"),
        (&["--artifacts-destination=wasbs://c@a.blob.core.windows.net"], "comes with a later version"),
        (&["--artifacts-only", "--backend-store-uri", "sqlite:///x.db"], "--artifacts-only keeps no runs"),
        (&["--artifacts-only", "--no-serve-artifacts"], "nothing to serve"),
        (&["--gunicorn-opts", "-t 9", "--uvicorn-opts", "x"], "Cannot specify multiple server options"),
        (&["--dev", "--gunicorn-opts", "-t 9"], "'--dev' and '--gunicorn-opts' cannot be"),
        (&["--dev", "--uvicorn-opts=--reload"], "'--dev' and '--uvicorn-opts' cannot be"),
        (&["--x-frame-options", "ALLOW-FROM x"], "SAMEORIGIN, DENY or NONE"),
        (&["--ui-dir", "empty"], "no index.html"),
        (&["--artifacts-only=maybe"], "true or false"),
    ] {
        let said = refused(folder.path(), args, 2);
        assert!(said.contains(words), "{args:?}: no {words:?} in {said}");
    }
    assert!(!folder.path().join("mlflow.db").exists(), "a refused start must leave nothing behind");
}

#[test]
fn no_password_is_repeated() {
    let folder = folder();
    let dead = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let unreachable = format!("postgresql://u:geheim@{dead}/ml");
    for (args, code) in [
        (&["--backend-store-uri", "postgresql://u:geheim@h:notaport/ml"][..], 2),
        (&["--backend-store-uri", "oracle://u:geheim@h/ml"], 2),
        (&["--backend-store-uri", "postgresql://u:geheim@h/ml?sslmode=require"], 2),
        (&["postgresql://u:geheim@h/ml"], 2),
        (&["--port", "postgresql://u:geheim@h/ml"], 2),
        (&["--artifacts-only", "--backend-store-uri", "postgresql://u:geheim@h/ml"], 2),
        (&["--registry-store-uri", "postgresql://u:geheim@h/ml"], 2),
        (&["--backend-store-uri", &unreachable], 1),
    ] {
        let said = refused(folder.path(), args, code);
        assert!(!said.contains("geheim"), "{args:?}: {said}");
    }
}

#[test]
fn surroundings_that_do_not_fit_end_with_1() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("folder.db")).expect("a folder");
    std::fs::write(path("garbage.db"), "not a database at all, but long enough to look at\n".repeat(99))
        .expect("a file");
    std::fs::write(path("file"), "").expect("a file");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let said = text(&finished(ferroflow(folder.path(), &["server", "-p", &port])).stderr);
    assert!(said.contains(&format!("cannot listen on 127.0.0.1:{port}")), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    for (args, words) in [
        (&["--backend-store-uri", "sqlite:///folder.db"][..], "folder.db"),
        (&["--backend-store-uri", "sqlite:///garbage.db"], "garbage.db"),
        (&["--backend-store-uri", "sqlite:///no/such/folder/x.db"], "no/such/folder/x.db"),
        (&["--artifacts-destination", "file"], "cannot write to"),
        (&["--host", "203.0.113.1"], "cannot listen on 203.0.113.1:"),
    ] {
        let said = refused(folder.path(), args, 1);
        assert!(said.contains(words), "{args:?}: no {words:?} in {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn schemas_of_others_are_refused_by_name() {
    let folder = folder();
    let revision = "CREATE TABLE alembic_version (version_num TEXT); \
                    INSERT INTO alembic_version VALUES ('4465047574b1')";
    make_database(&folder.path().join("mlflow.db"), revision);
    let said = refused(folder.path(), &[], 1);
    for revision in ["4465047574b1", "bf29a5ff90ea"] {
        assert!(said.contains(revision), "no {revision} in {said}");
    }
    make_database(&folder.path().join("other.db"), "CREATE TABLE other (a INTEGER)");
    let said = refused(folder.path(), &["--backend-store-uri", "sqlite:///other.db"], 1);
    assert!(said.contains("no MLflow schema revision"), "{said}");
}

fn make_database(path: &Path, sql: &'static str) {
    let uri = DatabaseUri::parse(&format!("sqlite:///{}", path.display())).expect("an address");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let made = runtime.block_on(async {
        Db::open(&uri).await?.write(move |tx| Box::pin(async move { tx.script(sql).await })).await
    });
    made.expect("a database");
}

#[test]
fn a_start_says_what_runs() {
    let folder = folder();
    // The last of repeated options counts, as with MLflow.
    let server = Server::start(
        folder.path(),
        &[
            "--host=203.0.113.1",
            "--host",
            "0.0.0.0",
            "--static-prefix=/ml",
            "-w",
            "4",
            "--gunicorn-opts",
            "-t 9",
        ],
    );
    assert!(server.get("/ml/health").ends_with("\r\n\r\nOK"));
    let (port, said) = (server.port, server.said.clone());
    for words in [
        "Note: --workers means nothing here",
        "Note: --gunicorn-opts means nothing here",
        "with the API of MLflow 3.7.0",
        &format!("  address    http://127.0.0.1:{port}/ml, on every network interface\n"),
        "  database   SQLite mlflow.db, created, schema revision bf29a5ff90ea\n",
        "mlartifacts, served by this server\n",
    ] {
        assert!(said.contains(words), "no {words:?} in {said}");
    }
    assert!(!said.contains('\x1b'), "colours without a terminal: {said}");
    drop(server);
    let mut command = ferroflow(folder.path(), &["server", "--no-serve-artifacts"]);
    // An empty variable is none.
    command.env("MLFLOW_PORT", "0").env("MLFLOW_HOST", "").env("MLFLOW_BACKEND_STORE_URI", "");
    let server = Server::of(command);
    assert!(server.said.contains("found, schema revision"), "{}", server.said);
    assert!(server.said.contains("mlruns, not served by this server"), "{}", server.said);
}

#[test]
fn a_refused_host_is_explained_once() {
    let folder = folder();
    let mut server = Server::start(folder.path(), &["--allowed-hosts", "ml.example,localhost"]);
    for host in ["10.evil.example", "10.evil.example", "last.example"] {
        let mut stream = server.connect();
        write!(stream, "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    }
    server.wait_for("--allowed-hosts ml.example,localhost,last.example");
    let advice = "add --allowed-hosts ml.example,localhost,10.evil.example";
    assert_eq!(server.said.matches(advice).count(), 1, "{}", server.said);
}

/// A request to create an experiment whose body has been sent up to its middle; the rest of it.
fn half_a_request(server: &Server, name: &str) -> (TcpStream, String) {
    let body = format!(r#"{{"name": "{name}"}}"#);
    let (first, rest) = body.split_at(body.len() / 2);
    let mut stream = server.connect();
    let head = format!(
        "POST /api/2.0/mlflow/experiments/create HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("a head");
    // The server asks for the body once a handler reads it, so the request is in flight.
    let mut answer = [0; 25];
    stream.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(first.as_bytes()).expect("half a body");
    (stream, rest.to_owned())
}

#[test]
fn told_to_stop_it_finishes_what_has_begun() {
    for signal in ["-TERM", "-INT"] {
        let folder = folder();
        let mut server = Server::start(folder.path(), &[]);
        let (mut stream, rest) = half_a_request(&server, "slow");
        server.signal(signal);
        server.wait_for("stopping: finishing the requests in flight");
        stream.write_all(rest.as_bytes()).expect("the other half");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert!(answer.contains("experiment_id"), "{answer}");
        let (said, code) = server.ended();
        assert_eq!(code, Some(0), "{said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}

#[test]
fn told_twice_it_stops_at_once() {
    let folder = folder();
    let mut server = Server::start(folder.path(), &[]);
    let _unfinished = half_a_request(&server, "never");
    server.signal("-TERM");
    server.wait_for("stopping: finishing the requests in flight");
    server.signal("-INT");
    let (said, code) = server.ended();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("stopped at once"), "{said}");
}
