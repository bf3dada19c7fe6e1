//! The local store from outside: what MLflow's `LocalArtifactRepository` promises, and what must never happen.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, SystemTime};

use artifacts::{ABANDONED_AFTER, ArtifactPath, ByteRange, Error, Result, Store};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt, TryStreamExt};

fn path(text: &str) -> ArtifactPath {
    ArtifactPath::parse(text).unwrap()
}

/// A store whose root does not exist yet, in a directory that is deleted afterwards.
fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("root").to_str().unwrap(), Path::new("/")).unwrap();
    (dir, store)
}

async fn put(store: &Store, to: &str, content: &'static str) -> Result<u64> {
    let chunks = content.as_bytes().chunks(3).map(|chunk| Ok::<_, io::Error>(Bytes::from_static(chunk)));
    store.put(&path(to), stream::iter(chunks)).await
}

async fn read(store: &Store, from: &str, range: Option<ByteRange>) -> Result<String> {
    let download = store.get(&path(from), range).await?;
    let chunks: Vec<Bytes> = download.body.try_collect().await?;
    let content = String::from_utf8(chunks.concat()).unwrap();
    assert_eq!(content.len() as u64, download.range.end - download.range.start);
    Ok(content)
}

async fn names(store: &Store, folder: &str) -> Vec<String> {
    store.list(&path(folder)).await.unwrap().into_iter().map(|file| file.path).collect()
}

/// Every file and folder below `dir`, hidden ones too.
fn everything(dir: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let entry = entry.unwrap();
        found.insert(entry.file_name().to_string_lossy().into_owned());
        if entry.file_type().unwrap().is_dir() {
            found.extend(everything(&entry.path()));
        }
    }
    found
}

#[tokio::test]
async fn what_is_put_can_be_read_listed_and_deleted() {
    let (dir, store) = store();
    assert_eq!(put(&store, "1/run/artifacts/b.txt", "hello world").await.unwrap(), 11);
    put(&store, "1/run/artifacts/a/empty", "").await.unwrap();
    assert_eq!(read(&store, "1/run/artifacts/b.txt", None).await.unwrap(), "hello world");
    assert_eq!(read(&store, "1/run/artifacts/a/empty", None).await.unwrap(), "");

    let listed = store.list(&path("1/run/artifacts")).await.unwrap();
    let listed: Vec<_> = listed.iter().map(|f| (f.path.as_str(), f.is_dir, f.file_size)).collect();
    assert_eq!(listed, [("1/run/artifacts/a", true, None), ("1/run/artifacts/b.txt", false, Some(11))]);
    assert_eq!(names(&store, "").await, ["1"]);

    store.delete(&path("1/run/artifacts/b.txt")).await.unwrap();
    assert_eq!(names(&store, "1/run/artifacts").await, ["1/run/artifacts/a"]);
    store.delete(&path("1")).await.unwrap();
    assert_eq!(everything(dir.path()), BTreeSet::from(["root".to_owned()]));
}

#[tokio::test]
async fn entries_are_sorted_by_code_point() {
    let (_dir, store) = store();
    for name in ["b", "a", "B", "a.txt", "a-b", "ä", "_", "10", "9"] {
        put(&store, name, "x").await.unwrap();
    }
    assert_eq!(names(&store, "").await, ["10", "9", "B", "_", "a", "a-b", "a.txt", "b", "ä"]);
}

#[tokio::test]
async fn ranges_give_their_bytes() {
    let (_dir, store) = store();
    put(&store, "f", "0123456789").await.unwrap();
    assert_eq!(read(&store, "f", Some(ByteRange::Between(2, 4))).await.unwrap(), "234");
    assert_eq!(read(&store, "f", Some(ByteRange::From(7))).await.unwrap(), "789");
    assert_eq!(read(&store, "f", Some(ByteRange::Last(2))).await.unwrap(), "89");
    let error = read(&store, "f", Some(ByteRange::From(10))).await.unwrap_err();
    assert!(matches!(error, Error::RangeNotSatisfiable { size: 10 }), "{error}");
}

#[tokio::test]
async fn a_file_of_many_chunks_arrives_whole() {
    let (_dir, store) = store();
    let content: Vec<u8> = (0..3_000_001_u32).map(|i| (i % 251) as u8).collect();
    let chunks: Vec<_> =
        content.chunks(70_001).map(|c| Ok::<_, io::Error>(Bytes::copy_from_slice(c))).collect();
    store.put(&path("big"), stream::iter(chunks)).await.unwrap();
    let download = store.get(&path("big"), None).await.unwrap();
    assert_eq!((download.meta.size, download.range.clone()), (3_000_001, 0..3_000_001));
    let read: Vec<Bytes> = download.body.try_collect().await.unwrap();
    assert!(read.concat() == content);
    let part = store.get(&path("big"), Some(ByteRange::Between(262_143, 600_000))).await.unwrap();
    let read: Vec<Bytes> = part.body.try_collect().await.unwrap();
    assert!(read.concat() == content[262_143..=600_000]);
}

#[tokio::test]
async fn the_etag_changes_with_the_content() {
    let (_dir, store) = store();
    put(&store, "f", "one").await.unwrap();
    let first = store.get(&path("f"), None).await.unwrap();
    assert_eq!(store.get(&path("f"), None).await.unwrap().meta, first.meta);
    assert!(first.meta.modified > SystemTime::now() - Duration::from_secs(60));
    put(&store, "f", "two").await.unwrap();
    let second = store.get(&path("f"), None).await.unwrap();
    assert_ne!(second.meta.etag, first.meta.etag);
    // Whoever was reading goes on reading what they asked for.
    let chunks: Vec<Bytes> = first.body.try_collect().await.unwrap();
    assert_eq!(chunks.concat(), b"one");
}

#[tokio::test]
async fn what_is_missing_is_empty_or_not_found() {
    let (_dir, store) = store();
    assert!(names(&store, "").await.is_empty());
    assert!(matches!(read(&store, "f", None).await, Err(Error::NotFound(_))));
    store.delete(&path("f")).await.unwrap();
    put(&store, "a/f", "x").await.unwrap();
    assert!(names(&store, "a/f").await.is_empty());
    assert!(names(&store, "a/f/g").await.is_empty());
    assert!(names(&store, "b").await.is_empty());
    assert!(matches!(read(&store, "a/f/g", None).await, Err(Error::NotFound(_))));
    assert!(matches!(read(&store, "a", None).await, Err(Error::IsFolder(_))));
    assert!(matches!(read(&store, "", None).await, Err(Error::IsFolder(_))));
    store.delete(&path("a/f/g")).await.unwrap();
    assert_eq!(names(&store, "a").await, ["a/f"]);
}

#[tokio::test]
async fn files_and_folders_do_not_replace_each_other() {
    let (dir, store) = store();
    put(&store, "a/f", "x").await.unwrap();
    assert!(matches!(put(&store, "a", "y").await, Err(Error::IsFolder(_))));
    assert!(matches!(put(&store, "", "y").await, Err(Error::IsFolder(_))));
    assert!(matches!(put(&store, "a/f/g", "y").await, Err(Error::BelowFile(_))));
    assert!(matches!(put(&store, "a/f/g/h", "y").await, Err(Error::BelowFile(_))));
    assert_eq!(everything(dir.path()), ["root", "a", "f"].map(str::to_owned).into());
}

#[tokio::test]
async fn the_root_is_not_deleted() {
    let (_dir, store) = store();
    put(&store, "f", "x").await.unwrap();
    assert!(matches!(store.delete(&path(".")).await, Err(Error::InvalidPath)));
    assert_eq!(names(&store, "").await, ["f"]);
}

#[tokio::test]
async fn an_upload_that_fails_leaves_what_was_there() {
    let (dir, store) = store();
    put(&store, "f", "before").await.unwrap();
    let broken = stream::iter([Ok(Bytes::from_static(b"after")), Err("connection lost")]);
    let error = store.put(&path("f"), broken).await.unwrap_err();
    assert!(error.to_string().contains("connection lost"), "{error}");
    assert_eq!(read(&store, "f", None).await.unwrap(), "before");
    assert_eq!(everything(dir.path()), ["root", "f"].map(str::to_owned).into());
}

#[tokio::test]
async fn an_upload_that_is_given_up_leaves_nothing() {
    let (dir, store) = store();
    let mebibyte = Bytes::from(vec![0; 1 << 20]);
    let endless =
        stream::iter(0..3).map(move |_| Ok::<_, io::Error>(mebibyte.clone())).chain(stream::pending());
    let target = path("a/f");
    let upload = store.put(&target, endless);
    assert!(tokio::time::timeout(Duration::from_millis(200), upload).await.is_err());
    for _ in 0..100 {
        if everything(&dir.path().join("root/a")).is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("left behind: {:?}", everything(dir.path()));
}

#[tokio::test]
async fn leftovers_of_a_crash_are_invisible() {
    let (dir, store) = store();
    put(&store, "a/f", "x").await.unwrap();
    let leftover = dir.path().join("root/a/.ferroflow-upload-0123");
    fs::write(&leftover, "half").unwrap();
    assert_eq!(names(&store, "a").await, ["a/f"]);
    assert!(ArtifactPath::parse("a/.ferroflow-upload-0123").is_err());
    store.delete(&path("a")).await.unwrap();
    assert!(!leftover.exists());
}

fn set_written(file: &Path, ago: Duration) {
    let file = fs::OpenOptions::new().write(true).open(file).unwrap();
    file.set_modified(SystemTime::now() - ago).unwrap();
}

#[tokio::test]
async fn leftovers_of_a_crash_are_removed_once_they_are_old() {
    let (dir, store) = store();
    put(&store, "a/b/f", "x").await.unwrap();
    let (folder, old) = (dir.path().join("root/a/b"), 2 * ABANDONED_AFTER);
    let outside = dir.path().join("outside");
    for file in [".ferroflow-upload-old", ".ferroflow-upload-new", ".ferroflow-upload", "f"] {
        fs::write(folder.join(file), "half").unwrap();
        if !file.ends_with("new") {
            set_written(&folder.join(file), old);
        }
    }
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join(".ferroflow-upload-x"), "").unwrap();
    set_written(&outside.join(".ferroflow-upload-x"), old);
    symlink(&outside, folder.join("link")).unwrap();
    symlink(outside.join(".ferroflow-upload-x"), folder.join(".ferroflow-upload-link")).unwrap();

    let Store::Local(local) = &store;
    assert_eq!(local.remove_leftovers(ABANDONED_AFTER).await, 1);
    let left = [".ferroflow-upload", ".ferroflow-upload-link", ".ferroflow-upload-new", "f", "link"];
    assert_eq!(everything(&folder), left.map(str::to_owned).into());
    assert!(outside.join(".ferroflow-upload-x").exists());

    set_written(&folder.join(".ferroflow-upload-new"), old);
    assert_eq!(names(&store, "a/b").await, ["a/b/.ferroflow-upload", "a/b/f"]);
    assert!(!folder.join(".ferroflow-upload-new").exists(), "a folder that is listed is cleared, too");
}

#[tokio::test]
async fn an_upload_that_goes_on_is_no_leftover() {
    let (dir, store) = store();
    let (seen, folder) = (store.clone(), dir.path().join("root/a"));
    let body = stream::once(async move {
        let hidden = everything(&folder).into_iter().find(|name| name.starts_with('.')).unwrap();
        set_written(&folder.join(&hidden), 2 * ABANDONED_AFTER);
        let Store::Local(local) = &seen;
        assert_eq!(local.remove_leftovers(ABANDONED_AFTER).await, 0);
        assert!(names(&seen, "a").await.is_empty());
        assert!(folder.join(&hidden).exists());
        Ok::<_, io::Error>(Bytes::from_static(b"done"))
    });
    store.put(&path("a/f"), body).await.unwrap();
    assert_eq!(read(&store, "a/f", None).await.unwrap(), "done");
}

#[tokio::test]
async fn an_upload_in_progress_is_invisible() {
    let (_dir, store) = store();
    let seen = store.clone();
    let body = stream::once(async move {
        // By now the upload's hidden file may exist; neither it nor the target may show.
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(names(&seen, "a").await.is_empty());
        assert!(matches!(read(&seen, "a/f", None).await, Err(Error::NotFound(_))));
        Ok::<_, io::Error>(Bytes::from_static(b"done"))
    });
    store.put(&path("a/f"), body).await.unwrap();
    assert_eq!(read(&store, "a/f", None).await.unwrap(), "done");
}

#[tokio::test]
async fn of_two_uploads_at_once_one_wins_whole() {
    let (_dir, store) = store();
    let upload = |byte: u8| {
        let store = store.clone();
        let chunks = stream::iter(0..40).map(move |_| Ok::<_, io::Error>(Bytes::from(vec![byte; 100_000])));
        tokio::spawn(async move { store.put(&path("a/b/f"), chunks).await })
    };
    for upload in [upload(b'x'), upload(b'y'), upload(b'z')] {
        assert_eq!(upload.await.unwrap().unwrap(), 4_000_000);
    }
    let content = read(&store, "a/b/f", None).await.unwrap();
    assert_eq!(content.len(), 4_000_000);
    assert_eq!(content.bytes().collect::<BTreeSet<_>>().len(), 1);
    assert_eq!(names(&store, "a/b").await, ["a/b/f"]);
}

#[tokio::test]
async fn links_are_followed_inside_the_root_only() {
    let (dir, store) = store();
    put(&store, "in/f", "inside").await.unwrap();
    let root = dir.path().join("root");
    let outside = dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "secret").unwrap();
    symlink(&outside, root.join("out")).unwrap();
    symlink(outside.join("secret"), root.join("in/secret")).unwrap();
    symlink("../../outside", root.join("in/out")).unwrap();
    symlink("nowhere", root.join("in/broken")).unwrap();
    symlink("f", root.join("in/link")).unwrap();
    symlink("in", root.join("folder")).unwrap();

    for leak in ["out/secret", "in/secret", "in/out/secret", "folder/secret", "folder/out/secret"] {
        assert!(matches!(read(&store, leak, None).await, Err(Error::OutsideRoot)), "{leak}");
    }
    assert!(matches!(store.list(&path("out")).await, Err(Error::OutsideRoot)));
    assert!(matches!(put(&store, "out/new", "x").await, Err(Error::OutsideRoot)));
    assert!(matches!(put(&store, "in/out/deep/new", "x").await, Err(Error::OutsideRoot)));
    assert!(matches!(store.delete(&path("out/secret")).await, Err(Error::OutsideRoot)));

    assert_eq!(names(&store, "in").await, ["in/f", "in/link"]);
    assert_eq!(names(&store, "").await, ["folder", "in"]);
    assert_eq!(read(&store, "folder/link", None).await.unwrap(), "inside");

    // Writing to a link and deleting one leave alone what it points to.
    put(&store, "in/secret", "mine").await.unwrap();
    store.delete(&path("out")).await.unwrap();
    store.delete(&path("in/broken")).await.unwrap();
    assert_eq!(everything(&outside), ["secret".to_owned()].into());
    assert_eq!(fs::read_to_string(outside.join("secret")).unwrap(), "secret");
}

#[tokio::test]
async fn what_is_no_file_is_not_read() {
    let (dir, store) = store();
    put(&store, "f", "x").await.unwrap();
    let listener = std::os::unix::net::UnixListener::bind(dir.path().join("root/socket")).unwrap();
    assert!(matches!(read(&store, "socket", None).await, Err(Error::NotFound(_))));
    drop(listener);
}

#[tokio::test]
async fn a_file_that_shrinks_under_the_reader_is_an_error() {
    let (dir, store) = store();
    put(&store, "f", "0123456789").await.unwrap();
    let download = store.get(&path("f"), None).await.unwrap();
    fs::write(dir.path().join("root/f"), "012").unwrap();
    let read: io::Result<Vec<Bytes>> = download.body.try_collect().await;
    assert_eq!(read.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn names_that_are_too_long_are_the_clients_fault() {
    let (_dir, store) = store();
    put(&store, "f", "x").await.unwrap();
    let name = "x".repeat(300);
    for error in [put(&store, &name, "x").await.unwrap_err(), read(&store, &name, None).await.unwrap_err()] {
        let error = api::Error::from(error);
        assert_eq!(error.code.http_status(), 400);
        assert!(error.message.contains("shorter"), "{error}");
    }
}

#[tokio::test]
async fn a_walk_finds_every_file_once() {
    let (dir, store) = store();
    let walk = async |folder| {
        let found: Vec<_> = store.walk(&path(folder)).try_collect().await.unwrap();
        let mut found: Vec<_> = found.into_iter().map(|file| (file.path.to_string(), file.size)).collect();
        found.sort();
        found
    };
    assert_eq!(walk("").await, [], "there is no root yet");
    for (name, content) in [("1/a/x", "1"), ("1/a/b/c/y", "22"), ("1/z", "333"), ("2/z", "")] {
        put(&store, name, content).await.unwrap();
    }
    symlink(dir.path().join("root/2"), dir.path().join("root/1/link")).unwrap();
    symlink("/etc/passwd", dir.path().join("root/1/out")).unwrap();
    let expected = [("1/a/b/c/y", 2), ("1/a/x", 1), ("1/z", 3)].map(|(name, size)| (name.to_owned(), size));
    assert_eq!(walk("1").await, expected);
    assert_eq!(walk("").await.len(), 4);
    assert_eq!(walk("1/z").await, [], "a file is no folder");
    assert_eq!(walk("nothing").await, []);
}
