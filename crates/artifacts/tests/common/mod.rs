//! The stores that the suite runs on: a local one always, and those that the environment names.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::SystemTime;

use artifacts::{ArtifactPath, ByteRange, Environment, Result, Store, Stores};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures_util::stream::{self, TryStreamExt};

/// Azurite's account; its key is public.
const ACCOUNT: &str = "devstoreaccount1";
pub const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// An empty store, and what must outlive it.
pub struct TestStore {
    pub name: &'static str,
    pub store: Store,
    _folder: Option<tempfile::TempDir>,
}

/// One empty store of each kind. Those of a cloud are there if the environment says where (`scripts/with-stores`).
pub fn stores() -> Vec<TestStore> {
    let folder = tempfile::tempdir().unwrap();
    let local = Store::local(folder.path().join("root"));
    let clouds = clouds().into_iter().map(|(name, store)| TestStore { name, store, _folder: None });
    std::iter::once(TestStore { name: "local", store: local, _folder: Some(folder) }).chain(clouds).collect()
}

/// An empty place in each cloud.
pub fn clouds() -> Vec<(&'static str, Store)> {
    let found = [("azure", azure_uri()), ("s3", s3_uri()), ("gcs", gcs_uri())];
    let opened = |(name, uri): (_, Option<String>)| Some((name, open(&uri?, environment())));
    found.into_iter().filter_map(opened).collect()
}

pub fn open(uri: &str, environment: Environment) -> Store {
    Stores::new("/".into(), environment).open(uri).unwrap()
}

/// What a server needs to know of the test's stores.
pub fn environment() -> Environment {
    Environment::new(|name| match name {
        "AZURE_STORAGE_CONNECTION_STRING" => Some(connection_string(KEY)?),
        "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("test".into()),
        "MLFLOW_S3_ENDPOINT_URL" => base("FERROFLOW_TEST_S3"),
        "STORAGE_EMULATOR_HOST" => base("FERROFLOW_TEST_GCS"),
        _ => None,
    })
}

pub fn connection_string(key: &str) -> Option<String> {
    let base = base("FERROFLOW_TEST_AZURITE")?;
    Some(format!("AccountName={ACCOUNT};AccountKey={key};BlobEndpoint={base}/{ACCOUNT}"))
}

pub fn base(variable: &str) -> Option<String> {
    std::env::var(variable).ok().map(|url| url.trim_end_matches('/').to_owned())
}

/// A place in a new container of Azurite.
pub fn azure_uri() -> Option<String> {
    let (base, name) = (base("FERROFLOW_TEST_AZURITE")?, new_name());
    let date = httpdate::fmt_http_date(SystemTime::now());
    let resource = format!("/{ACCOUNT}/{name}");
    let headers = format!("x-ms-date:{date}\nx-ms-version:2021-12-02\n");
    let signed = format!("PUT{}{headers}/{ACCOUNT}{resource}\nrestype:container", "\n".repeat(12));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &BASE64_STANDARD.decode(KEY).unwrap());
    let signature = BASE64_STANDARD.encode(ring::hmac::sign(&key, signed.as_bytes()));
    let authorization = format!("Authorization: SharedKey {ACCOUNT}:{signature}");
    let lines = [format!("x-ms-date: {date}"), "x-ms-version: 2021-12-02".into(), authorization];
    put_empty(&base, &format!("{resource}?restype=container"), &lines);
    Some(format!("wasbs://{name}@{ACCOUNT}.blob.core.windows.net/root/in-it"))
}

/// A place in a new bucket of S3.
pub fn s3_uri() -> Option<String> {
    let (base, name) = (base("FERROFLOW_TEST_S3")?, new_name());
    put_empty(&base, &format!("/{name}"), &[]);
    Some(format!("s3://{name}/root/in it"))
}

/// A new bucket of Google Cloud Storage.
pub fn gcs_uri() -> Option<String> {
    let (base, name) = (base("FERROFLOW_TEST_GCS")?, new_name());
    put_empty(&base, &format!("/{name}"), &[]);
    Some(format!("gs://{name}"))
}

/// Without a hyphen, which moto takes for part of the name when it comes as `%2D`.
fn new_name() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

fn put_empty(base: &str, target: &str, headers: &[String]) {
    send(base.strip_prefix("http://").unwrap(), target, headers, b"");
}

/// Puts something by plain HTTP, and answers the ETag.
pub fn send(host: &str, target: &str, headers: &[String], content: &[u8]) -> Option<String> {
    let mut connection = TcpStream::connect(host).unwrap();
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let length = content.len();
    let head = format!(
        "PUT {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n"
    );
    connection.write_all(head.as_bytes()).unwrap();
    // Who refuses does not wait for the content; the answer says why.
    let sent = connection.write_all(content);
    let mut answer = String::new();
    drop(connection.read_to_string(&mut answer));
    assert!(answer.starts_with("HTTP/1.1 20") && sent.is_ok(), "{answer}");
    answer.lines().find_map(|line| {
        Some(line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("etag"))?.1.to_owned())
    })
}

pub fn path(text: &str) -> ArtifactPath {
    ArtifactPath::parse(text).unwrap()
}

pub async fn put(store: &Store, to: &str, content: &'static str) -> Result<u64> {
    let chunks = content.as_bytes().chunks(3).map(|chunk| Ok::<_, std::io::Error>(Bytes::from_static(chunk)));
    store.put(&path(to), stream::iter(chunks)).await
}

pub async fn read(store: &Store, from: &str, range: Option<ByteRange>) -> Result<String> {
    let download = store.get(&path(from), range).await?;
    let chunks: Vec<Bytes> = download.body.try_collect().await?;
    let content = String::from_utf8(chunks.concat()).unwrap();
    assert_eq!(content.len() as u64, download.range.end - download.range.start);
    Ok(content)
}

pub async fn names(store: &Store, folder: &str) -> Vec<String> {
    store.list(&path(folder)).await.unwrap().into_iter().map(|file| file.path).collect()
}

/// All files of a store, with their sizes, sorted.
pub async fn walk(store: &Store, folder: &str) -> Vec<(String, u64)> {
    let found: Vec<_> = store.walk(&path(folder)).try_collect().await.unwrap();
    let mut found: Vec<_> = found.into_iter().map(|file| (file.path.to_string(), file.size)).collect();
    found.sort();
    found
}
