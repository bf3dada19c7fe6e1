//! The local store from outside: what concerns files, folders and links. What all stores do is in `stores.rs`.

#![expect(clippy::unwrap_used, reason = "a test")]

#[expect(dead_code, reason = "the suite of all stores uses the rest")]
mod common;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, SystemTime};

use artifacts::{ABANDONED_AFTER, ArtifactPath, Error, Store};
use bytes::Bytes;
use common::{names, path, put, read};
use futures_util::stream::{self, StreamExt, TryStreamExt};

/// A store whose root does not exist yet, in a directory that is deleted afterwards.
fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("root").to_str().unwrap(), Path::new("/")).unwrap();
    (dir, store)
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

    let Store::Local(local) = &store else { unreachable!() };
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
        let Store::Local(local) = &seen else { unreachable!() };
        assert_eq!(local.remove_leftovers(ABANDONED_AFTER).await, 0);
        assert!(names(&seen, "a").await.is_empty());
        assert!(folder.join(&hidden).exists());
        Ok::<_, io::Error>(Bytes::from_static(b"done"))
    });
    store.put(&path("a/f"), body).await.unwrap();
    assert_eq!(read(&store, "a/f", None).await.unwrap(), "done");
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
