//! A folder as a ZIP file that is made while it is sent: nothing is kept but the list that stands at the end of it.
//!
//! Nothing is compressed, as models and images would not get smaller. The contents are stored as blocks of the deflate format all
//! the same: its end can be told from its bytes, so that programs that read a ZIP file as it comes in understand it, too.

mod format;

use std::fmt;
use std::io;
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::sync::mpsc;

use crate::store::FoundFile;
use crate::{ArtifactPath, Error, Result, Store};
use format::Entry;

/// How many pieces are made before somebody takes them.
const AHEAD: usize = 2;

/// The ZIP file of `files`, which are below `folder` of `store` and are named as seen from there. A file that is gone when its
/// turn comes is left out. An error ends the stream without the list at the end, so that nobody takes it for a whole one.
pub fn zip(
    store: Store,
    folder: ArtifactPath,
    files: BoxStream<'static, Result<FoundFile>>,
) -> BoxStream<'static, io::Result<Bytes>> {
    let (sender, mut receiver) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        let out = Out { sender: sender.clone(), offset: 0 };
        tokio::select! {
            written = write(out, &store, &folder, files) => if let Err(error) = written {
                // Nobody is left to hear of it if this fails.
                drop(sender.send(Err(error)).await);
            },
            () = sender.closed() => {}
        }
    });
    stream::poll_fn(move |context| receiver.poll_recv(context)).boxed()
}

struct Out {
    sender: mpsc::Sender<io::Result<Bytes>>,
    offset: u64,
}

impl Out {
    async fn send(&mut self, bytes: impl Into<Bytes>) -> io::Result<()> {
        let bytes = bytes.into();
        self.offset += bytes.len() as u64;
        self.sender.send(Ok(bytes)).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

async fn write(
    mut out: Out,
    store: &Store,
    folder: &ArtifactPath,
    mut files: BoxStream<'static, Result<FoundFile>>,
) -> io::Result<()> {
    let mut entries = Vec::new();
    while let Some(found) = files.next().await {
        let found = found.map_err(io_error)?;
        if let Some(entry) = write_file(&mut out, store, folder, &found).await? {
            entries.push(entry);
        }
    }
    let start = out.offset;
    for entry in &entries {
        out.send(entry.in_list()).await?;
    }
    let size = out.offset - start;
    out.send(format::end(entries.len() as u64, start, size)).await
}

async fn write_file(
    out: &mut Out,
    store: &Store,
    folder: &ArtifactPath,
    found: &FoundFile,
) -> io::Result<Option<Entry>> {
    let mut download = match store.get(&found.path, None).await {
        Ok(download) => download,
        Err(Error::NotFound(_)) => return Ok(None),
        Err(error) => return Err(io_error(error)),
    };
    let size = download.meta.size;
    let mut entry = Entry::new(name_below(folder, &found.path), found.modified, size, out.offset);
    out.send(entry.header()).await?;
    let before = out.offset;
    let mut checksum = crc32fast::Hasher::new();
    let mut left = size;
    while let Some(mut bytes) = download.body.next().await.transpose()? {
        checksum.update(&bytes);
        left =
            left.checked_sub(bytes.len() as u64).ok_or_else(|| io::Error::other("a file became longer"))?;
        while !bytes.is_empty() {
            let block = bytes.split_to(bytes.len().min(format::LONGEST_BLOCK));
            out.send(format::block(block.len())).await?;
            out.send(block).await?;
        }
    }
    if left > 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    out.send(format::LAST_BLOCK).await?;
    entry.finish(checksum.finalize(), out.offset - before);
    out.send(entry.trailer()).await?;
    Ok(Some(entry))
}

fn io_error(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        error => io::Error::other(error.to_string()),
    }
}

/// The name of a file in a ZIP file. Storage may have names that mean something else where they are unpacked: `..`, `C:`, or
/// a backslash. Such a character is written as in a URL.
fn name_below(folder: &ArtifactPath, path: &ArtifactPath) -> String {
    let below = match folder.is_root() {
        true => path.as_str(),
        false => path.as_str().strip_prefix(folder.as_str()).unwrap_or(path.as_str()),
    };
    let segments = below.split('/').filter(|segment| !segment.is_empty());
    segments.map(harmless).collect::<Vec<_>>().join("/")
}

fn harmless(segment: &str) -> String {
    let only_dots = segment.chars().all(|c| c == '.');
    let mut name = String::with_capacity(segment.len());
    for c in segment.chars() {
        match c {
            '\\' | ':' => escape(&mut name, c),
            '.' if only_dots => escape(&mut name, c),
            c if c.is_control() => escape(&mut name, c),
            c => name.push(c),
        }
    }
    name
}

fn escape(name: &mut String, c: char) {
    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
        fmt::Write::write_fmt(name, format_args!("%{byte:02X}")).expect("a String takes everything");
    }
}

/// When a file was modified, in seconds since 1970, as far as that is a number of 32 bits.
fn seconds(modified: SystemTime) -> u32 {
    let since = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::TryStreamExt;
    use proptest::prelude::*;

    fn path(text: &str) -> ArtifactPath {
        ArtifactPath::parse(text).unwrap()
    }

    #[test]
    fn names_are_seen_from_the_folder() {
        for (folder, file, name) in [
            ("", "a/b.txt", "a/b.txt"),
            ("a", "a/b.txt", "b.txt"),
            ("a/b", "a/b/ä ö/c d", "ä ö/c d"),
            ("a", "a/C:x", "C%3Ax"),
            ("a", "a/b\\c", "b%5Cc"),
            ("a", "a/..b/.c", "..b/.c"),
        ] {
            assert_eq!(name_below(&path(folder), &path(file)), name);
        }
        assert_eq!(harmless(".."), "%2E%2E");
        assert_eq!(harmless("a\nb\u{85}"), "a%0Ab%C2%85");
    }

    proptest! {
        #[test]
        fn no_name_leaves_the_folder_it_is_unpacked_to(name in "[./\\\\:a\\x00-\\x1f]{0,12}") {
            let name = name_below(&ArtifactPath::root(), &ArtifactPath::root().child(&name));
            prop_assert!(!name.starts_with('/') && !name.contains(['\\', ':', '\0']));
            prop_assert!(name.split('/').all(|segment| segment != ".." && segment != "."));
        }
    }

    async fn zipped(store: &Store, folder: &str) -> io::Result<Vec<u8>> {
        let files = store.walk(&path(folder));
        let pieces: Vec<Bytes> = zip(store.clone(), path(folder), files).try_collect().await?;
        Ok(pieces.concat())
    }

    fn count(bytes: &[u8], signature: &[u8]) -> usize {
        bytes.windows(4).filter(|window| *window == signature).count()
    }

    #[tokio::test]
    async fn a_file_that_is_gone_is_left_out_and_one_that_cannot_be_read_breaks_it_off() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::local(folder.path().to_owned());
        for name in ["f/a", "f/b"] {
            std::fs::create_dir_all(folder.path().join("f")).unwrap();
            std::fs::write(folder.path().join(name), "content").unwrap();
        }
        let found: Vec<_> = store.walk(&path("f")).try_collect().await.unwrap();
        std::fs::remove_file(folder.path().join("f/a")).unwrap();
        let files = stream::iter(found.clone().into_iter().map(Ok)).boxed();
        let pieces: Vec<Bytes> = zip(store.clone(), path("f"), files).try_collect().await.unwrap();
        assert_eq!(count(&pieces.concat(), b"PK\x03\x04"), 1);
        assert_eq!(count(&pieces.concat(), b"PK\x05\x06"), 1, "the end of the list");

        let broken = stream::iter([Ok(found[1].clone()), Err(Error::OutsideRoot)]).boxed();
        let pieces: Vec<_> = zip(store, path("f"), broken).collect().await;
        assert!(pieces.last().unwrap().is_err());
        let sent: Vec<Bytes> = pieces.into_iter().filter_map(|piece| piece.ok()).collect();
        assert_eq!(count(&sent.concat(), b"PK\x05\x06"), 0);
    }

    #[tokio::test]
    async fn many_files_and_large_ones_are_counted_in_64_bits() {
        let few = format::end(0xffff - 1, 0xffff_fffe, 100);
        assert_eq!((count(&few, b"PK\x06\x06"), few.len()), (0, 22));
        for many in [format::end(0xffff, 0, 0), format::end(1, 0xffff_ffff, 0)] {
            assert_eq!((count(&many, b"PK\x06\x06"), count(&many, b"PK\x06\x07")), (1, 1));
        }
        let folder = tempfile::tempdir().unwrap();
        let store = Store::local(folder.path().to_owned());
        std::fs::write(folder.path().join("empty"), "").unwrap();
        assert_eq!(count(&zipped(&store, "").await.unwrap(), b"PK\x01\x02"), 1);
    }
}
