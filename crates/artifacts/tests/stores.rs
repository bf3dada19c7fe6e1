//! What every store does, and each in the same way: run on a local directory, and on the clouds that the environment names.

#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime};

use artifacts::multipart::SentPart;
use artifacts::{ByteRange, Error, Store};
use bytes::Bytes;
use common::{names, path, put, read, stores, walk};
use futures_util::stream::{self, StreamExt, TryStreamExt};

#[tokio::test]
async fn what_is_put_can_be_read_listed_and_deleted() {
    for test in stores() {
        let (store, name) = (&test.store, test.name);
        assert_eq!(put(store, "1/run/artifacts/b.txt", "hello world").await.unwrap(), 11);
        put(store, "1/run/artifacts/a/empty", "").await.unwrap();
        assert_eq!(read(store, "1/run/artifacts/b.txt", None).await.unwrap(), "hello world");
        assert_eq!(read(store, "1/run/artifacts/a/empty", None).await.unwrap(), "");

        let listed = store.list(&path("1/run/artifacts")).await.unwrap();
        let listed: Vec<_> = listed.iter().map(|f| (f.path.as_str(), f.is_dir, f.file_size)).collect();
        let expected = [("1/run/artifacts/a", true, None), ("1/run/artifacts/b.txt", false, Some(11))];
        assert_eq!(listed, expected, "{name}");
        assert_eq!(names(store, "").await, ["1"], "{name}");

        store.delete(&path("1/run/artifacts/b.txt")).await.unwrap();
        assert_eq!(names(store, "1/run/artifacts").await, ["1/run/artifacts/a"], "{name}");
        store.delete(&path("1")).await.unwrap();
        assert_eq!(walk(store, "").await, [], "{name}");
    }
}

#[tokio::test]
async fn a_folder_is_deleted_without_its_neighbours() {
    for test in stores() {
        let store = &test.store;
        for name in ["a/x", "a/b/y", "a.txt", "ab/z"] {
            put(store, name, "x").await.unwrap();
        }
        store.delete(&path("a")).await.unwrap();
        let left = [("a.txt", 1), ("ab/z", 1)].map(|(name, size)| (name.to_owned(), size));
        assert_eq!(walk(store, "").await, left, "{}", test.name);
    }
}

#[tokio::test]
async fn entries_are_sorted_by_code_point() {
    for test in stores() {
        for name in ["b", "a", "B", "a.txt", "a-b", "ä", "_", "10", "9"] {
            put(&test.store, name, "x").await.unwrap();
        }
        let expected = ["10", "9", "B", "_", "a", "a-b", "a.txt", "b", "ä"];
        assert_eq!(names(&test.store, "").await, expected, "{}", test.name);
    }
}

#[tokio::test]
async fn names_are_kept_as_they_are() {
    let strange = [
        "a b",
        "a+b",
        "a%20b",
        "100%",
        "~",
        "[x]",
        "{x}",
        "x^y",
        "a*b",
        "a?b=c&d",
        "a|b",
        "<x>",
        "a\"b",
        "a`b",
        "a:b",
        "ü/é/日本",
        "a;b,c",
        "@",
        "$&'()!",
        "a=b",
    ];
    for test in stores() {
        for name in strange {
            // Names that a client sends are decoded; `%25` is one percent sign.
            let escaped = name.replace('%', "%25");
            let Ok(target) = artifacts::ArtifactPath::parse(&escaped) else { panic!("{name}") };
            let body = stream::iter([Ok::<_, io::Error>(Bytes::from(name))]);
            test.store.put(&target, body).await.unwrap_or_else(|e| panic!("{} {name}: {e}", test.name));
            let found = test.store.get(&target, None).await;
            let found = found.unwrap_or_else(|e| panic!("{} {name}: {e}", test.name));
            let content: Vec<Bytes> = found.body.try_collect().await.unwrap();
            assert_eq!(content.concat(), name.as_bytes(), "{} {name}", test.name);
        }
        let found: BTreeSet<_> = walk(&test.store, "").await.into_iter().map(|(name, _)| name).collect();
        let expected: BTreeSet<_> = strange
            .iter()
            .map(|name| artifacts::ArtifactPath::parse(&name.replace('%', "%25")).unwrap().to_string())
            .collect();
        assert_eq!(found, expected, "{}", test.name);
    }
}

#[tokio::test]
async fn ranges_give_their_bytes() {
    for test in stores() {
        let store = &test.store;
        put(store, "f", "0123456789").await.unwrap();
        assert_eq!(read(store, "f", Some(ByteRange::Between(2, 4))).await.unwrap(), "234");
        assert_eq!(read(store, "f", Some(ByteRange::Between(8, 400))).await.unwrap(), "89");
        assert_eq!(read(store, "f", Some(ByteRange::From(7))).await.unwrap(), "789");
        assert_eq!(read(store, "f", Some(ByteRange::Last(2))).await.unwrap(), "89");
        assert_eq!(read(store, "f", Some(ByteRange::Last(20))).await.unwrap(), "0123456789");
        let error = read(store, "f", Some(ByteRange::From(10))).await.unwrap_err();
        assert!(matches!(error, Error::RangeNotSatisfiable { size: 10 }), "{}: {error}", test.name);
    }
}

#[tokio::test]
async fn a_file_of_many_chunks_arrives_whole() {
    let content: Vec<u8> = (0..20_000_001_u32).map(|i| (i % 251) as u8).collect();
    for test in stores() {
        let chunks: Vec<_> =
            content.chunks(70_001).map(|c| Ok::<_, io::Error>(Bytes::copy_from_slice(c))).collect();
        let size = test.store.put(&path("big"), stream::iter(chunks)).await.unwrap();
        assert_eq!(size, 20_000_001, "{}", test.name);
        let download = test.store.get(&path("big"), None).await.unwrap();
        assert_eq!((download.meta.size, download.range.clone()), (20_000_001, 0..20_000_001));
        let read: Vec<Bytes> = download.body.try_collect().await.unwrap();
        assert!(read.concat() == content, "{}", test.name);
        let part =
            test.store.get(&path("big"), Some(ByteRange::Between(8_388_607, 9_000_000))).await.unwrap();
        let read: Vec<Bytes> = part.body.try_collect().await.unwrap();
        assert!(read.concat() == content[8_388_607..=9_000_000], "{}", test.name);
    }
}

#[tokio::test]
async fn a_file_of_exactly_one_part_arrives_whole() {
    for test in stores() {
        for size in [8 * 1024 * 1024, 16 * 1024 * 1024] {
            let body = stream::iter([Ok::<_, io::Error>(Bytes::from(vec![7; size]))]);
            assert_eq!(test.store.put(&path("f"), body).await.unwrap(), size as u64);
            assert_eq!(walk(&test.store, "").await, [("f".to_owned(), size as u64)], "{}", test.name);
        }
    }
}

#[tokio::test]
async fn the_etag_changes_with_the_content() {
    for test in stores() {
        let store = &test.store;
        put(store, "f", "one").await.unwrap();
        let first = store.get(&path("f"), None).await.unwrap();
        assert_eq!(store.get(&path("f"), None).await.unwrap().meta, first.meta);
        assert!(!first.meta.etag.contains('"'), "{}", first.meta.etag);
        assert!(first.meta.modified > SystemTime::now() - Duration::from_secs(60));
        put(store, "f", "two").await.unwrap();
        let second = store.get(&path("f"), None).await.unwrap();
        assert_ne!(second.meta.etag, first.meta.etag, "{}", test.name);
        // Whoever was reading goes on reading what they asked for.
        let chunks: Vec<Bytes> = first.body.try_collect().await.unwrap();
        assert_eq!(chunks.concat(), b"one", "{}", test.name);
    }
}

#[tokio::test]
async fn what_is_missing_is_empty_or_not_found() {
    for test in stores() {
        let store = &test.store;
        assert!(names(store, "").await.is_empty());
        assert!(matches!(read(store, "f", None).await, Err(Error::NotFound(_))));
        store.delete(&path("f")).await.unwrap();
        put(store, "a/f", "x").await.unwrap();
        assert!(names(store, "a/f").await.is_empty());
        assert!(names(store, "a/f/g").await.is_empty());
        assert!(names(store, "b").await.is_empty());
        assert!(matches!(read(store, "a/f/g", None).await, Err(Error::NotFound(_))), "{}", test.name);
        assert!(matches!(read(store, "a", None).await, Err(Error::IsFolder(_))), "{}", test.name);
        assert!(matches!(read(store, "", None).await, Err(Error::IsFolder(_))));
        assert!(matches!(put(store, "", "x").await, Err(Error::IsFolder(_))));
        store.delete(&path("a/f/g")).await.unwrap();
        assert_eq!(names(store, "a").await, ["a/f"], "{}", test.name);
    }
}

#[tokio::test]
async fn the_root_is_not_deleted() {
    for test in stores() {
        put(&test.store, "f", "x").await.unwrap();
        assert!(matches!(test.store.delete(&path(".")).await, Err(Error::InvalidPath)));
        assert_eq!(names(&test.store, "").await, ["f"], "{}", test.name);
    }
}

#[tokio::test]
async fn a_walk_finds_every_file_once() {
    for test in stores() {
        let store = &test.store;
        assert_eq!(walk(store, "").await, []);
        for (name, content) in
            [("1/a/x", "1"), ("1/a/b/c/y", "22"), ("1/z", "333"), ("2/z", ""), ("10/z", "1")]
        {
            put(store, name, content).await.unwrap();
        }
        let expected =
            [("1/a/b/c/y", 2), ("1/a/x", 1), ("1/z", 3)].map(|(name, size)| (name.to_owned(), size));
        assert_eq!(walk(store, "1").await, expected, "{}", test.name);
        assert_eq!(walk(store, "").await.len(), 5, "{}", test.name);
        assert_eq!(walk(store, "1/z").await, [], "a file is no folder");
        assert_eq!(walk(store, "nothing").await, []);
    }
}

#[tokio::test]
async fn an_upload_that_fails_leaves_what_was_there() {
    for test in stores() {
        put(&test.store, "f", "before").await.unwrap();
        for length in [5, 20 * 1024 * 1024] {
            let broken = stream::iter([Ok(Bytes::from(vec![0; length])), Err("connection lost")]);
            let error = test.store.put(&path("f"), broken).await.unwrap_err();
            assert!(error.to_string().contains("connection lost"), "{error}");
            assert_eq!(read(&test.store, "f", None).await.unwrap(), "before", "{}", test.name);
        }
        assert_eq!(walk(&test.store, "").await, [("f".to_owned(), 6)], "{}", test.name);
    }
}

#[tokio::test]
async fn an_upload_that_is_given_up_leaves_nothing() {
    for test in stores() {
        let mebibyte = Bytes::from(vec![0; 1 << 20]);
        let endless =
            stream::iter(0..20).map(move |_| Ok::<_, io::Error>(mebibyte.clone())).chain(stream::pending());
        let target = path("a/f");
        let upload = test.store.put(&target, endless);
        assert!(tokio::time::timeout(Duration::from_millis(500), upload).await.is_err());
        assert!(matches!(read(&test.store, "a/f", None).await, Err(Error::NotFound(_))), "{}", test.name);
        assert_eq!(walk(&test.store, "").await, [], "{}", test.name);
    }
}

#[tokio::test]
async fn an_upload_in_progress_is_invisible() {
    for test in stores() {
        let (seen, name) = (test.store.clone(), test.name);
        let start = Bytes::from(vec![b'x'; 9 * 1024 * 1024]);
        let body = stream::iter([Ok::<_, io::Error>(start)]).chain(stream::once(async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert!(names(&seen, "a").await.is_empty(), "{name}");
            assert!(matches!(read(&seen, "a/f", None).await, Err(Error::NotFound(_))), "{name}");
            Ok(Bytes::from_static(b"done"))
        }));
        test.store.put(&path("a/f"), body).await.unwrap();
        let content = read(&test.store, "a/f", None).await.unwrap();
        assert_eq!((content.len(), content.ends_with("xdone")), (9 * 1024 * 1024 + 4, true), "{name}");
    }
}

fn upload(store: &Store, byte: u8, chunks: usize) -> tokio::task::JoinHandle<artifacts::Result<u64>> {
    let store = store.clone();
    let body = stream::iter(0..chunks).map(move |_| Ok::<_, io::Error>(Bytes::from(vec![byte; 100_000])));
    tokio::spawn(async move { store.put(&path("a/b/f"), body).await })
}

#[tokio::test]
async fn of_two_uploads_at_once_one_wins_whole() {
    for test in stores() {
        for chunks in [40, 200] {
            let uploads = [b'x', b'y', b'z'].map(|byte| upload(&test.store, byte, chunks));
            let (mut won, size) = (0, chunks * 100_000);
            for upload in uploads {
                match upload.await.unwrap() {
                    Ok(stored) => {
                        assert_eq!(stored, size as u64);
                        won += 1;
                    }
                    // Azure drops the parts of others when one of several uploads is complete.
                    Err(Error::Cloud(error)) => {
                        assert_eq!((test.name, error.fault), ("azure", artifacts::Fault::Conflict));
                    }
                    Err(error) => panic!("{}: {error}", test.name),
                }
            }
            assert!(won > 0, "{}", test.name);
            let content = read(&test.store, "a/b/f", None).await.unwrap();
            assert_eq!(content.len(), size, "{}", test.name);
            assert_eq!(content.bytes().collect::<BTreeSet<_>>().len(), 1, "{}", test.name);
            assert_eq!(names(&test.store, "a/b").await, ["a/b/f"], "{}", test.name);
        }
    }
}

/// Sends a part as a client does, and answers the ETag.
async fn send_part(url: &str, content: Vec<u8>) -> Option<String> {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, target) = rest.split_once('/').unwrap();
    common::send(host, &format!("/{target}"), &[], &content)
}

#[tokio::test]
async fn a_client_may_send_parts_to_the_cloud_itself() {
    for (name, store) in common::clouds() {
        if name == "gcs" {
            // Signing needs a service account, which no emulator has.
            continue;
        }
        let escaped = path("a b/ü%25.bin");
        let target = if name == "azure" { path("1/run-a_b.c/f.bin") } else { escaped.clone() };
        if name == "azure" {
            assert!(matches!(store.start_multipart(&escaped, 2).await, Err(Error::NoMultipart)));
        }
        let parts = [vec![b'x'; 5 * 1024 * 1024], b"end".to_vec()];
        let started = store.start_multipart(&target, 2).await.unwrap();
        assert_eq!(started.urls.len(), 2);
        let mut sent = Vec::new();
        for (index, (url, content)) in started.urls.iter().zip(&parts).enumerate() {
            let etag = send_part(url, content.clone()).await;
            sent.insert(0, SentPart { number: index + 1, etag, url: Some(url.clone()) });
        }
        assert!(matches!(store.get(&target, None).await, Err(Error::NotFound(_))), "{name}");
        store.complete_multipart(&target, started.id.as_deref(), sent).await.unwrap();
        let found = store.get(&target, None).await.unwrap();
        let content: Vec<Bytes> = found.body.try_collect().await.unwrap();
        assert!(content.concat() == parts.concat(), "{name}");

        let given_up = store.start_multipart(&target, 1).await.unwrap();
        store.abort_multipart(&target, given_up.id.as_deref()).await.unwrap();
        store.abort_multipart(&target, given_up.id.as_deref()).await.unwrap();
        for parts in [0, 10_001] {
            assert!(matches!(store.start_multipart(&target, parts).await, Err(Error::BadParts(_))));
        }
    }
}

#[tokio::test]
async fn a_client_may_fetch_a_file_from_the_cloud_itself() {
    for test in stores() {
        let (store, name) = (&test.store, test.name);
        put(store, "run/model.bin", "hello world").await.unwrap();
        put(store, "run/a b.txt", "spaced").await.unwrap();
        let url = store.download_url(&path("run/model.bin")).await;
        // Nobody has a key there to sign with.
        assert_eq!(url.is_some(), name == "azure" || name == "s3", "{name}");
        for missing in ["run/none", "run", ""] {
            assert_eq!(store.download_url(&path(missing)).await, None, "{name} {missing}");
        }
        let Some(url) = url else { continue };
        assert_eq!(fetch(&url, "").await, ("200".to_owned(), "hello world".to_owned()), "{name}");
        let part = fetch(&url, "Range: bytes=6-10\r\n").await;
        assert_eq!(part, ("206".to_owned(), "world".to_owned()), "{name}");
        match store.download_url(&path("run/a b.txt")).await {
            Some(url) => assert_eq!(fetch(&url, "").await.1, "spaced", "{name}"),
            None => assert_eq!(name, "azure"),
        }
    }
}

/// The status and body of a `GET`.
async fn fetch(url: &str, headers: &str) -> (String, String) {
    let (host, target) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let request = format!("GET /{target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n");
    let host = host.to_owned();
    tokio::task::spawn_blocking(move || {
        let mut connection = TcpStream::connect(host).unwrap();
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().to_owned(), body.to_owned())
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn a_local_store_takes_no_parts() {
    let local = stores().remove(0);
    assert!(matches!(local.store.start_multipart(&path("f"), 2).await, Err(Error::NoMultipart)));
}
