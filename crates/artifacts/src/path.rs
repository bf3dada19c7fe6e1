//! Artifact paths: what a client may name below an artifact root.
//!
//! Mirrors `validate_path_is_safe` and, where MLflow 3.7.0 lets through what has led to advisories (CVE-2023-6831,
//! CVE-2024-1560, CVE-2026-2033), is stricter. An [`ArtifactPath`] can be joined to a root without another look.

use std::fmt;

use crate::Error;

/// The start of the names under which uploads are written before they are complete. No path may use it, so such a
/// file can neither be read nor overwritten, also when a crash left it behind.
pub(crate) const UPLOAD_PREFIX: &str = ".ferroflow-upload-";

/// A path below an artifact root: segments joined by `/`, none of them empty, `.` or `..`; the root itself is empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ArtifactPath(String);

impl ArtifactPath {
    /// The root itself.
    pub fn root() -> Self {
        Self::default()
    }

    /// Takes a path from a client. As in MLflow it is percent-decoded until nothing changes, control characters
    /// become `%xx`, a `file:` scheme is dropped, and `a//./b/` is `a/b`.
    ///
    /// # Errors
    /// [`Error::InvalidPath`] for whatever is or could become absolute, or holds `..`, `#` or NUL.
    pub fn parse(path: &str) -> Result<Self, Error> {
        let path = api::uri::decode_fully(path).map_err(|_| Error::InvalidPath)?;
        let path = escape_control_characters(&path);
        if path.contains('#') {
            return Err(Error::InvalidPath);
        }
        let path = if is_file_uri(&path) {
            api::uri::local_path(&path).map_err(|_| Error::InvalidPath)?
        } else {
            path
        };
        let normal = Self::normalize(&path)?;
        // `file:a%00b` has its NUL back, and stricter than MLflow: on POSIX it takes `a\..\b` for one name, which
        // storage that treats a backslash as a separator does not.
        let climbs = path.split(['/', '\\']).any(|segment| segment == "..");
        let absolute = is_absolute(&path) || is_absolute(normal.as_str());
        if climbs || absolute || path.contains(|c: char| c.is_ascii_control()) {
            return Err(Error::InvalidPath);
        }
        Ok(normal)
    }

    fn normalize(path: &str) -> Result<Self, Error> {
        let segments: Vec<&str> = path.split('/').filter(|segment| !matches!(*segment, "" | ".")).collect();
        if segments.iter().any(|segment| segment.starts_with(UPLOAD_PREFIX)) {
            return Err(Error::InvalidPath);
        }
        Ok(Self(segments.join("/")))
    }

    /// Whether this is the root itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The path with `/` between its segments; empty for the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last segment (`posixpath.basename`); empty for the root.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The path without its last segment (`posixpath.dirname`).
    pub fn parent(&self) -> Self {
        Self(self.0.rsplit_once('/').map(|(parent, _)| parent.to_owned()).unwrap_or_default())
    }

    /// `below` seen from here.
    pub fn join(&self, below: &Self) -> Self {
        match (self.is_root(), below.is_root()) {
            (true, _) => below.clone(),
            (_, true) => self.clone(),
            _ => Self(format!("{self}/{below}")),
        }
    }

    /// The file or folder called `name` in here, as storage listed it: nothing is decoded.
    pub(crate) fn child(&self, name: &str) -> Self {
        self.join(&Self(name.to_owned()))
    }
}

impl fmt::Display for ArtifactPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `_escape_control_characters`.
fn escape_control_characters(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len());
    for c in path.chars() {
        match c.is_ascii_control() {
            true => escaped += &format!("%{:02x}", u32::from(c)),
            false => escaped.push(c),
        }
    }
    escaped
}

fn is_file_uri(path: &str) -> bool {
    path.starts_with("file:")
}

/// Absolute on POSIX or on Windows. MLflow asks `pathlib` for both; a leading backslash alone (relative to the
/// current drive) is refused here too.
fn is_absolute(path: &str) -> bool {
    let drive = matches!(path.as_bytes(), [letter, b':', b'/' | b'\\', ..] if letter.is_ascii_alphabetic());
    drive || path.starts_with(['/', '\\'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Recorded from MLflow 3.7.0 by `testdata/record_path.py`: the normalized path, or `null` for `Invalid path`.
    const RECORDED: &str = include_str!("../testdata/path.json");

    /// Refused here, let through there.
    const STRICTER: &[&str] = &[
        "a\\..\\b",
        "..\\a",
        "a\\..",
        "\\a",
        "a%5c..%5cb",
        "a%255c%252e%252e%255cb",
        "..%5c..%5cetc%5cpasswd",
        "%5ca",
        ".ferroflow-upload-1",
        "a/.ferroflow-upload-1/b",
        "..\\..\\a",
    ];

    #[test]
    fn takes_the_paths_mlflow_takes() {
        let recorded: BTreeMap<String, Option<String>> = serde_json::from_str(RECORDED).unwrap();
        assert!(recorded.len() > 100, "the corpus is gone");
        for (path, expected) in &recorded {
            let ours = ArtifactPath::parse(path).ok().map(|p| p.0);
            if STRICTER.contains(&path.as_str()) {
                assert_eq!((ours, expected.is_some()), (None, true), "{path:?}");
            } else {
                assert_eq!(ours, *expected, "{path:?}");
            }
        }
    }

    #[test]
    fn has_a_name_a_parent_and_children() {
        let path = ArtifactPath::parse("a/b/c.txt").unwrap();
        assert_eq!((path.name(), path.parent().as_str()), ("c.txt", "a/b"));
        assert_eq!(path.parent().child("c.txt"), path);
        assert_eq!(ArtifactPath::root().join(&path), path.join(&ArtifactPath::root()));
        assert_eq!(ArtifactPath::parse("a").unwrap().parent(), ArtifactPath::root());
        assert_eq!(ArtifactPath::parse("./").unwrap(), ArtifactPath::root());
        assert_eq!(ArtifactPath::root().name(), "");
    }

    /// What attacks are made of, plus harmless names to carry them.
    fn hostile() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "..",
            ".",
            "/",
            "//",
            "\\",
            "%2e",
            "%2E",
            "%252e",
            "%25252e",
            "%2f",
            "%252f",
            "%5c",
            "%255c",
            "%00",
            "\0",
            "#",
            "?",
            ";",
            ":",
            "c:",
            "C:/",
            "file:",
            "FILE:",
            "file://",
            "http:",
            "a",
            "etc",
            "%",
            "%25",
            "%2",
            "\t",
            "\n",
            " ",
            "%09",
            "%0a",
            "%c0%ae",
            "\u{ff0e}",
            "\u{2024}",
            "%e2%80%a4",
            "@",
            "[",
            "]",
            "~",
            "%20",
            "&",
            "ä",
            "%66",
            "%3a",
            "%23",
            "%3f",
        ]);
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    /// Whether `path` stays below the directory it is joined to, with either separator.
    fn stays_below(path: &str) -> bool {
        let climbs = path.split(['/', '\\']).any(|segment| segment == "..");
        !climbs && !path.starts_with(['/', '\\']) && !path.contains('\0')
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn nothing_leaves_the_root(path in prop_oneof![hostile(), any::<String>()]) {
            if let Ok(parsed) = ArtifactPath::parse(&path) {
                prop_assert!(stays_below(&parsed.0), "{:?} became {:?}", path, parsed);
                prop_assert!(parsed.0.split('/').all(|s| !s.is_empty() && s != ".") || parsed.is_root());
                // Storage behind another server decodes once more.
                let again = api::uri::percent_decode(&parsed.0);
                prop_assert!(!again.split(['/', '\\']).any(|s| s == ".."), "{:?} became {:?}", path, again);
                let joined = ArtifactPath::parse("1/run/artifacts").unwrap().join(&parsed);
                prop_assert!(joined.0.starts_with("1/run/artifacts"));
            }
        }
    }
}
