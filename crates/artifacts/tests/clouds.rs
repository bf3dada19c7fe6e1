//! What only clouds do: credentials, and errors that say what is wrong. Each test needs the store that it names.

#![expect(clippy::unwrap_used, reason = "a test")]

#[expect(dead_code, reason = "the suite of all stores uses the rest")]
mod common;

use std::fs;
use std::time::Duration;

use artifacts::{Environment, Error, Fault, Store};
use common::{connection_string, names, open, path, put, read};
use futures_util::stream::TryStreamExt;

/// The key of nobody.
const WRONG_KEY: &str = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0";

async fn fault(store: &Store) -> Fault {
    let Store::Cloud(cloud) = store else { panic!("{store}") };
    let error = cloud.check().await.unwrap_err();
    for text in [error.to_string(), format!("{error:?} {store:?} {store}")] {
        assert!(!text.contains(WRONG_KEY) && !text.contains("sig="), "{text}");
    }
    error.fault
}

fn with_connection(text: String) -> Environment {
    Environment::new(move |name| (name == "AZURE_STORAGE_CONNECTION_STRING").then(|| text.clone()))
}

#[tokio::test]
async fn the_check_writes_nothing() {
    for (name, store) in common::clouds() {
        let Store::Cloud(cloud) = &store else { panic!("{name}") };
        cloud.check_writable().await.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(common::walk(&store, "").await, [], "{name}");
    }
}

#[tokio::test]
async fn a_wrong_key_and_a_missing_container_are_told_apart() {
    let Some(uri) = common::azure_uri() else { return };
    let wrong = open(&uri, with_connection(connection_string(WRONG_KEY).unwrap()));
    assert_eq!(fault(&wrong).await, Fault::Credentials);
    let error = api::Error::from(read(&wrong, "f", None).await.unwrap_err());
    assert_eq!(error.code.http_status(), 500);
    assert!(error.message.contains("AZURE_STORAGE_ACCESS_KEY"), "{error}");
    let missing = open("wasbs://missing@devstoreaccount1.blob.core.windows.net/x", common::environment());
    assert_eq!(fault(&missing).await, Fault::Container);
    assert!(matches!(put(&missing, "f", "x").await, Err(Error::Cloud(e)) if e.fault == Fault::Container));
    assert!(matches!(read(&missing, "f", None).await, Err(Error::Cloud(e)) if e.fault == Fault::Container));
}

#[tokio::test]
async fn a_missing_bucket_is_named() {
    if common::base("FERROFLOW_TEST_S3").is_none() {
        return;
    }
    let missing = open("s3://missing/x", common::environment());
    assert_eq!(fault(&missing).await, Fault::Container);
}

#[tokio::test]
async fn an_endpoint_where_nobody_listens_is_out_of_reach() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = format!("AccountName=a;AccountKey={WRONG_KEY};BlobEndpoint=http://{closed}/a");
    let store = open("wasbs://c@a.blob.core.windows.net/x", with_connection(text));
    assert_eq!(fault(&store).await, Fault::Unreachable);
}

#[tokio::test]
async fn a_key_is_read_again_when_its_file_changes() {
    let Some(uri) = common::azure_uri() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("connection");
    fs::write(&file, connection_string(WRONG_KEY).unwrap()).unwrap();
    let named = file.to_str().unwrap().to_owned();
    let environment =
        Environment::new(move |name| (name == "AZURE_STORAGE_CONNECTION_STRING_FILE").then(|| named.clone()));
    let store = open(&uri, environment);
    assert!(put(&store, "f", "x").await.is_err());

    fs::write(&file, format!("{}\n", connection_string(common::KEY).unwrap())).unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    put(&store, "f", "x").await.unwrap();
    // What is no connection string leaves the old one in use.
    fs::write(&file, "half").unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(read(&store, "f", None).await.unwrap(), "x");
}

#[tokio::test]
async fn names_that_no_path_can_have_are_said_so() {
    let Some(uri) = common::s3_uri() else { return };
    let host = common::base("FERROFLOW_TEST_S3").unwrap();
    let host = host.strip_prefix("http://").unwrap();
    let bucket = uri.strip_prefix("s3://").unwrap().split('/').next().unwrap();
    let store = open(&format!("s3://{bucket}/root"), common::environment());
    put(&store, "good/f", "x").await.unwrap();
    // Marks of folders, as consoles of clouds make them.
    common::send(host, &format!("/{bucket}/root/good/"), &[], b"");
    assert_eq!(names(&store, "good").await, ["good/f"]);
    common::send(host, &format!("/{bucket}/root/bad//f"), &[], b"x");
    assert_eq!(names(&store, "good").await, ["good/f"]);
    assert_eq!(names(&store, "").await, ["bad", "good"]);
    let error = store.list(&path("bad")).await.unwrap_err();
    assert!(matches!(&error, Error::Cloud(e) if e.fault == Fault::Name), "{error}");
    assert!(store.walk(&path("bad")).try_collect::<Vec<_>>().await.is_err());
}
