//! Where a client may say that an experiment keeps its artifacts (`artifact_location`).
//!
//! Stricter than MLflow 3.7.0, which takes nearly everything, and reads or writes there later on: whoever may create an experiment
//! at `/etc` can read `/etc/passwd` as an artifact of one of its runs (CVE-2023-6909, CVE-2024-1594, CVE-2024-3573 and others are
//! of this kind).

use std::path::{Component, Path};

use super::{check_artifact_location, is_local_uri, local_path, parse, percent_decode, resolve_uri_if_local};
use crate::error::{Result, invalid};

/// The schemes that MLflow's clients and servers can store to. `runs:` and `models:` are names of artifacts, not places.
const SCHEMES: &[&str] = &[
    "mlflow-artifacts",
    "http",
    "https",
    "s3",
    "r2",
    "gs",
    "wasb",
    "wasbs",
    "abfs",
    "abfss",
    "hdfs",
    "viewfs",
    "dbfs",
    "ftp",
    "sftp",
];
/// Those of them whose addresses have the name of a container before the `@`.
const CONTAINERS: &[&str] = &["wasb", "wasbs", "abfs", "abfss"];
/// Those of them whose clients log in by the address.
const USERS: &[&str] = &["hdfs", "viewfs", "ftp", "sftp"];

/// The places that are allowed, beyond the schemes that MLflow knows.
#[derive(Debug, Clone, Default)]
pub struct Locations {
    places: Vec<Place>,
}

#[derive(Debug, Clone)]
enum Place {
    Anywhere,
    Scheme(String),
    /// Absolute.
    Folder(String),
}

impl Locations {
    /// Reads a list with commas: folders of this machine, schemes (`oss:`), or `*` for everything.
    ///
    /// # Errors
    /// A sentence about an entry that is none of them.
    pub fn parse(list: &str) -> std::result::Result<Self, String> {
        let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let places: std::result::Result<_, String> = entries.map(place).collect();
        Ok(Self { places: places? })
    }

    /// Allows what is below `root`, too, if it is a folder of this machine. The root is where the operator keeps artifacts.
    pub fn and_below(mut self, root: &str) -> Self {
        if let (Ok(true), Ok(folder)) = (is_local_uri(root), local_path(root)) {
            self.places.push(Place::Folder(folder));
        }
        self
    }

    /// Checks the location that a client asks for, and makes it absolute against `cwd` if it is a folder.
    ///
    /// # Errors
    /// `INVALID_PARAMETER_VALUE` with a sentence that says what is allowed.
    pub fn resolve(&self, location: &str, cwd: &Path) -> Result<String> {
        check_artifact_location(location)?;
        let resolved = resolve_uri_if_local(location, cwd)?;
        if self.places.iter().any(|place| matches!(place, Place::Anywhere)) {
            return Ok(resolved);
        }
        let decoded = decode(location)?;
        // The colon, as `file:..` is a path, too; the question mark, as what comes before it is one.
        if decoded.split(['/', '\\', ':', '?']).any(|segment| segment == "..")
            || decoded.contains(['\\', '#'])
        {
            return Err(invalid(
                "'artifact_location' can't include '..', backslashes or '#', in any encoding.",
            ));
        }
        if decoded.chars().any(|c| c.is_control()) {
            return Err(invalid("'artifact_location' can't include control characters, in any encoding."));
        }
        match is_local_uri(location)? {
            true => self.check_folder(&local_path(&resolved)?)?,
            false => self.check_address(location)?,
        }
        Ok(resolved)
    }

    /// Whether this folder of the server's machine, an absolute path, is a place for experiments.
    pub fn has_folder(&self, path: &str) -> bool {
        // Where it leads up, the folder it begins with says nothing.
        let climbs = Path::new(path).components().any(|part| part == Component::ParentDir);
        let below = |folder: &str| !climbs && Path::new(path).starts_with(folder);
        self.places.iter().any(|place| match place {
            Place::Anywhere => true,
            Place::Folder(folder) => below(folder),
            Place::Scheme(_) => false,
        })
    }

    fn check_folder(&self, path: &str) -> Result<()> {
        if self.has_folder(path) {
            return Ok(());
        }
        Err(invalid(
            "This server does not keep experiments in that folder. Leave 'artifact_location' out, use a scheme such as \
             mlflow-artifacts: or s3:, or let the operator of the server allow the folder: --allowed-artifact-locations.",
        ))
    }

    fn check_address(&self, location: &str) -> Result<()> {
        let parts = parse(location)?;
        let scheme = parts.scheme.as_str();
        let is_named =
            self.places.iter().any(|place| matches!(place, Place::Scheme(named) if named == scheme));
        if !is_named && !SCHEMES.contains(&scheme) {
            return Err(invalid(format!(
                "'artifact_location' has the scheme '{scheme}', which this server does not allow. Use one of {}, or let its \
                 operator allow it: --allowed-artifact-locations.",
                SCHEMES.join(", ")
            )));
        }
        if is_named {
            return Ok(());
        }
        check_user(location).map_err(|UserInAddress| {
            invalid(
                "'artifact_location' can't include a user or password: everybody who sees the experiment would see it.",
            )
        })
    }
}

/// The address has a user, or a password, where it does not belong to the address.
#[derive(Debug)]
pub(super) struct UserInAddress;

/// Refuses a user or a password in an address, but for the schemes that mean something by it.
pub(super) fn check_user(address: &str) -> std::result::Result<(), UserInAddress> {
    let Ok(parts) = parse(address) else { return Ok(()) };
    let scheme = parts.scheme.as_str();
    let Some((user, _)) = parts.netloc.rsplit_once('@') else { return Ok(()) };
    match USERS.contains(&scheme) || (CONTAINERS.contains(&scheme) && !user.contains(':')) {
        true => Ok(()),
        false => Err(UserInAddress),
    }
}

/// Decoded until nothing changes, as whoever reads it later may decode it once more.
fn decode(location: &str) -> Result<String> {
    let mut text = location.to_owned();
    for _ in 0..10 {
        let decoded = percent_decode(&text).into_owned();
        if decoded == text {
            return Ok(text);
        }
        text = decoded;
    }
    Err(invalid("'artifact_location' is percent-encoded too many times. Send it encoded once."))
}

fn place(entry: &str) -> std::result::Result<Place, String> {
    if entry == "*" {
        return Ok(Place::Anywhere);
    }
    if entry.starts_with('/') {
        return Ok(Place::Folder(entry.to_owned()));
    }
    let scheme = entry.trim_end_matches('/').strip_suffix(':').unwrap_or_default().to_ascii_lowercase();
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        && scheme != "file";
    if is_scheme {
        return Ok(Place::Scheme(scheme));
    }
    Err(format!(
        "'{entry}' is neither a folder (/data/experiments) nor a scheme (oss:), nor * for everything"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(allowed: &str, location: &str) -> Result<String> {
        Locations::parse(allowed).unwrap().resolve(location, Path::new("/srv"))
    }

    #[test]
    fn places_of_mlflow_are_allowed() {
        for location in [
            "mlflow-artifacts:/x",
            "mlflow-artifacts://host:5000/x",
            "http://h/api/2.0/mlflow-artifacts/artifacts/x",
            "s3://bucket/a%20b",
            "gs://b/p?x=1",
            "S3://bucket/a",
            "wasbs://container@account.blob.core.windows.net/p",
            "abfss://fs@account.dfs.core.windows.net/p",
            "hdfs://user@host:80/p",
            "sftp://user:secret@host/p",
            "dbfs:/x?a=/etc",
        ] {
            assert_eq!(resolve("", location).unwrap(), location);
        }
    }

    #[test]
    fn what_leads_elsewhere_is_refused() {
        for location in [
            "/etc",
            "etc",
            ".",
            " ",
            "file:///etc",
            "FILE:///etc",
            "file:etc",
            "file:..",
            "file:..%2fx",
            "s3:..",
            "file://localhost/etc",
            "file::/etc",
            "///etc",
            "~/x",
            "s3://bucket/../x",
            "s3://bucket/%2e%2e/x",
            "s3://bucket/%25252e%25252e/x",
            "s3://bucket/a\\..\\b",
            "s3://bucket/a%5cb",
            "s3://bucket/a%23b",
            "s3://bucket/a%00b",
            "s3://bucket/a%0ab",
            "s3://user:secret@bucket/x",
            "s3://user@bucket/x",
            "http://user:secret@host/x",
            "mlflow-artifacts://user@host/x",
            "wasbs://container:key@account.blob.core.windows.net/p",
            "runs:/x",
            "models:/x",
            "javascript:alert(1)",
            "gopher://h/x",
            "sqlite:///x",
            "C:\\Windows",
            "C:/Windows",
            "c:x",
            "\\\\host\\share",
            "http:///#/../../etc/",
            "http://b/p;params",
            "s3://b/p#f",
            "s3://b/p?a=%252e%252e/",
        ] {
            let refused = resolve("/data,oss:", location);
            assert!(refused.is_err(), "{location} became {refused:?}");
            let message = refused.unwrap_err().message;
            assert!(!message.contains("/srv") && !message.contains("/data"), "{message}");
        }
    }

    #[test]
    fn the_operator_may_allow_more() {
        for (allowed, location, resolved) in [
            ("/data", "/data/x", "/data/x"),
            ("/data/", "file:///data/x", "file:///data/x"),
            ("/elsewhere, /srv/x", "x/y?a=1", "/srv/x/y?a=1"),
            ("oss:", "oss://bucket/x", "oss://bucket/x"),
            ("oss://", "OSS://bucket/x", "OSS://bucket/x"),
            ("*", "/etc", "/etc"),
            ("*", "what:ever", "what:ever"),
        ] {
            assert_eq!(resolve(allowed, location).unwrap(), resolved);
        }
        for location in ["/datax", "/data/../etc", "/data/%2e%2e/etc", "/", "data"] {
            assert!(resolve("/data", location).is_err(), "{location}");
        }
        // Found by the fuzzer: what the last decoding leaves of it is the folder above.
        for location in ["file:..%3fx", "file:..?x", "..?x", "file:..%253fx", "file:%2e%2e%3f"] {
            assert!(resolve("/srv", location).is_err(), "{location}");
        }
        for entry in ["data", "file:", "a b:", ":", "./x"] {
            assert!(Locations::parse(entry).is_err(), "{entry}");
        }
    }

    #[test]
    fn the_artifact_root_is_allowed() {
        let at = |root: &str| Locations::default().and_below(root);
        let cwd = Path::new("/srv");
        assert!(at("/srv/mlruns").resolve("mlruns/mine", cwd).is_ok());
        assert!(at("file:///srv/mlruns").resolve("/srv/mlruns/mine", cwd).is_ok());
        assert!(at("mlflow-artifacts:/").resolve("/srv", cwd).is_err());
    }
}
