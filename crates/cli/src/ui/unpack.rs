//! Writes the build to disk: next to where it will be, compressed besides where that pays, and then by one renaming.

use super::home;
use super::wheel::BuildFile;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;
use uuid::Uuid;

/// How the folder of an installation begins that is not done.
const UNDONE: &str = ".installing-";
/// An installation takes seconds; what is older belongs to one that was killed.
const ABANDONED: Duration = Duration::from_secs(3600);
/// Below this a file is in one packet either way.
const SMALLEST: usize = 1000;

/// What was written.
#[derive(Default)]
pub struct Done {
    pub files: usize,
    pub bytes: u64,
    /// What is sent of them to browsers that take compressed files.
    pub sent: u64,
}

/// Makes `folder`, which is in `home`, of these files. Where another process does the same, one of them is kept.
///
/// # Errors
/// The system's; nothing is left behind then, and `folder` is not there.
pub fn install(files: &[BuildFile], home: &Path, folder: &Path) -> io::Result<Done> {
    fs::create_dir_all(home)?;
    remove_abandoned(home)?;
    let undone = home.join(format!("{UNDONE}{}", Uuid::new_v4().simple()));
    let done = write_all(files, &undone).and_then(|done| match fs::rename(&undone, folder) {
        Err(_) if home::has_build(folder) => {
            fs::remove_dir_all(&undone)?;
            Ok(done)
        }
        renamed => renamed.map(|()| done),
    });
    if done.is_err() {
        drop(fs::remove_dir_all(&undone));
    }
    File::open(home).and_then(|home| home.sync_all())?;
    done
}

fn write_all(files: &[BuildFile], folder: &Path) -> io::Result<Done> {
    fs::create_dir(folder)?;
    let mut done = Done::default();
    for BuildFile { path, bytes } in files {
        let to = folder.join(path);
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        write(&to, bytes)?;
        let compressed = compress(bytes)?;
        if let Some(compressed) = &compressed {
            write(&folder.join(format!("{path}.gz")), compressed)?;
        }
        done.files += 1;
        done.bytes += bytes.len() as u64;
        done.sent += compressed.map_or(bytes.len(), |compressed| compressed.len()) as u64;
    }
    Ok(done)
}

/// On disk when it returns, so that no crash leaves a whole folder of empty files.
fn write(to: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(to)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// None where a tenth is not to be saved: pictures and fonts are compressed already.
fn compress(bytes: &[u8]) -> io::Result<Option<Vec<u8>>> {
    if bytes.len() < SMALLEST {
        return Ok(None);
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    let compressed = encoder.finish()?;
    Ok((compressed.len() < bytes.len() / 10 * 9).then_some(compressed))
}

fn remove_abandoned(home: &Path) -> io::Result<()> {
    for entry in fs::read_dir(home)?.flatten() {
        let is_old = || Some(entry.metadata().ok()?.modified().ok()?.elapsed().ok()? > ABANDONED);
        if entry.file_name().to_string_lossy().starts_with(UNDONE) && is_old() == Some(true) {
            drop(fs::remove_dir_all(entry.path()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use std::io::Read;

    fn build() -> Vec<BuildFile> {
        let file = |path: &str, bytes: Vec<u8>| BuildFile { path: path.to_owned(), bytes };
        // What no compression shortens.
        let noise = std::iter::successors(Some(1u32), |x| {
            let x = x ^ (x << 13);
            let x = x ^ (x >> 17);
            Some(x ^ (x << 5))
        });
        let noise = noise.map(|x| (x >> 24) as u8).take(2000).collect();
        vec![
            file("index.html", b"<html>".to_vec()),
            file("static/js/main.js", vec![b'x'; 5000]),
            file("static/media/picture.png", noise),
        ]
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = entries.collect();
        names.sort();
        names
    }

    #[test]
    fn files_are_there_and_compressed_where_it_pays() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("3.7.0");
        let done = install(&build(), home.path(), &folder).unwrap();
        assert_eq!((done.files, done.bytes), (3, 7006));
        assert!(done.sent < 2200, "{}", done.sent);
        assert_eq!(names(&folder), ["index.html", "static"]);
        assert_eq!(names(&folder.join("static/media")), ["picture.png"]);
        assert_eq!(names(&folder.join("static/js")), ["main.js", "main.js.gz"]);
        let mut text = Vec::new();
        let compressed = fs::read(folder.join("static/js/main.js.gz")).unwrap();
        GzDecoder::new(&compressed[..]).read_to_end(&mut text).unwrap();
        assert_eq!(text, vec![b'x'; 5000]);
        assert_eq!(names(home.path()), ["3.7.0"]);
    }

    #[test]
    fn the_second_of_two_keeps_what_the_first_made() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("3.7.0");
        for _ in 0..2 {
            install(&build(), home.path(), &folder).unwrap();
        }
        assert_eq!(names(home.path()), ["3.7.0"]);
    }

    #[test]
    fn a_failure_leaves_nothing_behind() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("3.7.0");
        fs::write(&folder, "in the way").unwrap();
        assert!(install(&build(), home.path(), &folder).is_err());
        assert_eq!(names(home.path()), ["3.7.0"]);
        let twice: Vec<_> = build().into_iter().chain(build()).collect();
        let folder = home.path().join("other");
        assert!(install(&twice, home.path(), &folder).is_err());
        assert_eq!(names(home.path()), ["3.7.0"]);
    }
}
