//! Where a client says that a model version comes from (`source`).
//!
//! Whoever may create a version of `/etc` can read `/etc/passwd` as one of its artifacts (CVE-2023-1177 and its many
//! successors), so what is no plain address is refused. Stricter than MLflow 3.7.0, which looks at nothing when the request
//! has a prompt's tag (CVE-2026-2614), and at less in queries and fragments.

use super::{is_local_uri, local_path, parse, percent_decode};
use crate::error::{Error, Result, invalid};
use crate::uri::location::check_user;

/// What MLflow's clients send for versions of prompts, which have no files.
pub const NO_SOURCE: &str = "dummy-source";

/// A source that leads nowhere else than it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A folder of the server's machine, as a path. It must belong to the run or the logged model that the request names.
    Folder(String),
    /// Anything else.
    Address,
}

impl Source {
    /// Reads a source.
    ///
    /// # Errors
    /// `INVALID_PARAMETER_VALUE` in MLflow's words; `INTERNAL_ERROR`, as in MLflow, for a `file:` URI with a host.
    pub fn parse(source: &str) -> Result<Self> {
        if is_local_uri(source)? {
            return Ok(Self::Folder(local_path(source)?));
        }
        if !leads_where_it_says(source) || !has_whole_path(source)? {
            return Err(invalid(format!(
                "Invalid model version source: '{source}'. If supplying a source as an http, https, local file path, ftp, \
                 objectstore, or mlflow-artifacts uri, an absolute path must be provided without relative path references \
                 present. Please provide an absolute path."
            )));
        }
        let says_user = |_| {
            invalid(
                "Invalid model version source: it can't include a user or password, as everybody who sees the version would \
                 see it.",
            )
        };
        check_user(source).map_err(says_user)?;
        Ok(Self::Address)
    }
}

/// MLflow's refusal of a folder; `owner` is `run_id` or `model_id`.
pub fn foreign_folder(source: &str, owner: &str) -> Error {
    invalid(format!(
        "Invalid model version source: '{source}'. To use a local path as a model version source, the {owner} request \
         parameter has to be specified and the local path has to be contained within the artifact directory of the run \
         specified by the {owner}."
    ))
}

/// Whether no program that reads it, decoded however often, may take a part of it as leading elsewhere.
pub fn leads_where_it_says(source: &str) -> bool {
    let Some(decoded) = decoded(source) else { return false };
    let leads_up = |segment: &str| segment.trim() == "..";
    let marks = ['/', '\\', ':', '?', '#', ';', '&', '='];
    !decoded.split(marks).any(leads_up)
        && !decoded.contains(['\\', '#'])
        && !decoded.chars().any(char::is_control)
}

/// Whether there is a path, absolute and without `.` in it.
fn has_whole_path(source: &str) -> Result<bool> {
    let path = parse(&decoded(source).unwrap_or_default())?.path;
    let path = path.trim_end_matches('/');
    Ok(path.starts_with('/') && !path.split('/').any(|segment| segment == "." || segment == ".."))
}

/// Decoded until nothing changes, a `+` as a blank; `None` for what never ends.
fn decoded(source: &str) -> Option<String> {
    let mut text = source.to_owned();
    for _ in 0..10 {
        let decoded = percent_decode(&text.replace('+', " ")).into_owned();
        if decoded == text {
            return Some(text);
        }
        text = decoded;
    }
    None
}

/// What a `models:` URI names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelUri {
    /// `models:/m-0123`
    LoggedModel(String),
    /// `models:/name/1`
    Version(String, String),
    /// `models:/name/stage` and `models:/name@alias`, which are not the same version tomorrow.
    Other,
}

impl ModelUri {
    /// Reads a `models:` URI; `None` for any other.
    ///
    /// # Errors
    /// `INVALID_PARAMETER_VALUE` in MLflow's words, for one that is not whole. (MLflow answers 500.)
    pub fn parse(uri: &str) -> Result<Option<Self>> {
        let parts = parse(uri)?;
        if parts.scheme != "models" {
            return Ok(None);
        }
        let improper = || {
            invalid(format!(
                "Not a proper models:/ URI: {uri}. Models URIs must be of the form 'models:/name/suffix' or \
                 'models:/name@alias' where suffix is a version, stage, or the string 'latest' and where alias is a \
                 registered model alias. Only one of suffix or alias can be defined at a time."
            ))
        };
        let path = parts.path.trim_start_matches('/');
        let segments: Vec<&str> = path.split('/').collect();
        let is_whole =
            parts.path.starts_with('/') && segments.iter().all(|segment| !segment.trim().is_empty());
        match segments.as_slice() {
            [name, version] if is_whole && version.bytes().all(|b| b.is_ascii_digit()) => {
                Ok(Some(Self::Version((*name).to_owned(), (*version).to_owned())))
            }
            [_, _] if is_whole => Ok(Some(Self::Other)),
            [name] if is_whole => match name.rsplit_once('@') {
                None => Ok(Some(Self::LoggedModel((*name).to_owned()))),
                Some((_, alias)) if !alias.trim().is_empty() => Ok(Some(Self::Other)),
                Some(_) => Err(improper()),
            },
            _ => Err(improper()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken() {
        for source in [
            "s3://bucket/models/m",
            "s3://bucket/a%20b/c+d",
            "mlflow-artifacts:/1/abc/artifacts/model",
            "mlflow-artifacts://host:5000/1/abc",
            "http://host:5000/api/2.0/mlflow-artifacts/artifacts/1/abc",
            "models:/name/1",
            "models:/m-0123",
            "runs:/0123/model",
            "dbfs:/databricks/mlflow/1",
            "wasbs://container@account.blob.core.windows.net/m",
            "s3://b/x?versionId=3",
            "gs://b/..a/b..",
            "whatever:/x/y/",
            "s3://b//x",
        ] {
            assert_eq!(Source::parse(source), Ok(Source::Address), "{source}");
        }
    }

    #[test]
    fn folders_are_told_from_addresses() {
        for (source, path) in [
            ("/etc", "/etc"),
            ("etc", "etc"),
            ("file:///etc", "/etc"),
            ("FILE:///etc", "FILE:///etc"),
            ("file:/etc%2fx", "/etc/x"),
            ("file::/etc", ":/etc"),
            ("///etc", "///etc"),
            ("\\\\host\\share", "\\\\host\\share"),
        ] {
            assert_eq!(Source::parse(source), Ok(Source::Folder(path.into())), "{source}");
        }
        assert_eq!(Source::parse("file://123.456.789.123/x").unwrap_err().code.http_status(), 500);
    }

    #[test]
    fn what_leads_elsewhere_is_refused() {
        for source in [
            "mlflow-artifacts://host:9000/../../../",
            "http://host:9000/models/artifacts/../../../",
            "mlflow-artifacts://host:9000/..%2f..%2f..%2f..%2f",
            "mlflow-artifacts://host:9000/%252e%252e%252fetc",
            "http://host/api/2.0/mlflow-artifacts/artifacts%00",
            "s3:/b/models/path/../../other/path",
            "s3:relative",
            "s3://b",
            "mlflow-artifacts:/",
            "mlflow-artifacts:x",
            "s3://b/./x",
            "s3://b/x;..",
            "s3://b/x;a=..;b",
            "s3://b/x?a=../..",
            "http:///#/../../etc",
            "s3://b/x#y",
            "s3://b/a\\..\\b",
            "s3://b/a%5c..%5cb",
            "s3://b/a%0ab",
            "s3:..",
            "C:\\Windows",
            "s3://user:secret@b/x",
            "https://user@host/x",
            "http://[::1/x",
        ] {
            let refused = Source::parse(source);
            assert!(refused.is_err(), "{source} became {refused:?}");
            assert!(!refused.unwrap_err().message.contains("secret"));
        }
        let too_often = format!("s3://b/%{}2e", "25".repeat(20));
        assert!(Source::parse(&too_often).is_err());
        for folder in ["/a/../b", "/a/%252e%252e/b", "file:..", "/a\\..", "/a#b", "/a\nb"] {
            assert!(!leads_where_it_says(folder), "{folder}");
        }
        assert!(
            leads_where_it_says("/data/1/abc/artifacts/model") && leads_where_it_says("file:///data/a b")
        );
    }

    #[test]
    fn model_uris_name_versions_and_logged_models() {
        let version = |name: &str, n: &str| Some(ModelUri::Version(name.into(), n.into()));
        assert_eq!(ModelUri::parse("models:/a b/12").unwrap(), version("a b", "12"));
        assert_eq!(ModelUri::parse("models:/m-1").unwrap(), Some(ModelUri::LoggedModel("m-1".into())));
        for other in ["models:/a/latest", "models:/a/Production", "models:/a@champion"] {
            assert_eq!(ModelUri::parse(other).unwrap(), Some(ModelUri::Other), "{other}");
        }
        assert_eq!(ModelUri::parse("s3://b/models:/a/1").unwrap(), None);
        for improper in ["models:/", "models:a", "models:/a/", "models:/ /1", "models:/a/1/2", "models:/a@"] {
            let message = ModelUri::parse(improper).unwrap_err().message;
            assert!(message.starts_with(&format!("Not a proper models:/ URI: {improper}. ")), "{message}");
        }
    }
}
