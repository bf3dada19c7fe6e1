//! Which refusals of a server may pass by themselves: a server that starts waits for those, and ends at the others.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use store::Error;
use store::db::Db;
use store::uri::DatabaseUri;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Takes connections and refuses every log-in, as PostgreSQL's messages are made: a kind, a length, and fields by letter.
async fn refusing(code: &'static str, message: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut asked = [0; 1024];
            assert!(client.read(&mut asked).await.unwrap() > 0);
            let fields = format!("SFATAL\0VFATAL\0C{code}\0M{message}\0\0");
            let length = u32::try_from(fields.len() + 4).unwrap();
            client.write_all(&[b"E", &length.to_be_bytes()[..], fields.as_bytes()].concat()).await.unwrap();
        }
    });
    format!("postgresql://user:geheim@{address}/db?sslmode=disable")
}

async fn open(uri: &str) -> Error {
    let error = Db::open(&DatabaseUri::parse(uri).unwrap()).await.err().unwrap();
    assert!(!error.to_string().contains("geheim"), "{error}");
    error
}

#[tokio::test]
async fn what_a_server_says_at_the_log_in() {
    for (code, message, may_pass) in [
        ("57P03", "the database system is starting up", true),
        ("57P03", "the database system is in recovery mode", true),
        ("53300", "sorry, too many clients already", true),
        ("57P01", "terminating connection due to administrator command", true),
        ("08P01", "server login has been failing, try again later (server_login_retry)", true),
        ("08P01", "no such database: db", false),
        ("08P01", "unsupported startup parameter: options", false),
        ("28P01", "password authentication failed for user \"user\"", false),
        ("28000", "no pg_hba.conf entry for host \"127.0.0.1\"", false),
        ("3D000", "database \"db\" does not exist", false),
        ("42501", "permission denied for database \"db\"", false),
        ("22023", "invalid value for parameter", false),
    ] {
        let error = open(&refusing(code, message).await).await;
        assert_eq!(error.may_pass(), may_pass, "{code} {message}: {error}");
        assert!(error.to_string().contains(message), "{error}");
    }
}

#[tokio::test]
async fn what_the_system_says() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for (uri, may_pass) in [
        (format!("postgresql://user@{closed}/db"), true),
        ("postgresql://user@no-such-host.invalid/db".to_owned(), true),
        ("postgresql://user@/db?host=/no/such/folder".to_owned(), true),
        (format!("postgresql://user@{closed}/db?sslmode=verify-full&sslrootcert=/no/such/file"), false),
        ("sqlite:////no/such/folder/mlflow.db".to_owned(), false),
    ] {
        let error = open(&uri).await;
        assert_eq!(error.may_pass(), may_pass, "{uri}: {error}");
    }
}
