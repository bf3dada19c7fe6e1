//! The files of the UI's build in a wheel, which is a ZIP archive.
//!
//! Read by hand: a crate for it brings nine others, and what is needed is the list at the end and one way of compression. The file
//! is known byte for byte when it gets here; what is looked at again is what would be written where.

use super::{SHA256, WHEEL};
use crate::start::reason;
use flate2::read::DeflateDecoder;
use std::io::Read;
use std::path::Path;

/// Where the build is in the package.
const BUILD: &str = "mlflow/server/js/build/";
/// More than any file of the build has.
const LARGEST: u64 = 64 << 20;

/// A file of the build.
pub struct BuildFile {
    /// Relative, of plain segments only.
    pub path: String,
    pub bytes: Vec<u8>,
}

/// Reads a wheel from disk.
///
/// # Errors
/// A sentence.
pub fn read(file: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(file).map_err(|e| {
        let file = file.display();
        format!("cannot read {file}: {}; `pip download mlflow==3.7.0 --no-deps` gets {WHEEL}", reason(&e))
    })
}

/// That it is the published one.
///
/// # Errors
/// The end of a sentence.
pub fn check(wheel: &[u8]) -> Result<(), String> {
    let digest = ring::digest::digest(&ring::digest::SHA256, wheel);
    let found: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    match found == SHA256 {
        true => Ok(()),
        false => Err(format!(
            "this is not {WHEEL}, whose SHA-256 is {SHA256}, but has {found}; nothing was installed. \
             Another build of the UI is served by `ferroflow server --ui-dir FOLDER`"
        )),
    }
}

/// The build's files.
///
/// # Errors
/// The end of a sentence, for what is no such archive.
pub fn build(wheel: &[u8]) -> Result<Vec<BuildFile>, String> {
    let files = entries(wheel)
        .and_then(|entries| {
            let ours = entries.iter().filter_map(|entry| Some((entry.name.strip_prefix(BUILD)?, entry)));
            let ours = ours.filter(|(path, _)| !path.is_empty() && !path.ends_with('/'));
            ours.map(|(path, entry)| {
                let path = is_plain(path).then(|| path.to_owned())?;
                Some(BuildFile { path, bytes: content(wheel, entry)? })
            })
            .collect::<Option<Vec<_>>>()
        })
        .ok_or("this is no ZIP archive that can be read")?;
    match files.iter().any(|file| file.path == "index.html") {
        true => Ok(files),
        false => Err(format!("there is no {BUILD}index.html in it")),
    }
}

/// Below the folder it is written to, whatever the system thinks of its characters.
fn is_plain(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.~+@".contains(c);
    path.split('/')
        .all(|segment| !segment.is_empty() && !segment.starts_with('.') && segment.chars().all(plain))
}

struct Entry {
    name: String,
    method: u16,
    crc: u32,
    compressed: usize,
    size: usize,
    header: usize,
}

/// The central directory. None where it is broken, and for ZIP64, which archives below 4 GB do not need.
fn entries(archive: &[u8]) -> Option<Vec<Entry>> {
    // The last record is 22 bytes and a comment of up to 64 kB.
    let last = archive.len().checked_sub(22)?;
    let end =
        (last.saturating_sub(0xffff)..=last).rev().find(|at| archive[*at..].starts_with(b"PK\x05\x06"))?;
    let count = u16_at(archive, end + 10)?;
    let mut at = u32_at(archive, end + 16)? as usize;
    let mut entries = Vec::new();
    for _ in 0..count {
        if !archive.get(at..)?.starts_with(b"PK\x01\x02") {
            return None;
        }
        let name = u16_at(archive, at + 28)? as usize;
        let rest = u16_at(archive, at + 30)? as usize + u16_at(archive, at + 32)? as usize;
        entries.push(Entry {
            method: u16_at(archive, at + 10)?,
            crc: u32_at(archive, at + 16)?,
            compressed: u32_at(archive, at + 20)? as usize,
            size: u32_at(archive, at + 24)? as usize,
            header: u32_at(archive, at + 42)? as usize,
            name: String::from_utf8(archive.get(at + 46..at + 46 + name)?.to_vec()).ok()?,
        });
        at += 46 + name + rest;
    }
    Some(entries)
}

fn content(archive: &[u8], entry: &Entry) -> Option<Vec<u8>> {
    let at = entry.header;
    if !archive.get(at..)?.starts_with(b"PK\x03\x04") {
        return None;
    }
    let start = at + 30 + u16_at(archive, at + 26)? as usize + u16_at(archive, at + 28)? as usize;
    let packed = archive.get(start..start.checked_add(entry.compressed)?)?;
    let bytes = match entry.method {
        0 => packed.to_vec(),
        8 => {
            let mut bytes = Vec::new();
            DeflateDecoder::new(packed).take(LARGEST).read_to_end(&mut bytes).ok()?;
            bytes
        }
        _ => return None,
    };
    (bytes.len() == entry.size && crc32fast::hash(&bytes) == entry.crc).then_some(bytes)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// An archive of stored files, as Python's `zipfile` writes it.
    pub fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let (mut out, mut directory) = (Vec::new(), Vec::new());
        for (name, bytes) in files {
            let (crc, size) = (crc32fast::hash(bytes).to_le_bytes(), (bytes.len() as u32).to_le_bytes());
            let names = (name.len() as u32).to_le_bytes();
            let at = (out.len() as u32).to_le_bytes();
            let shared = [&[20, 0, 0, 0, 0, 0, 0, 0, 0, 0], &crc[..], &size, &size, &names].concat();
            out.extend([b"PK\x03\x04", &shared[..], name.as_bytes(), bytes].concat());
            directory.extend([b"PK\x01\x02\x14\x00", &shared[..], &[0; 10], &at, name.as_bytes()].concat());
        }
        let (count, at) = ((files.len() as u16).to_le_bytes(), (out.len() as u32).to_le_bytes());
        let size = (directory.len() as u32).to_le_bytes();
        out.extend(directory);
        out.extend([b"PK\x05\x06\0\0\0\0", &count[..], &count, &size, &at, b"\x07\0comment"].concat());
        out
    }

    #[test]
    fn only_the_build_is_read() {
        let wheel = archive(&[
            ("mlflow/__init__.py", b"x"),
            ("mlflow/server/js/build/", b""),
            ("mlflow/server/js/build/index.html", b"<html>"),
            ("mlflow/server/js/build/static/js/main.1a2b.js", b"1"),
        ]);
        let files = build(&wheel).unwrap();
        let files: Vec<_> = files.iter().map(|file| (file.path.as_str(), &file.bytes[..])).collect();
        assert_eq!(files, [("index.html", b"<html>" as &[u8]), ("static/js/main.1a2b.js", b"1")]);
    }

    #[test]
    fn what_leads_out_is_refused() {
        for path in
            ["../x", "a/../../x", "/etc/x", "a//x", "./x", "a\\..\\x", "C:x", "a/.hidden", "a\0x", "ä"]
        {
            let name = format!("{BUILD}{path}");
            let wheel = archive(&[("mlflow/server/js/build/index.html", b""), (&name, b"1")]);
            assert!(build(&wheel).is_err(), "{path:?}");
        }
    }

    #[test]
    fn broken_archives_are_refused_without_a_crash() {
        let wheel = archive(&[("mlflow/server/js/build/index.html", b"<html>")]);
        for end in 0..wheel.len() - 8 {
            assert!(build(&wheel[..end]).is_err(), "{end}");
        }
        for at in 0..wheel.len() {
            let mut broken = wheel.clone();
            broken[at] = !broken[at];
            drop(build(&broken));
        }
        assert!(build(&archive(&[("mlflow/__init__.py", b"")])).is_err_and(|e| e.contains("index.html")));
    }

    #[test]
    fn another_file_is_not_the_wheel() {
        assert!(check(b"").is_err_and(|e| e.contains(SHA256) && e.contains("e3b0c442")));
    }
}
