//! The binary as its users meet it: help, exit codes, one sentence for each mistake, and an orderly end.

mod common;

use common::{Done, Server, run};
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use store::db::Db;
use store::uri::DatabaseUri;

fn assert_fails(done: &Done, code: i32, words: &[&str]) {
    assert_eq!(done.code, Some(code), "{}", done.stderr);
    assert_eq!(done.stdout, "");
    assert_eq!(done.stderr.lines().count(), 1, "{}", done.stderr);
    assert!(done.stderr.starts_with("Error: ") && done.stderr.ends_with(".\n"), "{}", done.stderr);
    for word in words {
        assert!(done.stderr.contains(word), "no {word} in {}", done.stderr);
    }
}

fn sqlite(path: &Path) -> String {
    format!("sqlite:///{}", path.display())
}

#[test]
fn help_shows_examples_and_no_values_of_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let secret = [("MLFLOW_BACKEND_STORE_URI", "postgresql://user:geheim@h/d")];
    for (arguments, words) in [
        (&["--help"] as &[&str], &["Examples:", "ferroflow server"] as &[&str]),
        (
            &["server", "--help"],
            &["Examples:", "--backend-store-uri", "MLFLOW_BACKEND_STORE_URI", "--ui-dir"],
        ),
        (&["db", "--help"], &["Examples:", "ferroflow db upgrade", "--db-host", "Exit codes: 0"]),
        (
            &["db", "upgrade", "--help"],
            &["Examples:", "ferroflow db upgrade --plan", "--auth", "Exit codes: 0"],
        ),
        (&["db", "status", "--help"], &["Examples:", "ferroflow db status", "Exit codes: 0"]),
        (&["db", "check", "--help"], &["Examples:", "ferroflow db check", "Exit codes: 0"]),
        (&["db", "wait", "--help"], &["Examples:", "ferroflow db wait --migrated", "Exit codes: 0"]),
        (&["--version"], &["ferroflow ", env!("CARGO_PKG_VERSION")]),
    ] {
        let done = run(folder.path(), arguments, &secret);
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
        assert!(!done.stdout.contains("geheim"));
        for word in words {
            assert!(done.stdout.contains(word), "no {word} in {}", done.stdout);
        }
    }
    let done = run(folder.path(), &[], &[]);
    assert!(done.code == Some(2) && done.stdout.is_empty() && done.stderr.contains("server"));
}

#[test]
fn wrong_values_are_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, word) in [
        ("nonsense", "see ferroflow --help"),
        ("db nonsense", "see ferroflow db --help"),
        ("db wait --timeout soon", "see ferroflow db wait --help"),
        ("db upgrade sqlite:///x.db y", "see ferroflow db upgrade --help"),
        ("db upgrade sqlite:///x.db --db-host h", "--db-host"),
        ("db status nonsense://x", "URI"),
        ("db check", "MLFLOW_BACKEND_STORE_URI"),
        ("--env-file x server", "--env-file"),
        ("server --no-such-option", "see ferroflow server --help"),
        ("server --port abc", "--port"),
        ("server --port 70000", "70000"),
        ("server --port -1", "-1"),
        ("server --port", "--port"),
        ("server --shutdown-grace soon", "--shutdown-grace"),
        ("server --log-level loud", "--log-level"),
        ("server --backend-store-uri ./mlruns", "file store"),
        ("server --backend-store-uri file:///mlruns", "file store"),
        ("server --backend-store-uri mysql://user@host/database", "MySQL"),
        ("server --backend-store-uri sqlite://x.db", "three slashes"),
        ("server --registry-store-uri mysql://user@host/database", "--registry-store-uri"),
        ("server --static-prefix ml", "must begin with a '/'"),
        ("server --static-prefix /ml/", "should not end with a '/'"),
        ("server --static-prefix /{ml}", "--static-prefix"),
        ("server --artifacts-destination hdfs://host/bucket", "cannot be stored in 'hdfs'"),
        ("server --artifacts-only --no-serve-artifacts", "--artifacts-only"),
        ("server --artifacts-only --backend-store-uri sqlite:///x.db", "--artifacts-only"),
        ("server --app-name basic-auth", "later version"),
        ("server --gunicorn-opts x --uvicorn-opts y", "Cannot specify multiple server options"),
        ("server --dev --uvicorn-opts y", "cannot be specified together"),
        ("server --x-frame-options ALLOW-FROM", "SAMEORIGIN"),
        ("server --allowed-hosts http://mlflow.example", "--allowed-hosts"),
        ("server --cors-allowed-origins mlflow.example", "--cors-allowed-origins"),
        ("server --ui-dir /no/such/folder", "--ui-dir"),
    ] {
        let arguments: Vec<_> = arguments.split(' ').collect();
        assert_fails(&run(folder.path(), &arguments, &[]), 2, &[word]);
    }
    for (name, value, word) in [
        ("MLFLOW_PORT", "abc", "abc"),
        ("MLFLOW_ARTIFACTS_ONLY", "perhaps", "--artifacts-only"),
        ("MLFLOW_SERVE_ARTIFACTS", "2", "--serve-artifacts"),
        ("MLFLOW_BACKEND_STORE_URI", "nonsense://x", "--backend-store-uri"),
        ("FERROFLOW_LOG", "loud", "--log-level"),
        ("FERROFLOW_WEBHOOK_ALLOWED_NETWORKS", "https://x", "--webhook-allowed-networks"),
        ("MLFLOW_WEBHOOK_ALLOWED_SCHEMES", "https,ftp", "--webhook-allowed-schemes"),
        ("MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY", "short", "32 bytes"),
    ] {
        assert_fails(&run(folder.path(), &["server"], &[(name, value)]), 2, &[word]);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
}

#[test]
fn passwords_are_never_printed() {
    let folder = tempfile::tempdir().unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let uri = format!("postgresql://user:geheim@127.0.0.1:{closed}/db");
    let with_equals = format!("--backend-store-url={uri}");
    for arguments in [
        vec!["server", "--registry-store-uri", "mysql://user:geheim@host/db"],
        vec!["server", "--backend-store-uri", "postgresql://user:geheim@host:port/db"],
        vec!["server", "--backend-store-uri", "mysql://user:geheim@host/db"],
        vec!["server", "--artifacts-destination", "s3://key:geheim@bucket"],
        vec!["server", "--artifacts-only", "--backend-store-uri", &uri],
        vec!["server", "--port", &uri],
        vec!["server", &with_equals],
        vec!["server", "postgresql://host/db?user=u&password=geheim"],
        vec!["server", &uri],
        vec![&uri],
    ] {
        let done = run(folder.path(), &arguments, &[]);
        assert!(matches!(done.code, Some(1 | 2)), "{arguments:?}");
        assert!(!done.stderr.contains("geheim"), "{}", done.stderr);
    }
    let done = run(folder.path(), &["server"], &[("MLFLOW_PORT", &uri)]);
    assert!(done.code == Some(2) && !done.stderr.contains("geheim"), "{}", done.stderr);
}

#[test]
fn a_server_without_its_database_waits_and_ends_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let uri = format!("postgresql://user:geheim@127.0.0.1:{closed}/db");
    let server =
        Server::start_closed(folder.path(), &["--static-prefix", "/ml", "--backend-store-uri", &uri], &[]);
    for (path, status) in
        [("/ml/livez", 200), ("/ml/health", 200), ("/ml/version", 200), ("/ml/readyz", 503), ("/ml/", 503)]
    {
        let answer = server.request(&format!("GET {path} HTTP/1.1\r\nHost: localhost"));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")) && !answer.contains("geheim"), "{answer}");
    }
    server.signal("TERM");
    let said = server.banner.clone();
    let (status, log) = server.end();
    assert!(status.success() && !said.contains("geheim") && !log.contains("geheim"), "{said}{log}");
}

#[test]
fn surroundings_that_do_not_work_are_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let in_folder = |name: &str| folder.path().join(name);
    let server =
        |arguments: &[&str]| run(folder.path(), &[&["server", "--port", "0"], arguments].concat(), &[]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    assert_fails(&run(folder.path(), &["server", "--port", &port], &[]), 1, &[&port, "another --port"]);
    assert_fails(&server(&["--host", "no-such-host.invalid"]), 1, &["no-such-host.invalid", "--host"]);
    assert!(!in_folder("mlflow.db").exists(), "no database is made on the way");

    fs::write(in_folder("file"), "not a folder, and not a database\n".repeat(200)).unwrap();
    let below_a_file = in_folder("file/artifacts");
    let done = server(&["--artifacts-destination", below_a_file.to_str().unwrap()]);
    assert_fails(&done, 1, &["cannot write", "--artifacts-destination"]);
    for name in ["file", "", "no/such/folder/mlflow.db"] {
        let done = server(&["--backend-store-uri", &sqlite(&in_folder(name))]);
        assert_fails(&done, 1, &["cannot", &in_folder(name).display().to_string()]);
    }
}

#[tokio::test]
async fn a_database_of_another_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mlflow.db");
    let made = Server::start(folder.path(), &[], &[]);
    made.signal("TERM");
    assert!(made.end().0.success());

    let db = Db::open(&DatabaseUri::parse(&sqlite(&path)).unwrap()).await.unwrap();
    let change = "UPDATE alembic_version SET version_num = 'fedcba987654'";
    db.write(move |tx| Box::pin(async move { tx.exec(change, &[]).await })).await.unwrap();
    drop(db);
    let server = Server::start_closed(folder.path(), &[], &[]);
    for words in ["fedcba987654", store::schema::HEAD, "Use a newer Ferroflow"] {
        assert!(server.banner.contains(words), "no {words} in {}", server.banner);
    }
    assert!(server.request("GET /livez HTTP/1.1\r\nHost: localhost").starts_with("HTTP/1.1 200"));
    assert!(server.request("GET /readyz HTTP/1.1\r\nHost: localhost").starts_with("HTTP/1.1 503"));
    server.signal("TERM");
    assert!(server.end().0.success());

    let other = sqlite(&folder.path().join("other.db"));
    let db = Db::open(&DatabaseUri::parse(&other).unwrap()).await.unwrap();
    let others = "CREATE TABLE other (a INTEGER)";
    db.write(move |tx| Box::pin(async move { tx.exec(others, &[]).await })).await.unwrap();
    drop(db);
    let done = run(folder.path(), &["server", "--port", "0", "--backend-store-uri", &other], &[]);
    assert_fails(&done, 1, &["no MLflow schema revision"]);
}

#[test]
fn a_start_says_what_runs() {
    let folder = tempfile::tempdir().unwrap();
    // Variables that are set to nothing, as compose files do, are not set.
    let empty = [("MLFLOW_BACKEND_STORE_URI", ""), ("MLFLOW_PORT", ""), ("MLFLOW_ARTIFACTS_ONLY", "")];
    // The last of repeated options counts, as in MLflow.
    let options = ["--host=203.0.113.1", "--host", "0.0.0.0", "--static-prefix", "/ml"];
    let first = Server::start(folder.path(), &options, &empty);
    let address = format!("http://127.0.0.1:{}/ml, and every network interface\n", first.port);
    let artifacts = format!("{}/mlartifacts, served by this server", folder.path().display());
    for words in ["Ferroflow", &address, "SQLite mlflow.db, created", store::schema::HEAD, &artifacts] {
        assert!(first.banner.contains(words), "no {words} in {}", first.banner);
    }
    assert!(!first.banner.contains('\x1b'));
    assert!(first.request("GET /ml/health HTTP/1.1\r\nHost: any.example").starts_with("HTTP/1.1 200"));
    drop(first);

    let variables = [
        ("MLFLOW_SERVE_ARTIFACTS", "false"),
        ("MLFLOW_WORKERS", "4"),
        ("MLFLOW_EXPOSE_PROMETHEUS", "metrics"),
    ];
    let second = Server::start(folder.path(), &["--default-artifact-root=ftp://u:geheim@h/x"], &variables);
    for words in [
        "SQLite mlflow.db, existing",
        "ftp://h/x, reached by clients",
        "no effect here: --workers;",
        "; --expose-prometheus;",
    ] {
        assert!(second.banner.contains(words), "no {words} in {}", second.banner);
    }
    let third = Server::start(folder.path(), &["--no-serve-artifacts", "--serve-artifacts"], &variables);
    assert!(third.banner.contains("served by this server"), "{}", third.banner);
}

#[test]
fn a_reader_that_went_away_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    drop(reader);
    let mut child = Command::new(env!("CARGO_BIN_EXE_ferroflow"))
        .args(["server", "--port", &port.to_string()])
        .current_dir(folder.path())
        .stderr(writer)
        .spawn()
        .unwrap();
    // It is answered only after everything that a start prints.
    let answered = (0..1000).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        let Ok(mut connection) = TcpStream::connect(("127.0.0.1", port)) else { return false };
        let mut answer = [0; 12];
        connection.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        connection.read_exact(&mut answer).is_ok() && &answer == b"HTTP/1.1 200"
    });
    let running = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(answered && running);
}

#[test]
fn a_refused_host_is_logged_once_with_the_option_that_allows_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[], &[]);
    for _ in 0..3 {
        let answer =
            server.request("GET /api/2.0/mlflow/experiments/get HTTP/1.1\r\nHost: mlflow.example:5000");
        assert!(
            answer.starts_with("HTTP/1.1 403") && answer.ends_with("DNS rebinding attack detected"),
            "{answer}"
        );
    }
    server.signal("TERM");
    let (status, log) = server.end();
    assert!(status.success());
    assert_eq!(log.matches("--allowed-hosts localhost,127.0.0.1,mlflow.example").count(), 1, "{log}");
}

const SLOW: &str = "POST /api/2.0/mlflow/experiments/create HTTP/1.1\r\nHost: localhost\r\n\
                    Content-Type: application/json\r\nContent-Length: 17\r\nExpect: 100-continue\r\n\r\n";

#[test]
fn requests_in_flight_are_finished() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["TERM", "INT"] {
        let server = Server::start(folder.path(), &[], &[]);
        let mut idle = server.connect();
        let mut slow = server.connect();
        slow.write_all(SLOW.as_bytes()).unwrap();
        // `100 Continue` says that the handler has begun.
        slow.read_exact(&mut [0; 25]).unwrap();
        server.signal(name);
        server.wait_for("stopping");
        // To the end, since a signal may interrupt a single read.
        assert_eq!(idle.read_to_end(&mut Vec::new()).unwrap(), 0, "idle connections are closed at once");
        write!(slow, "{{\"name\":\"x{name:_>5}\"}}").unwrap();
        let mut answer = String::new();
        slow.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("experiment_id"), "{answer}");
        assert_eq!(server.end().0.code(), Some(0));
    }
}

#[test]
fn a_second_signal_and_the_end_of_the_grace_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    for grace in ["3600", "0"] {
        let server = Server::start(folder.path(), &["--shutdown-grace", grace], &[]);
        let mut slow = server.connect();
        slow.write_all(SLOW.as_bytes()).unwrap();
        slow.read_exact(&mut [0; 25]).unwrap();
        server.signal("TERM");
        if grace != "0" {
            server.wait_for("stopping");
            server.signal("TERM");
        }
        assert_eq!(server.end().0.code(), Some(1));
    }
}
