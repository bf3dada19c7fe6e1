//! MLflow's rules for artifact URIs: what counts as local, how ids are appended, which locations are refused.
//!
//! Mirrors `mlflow.utils.uri` and the checks at the top of `handlers._create_experiment`. Pure text: the working
//! directory is an argument and no file is looked at.

mod location;
mod parts;
mod source;

pub use location::Locations;
pub use parts::{InvalidHost, Parts, percent_decode};
pub use source::{ModelUri, NO_SOURCE, Source, foreign_folder, leads_where_it_says};

use std::path::Path;

use crate::error::{Result, internal, invalid};

/// Appends `segments` to the path of `uri`, in front of its query and fragment (`append_to_uri_path`).
///
/// A `uri` without a scheme is taken as a plain path, so there a query stays where it is. Fails when the query
/// holds a `..`, which some storage would take for a part of the path.
pub fn append_to_uri_path(uri: &str, segments: &[&str]) -> Result<String> {
    let suffix = segments.iter().fold(String::new(), |path, segment| join_posix(&path, segment));
    let mut parts = parse(uri)?;
    check_query(&parts.query)?;
    if parts.scheme.is_empty() {
        return Ok(join_posix(uri, &suffix));
    }
    // With its scheme, `urlunparse` would make a relative path absolute (`file:a` -> `file:///a`).
    let mut prefix = String::new();
    if !parts.path.starts_with('/') {
        prefix = format!("{}:", std::mem::take(&mut parts.scheme));
    }
    parts.path = join_posix(&parts.path, &suffix);
    Ok(prefix + &parts.unparse())
}

/// Makes a relative local path or `file:` URI absolute against `cwd`; anything else comes back as it is
/// (`resolve_uri_if_local`).
pub fn resolve_uri_if_local(uri: &str, cwd: &Path) -> Result<String> {
    if !is_local_uri(uri)? {
        return Ok(uri.to_owned());
    }
    let path = local_path(uri)?;
    if path.starts_with('/') {
        return Ok(uri.to_owned());
    }
    let absolute = join_like_pathlib(cwd, &path);
    let parts = parse(uri)?;
    if parts.scheme.is_empty() {
        return Ok(absolute);
    }
    let Parts { scheme, query, fragment, .. } = parts;
    Ok(Parts { scheme, path: absolute, query, fragment, ..Parts::default() }.unparse())
}

/// Whether `uri` names a path on this machine: no scheme, or `file:` without a foreign host (`is_local_uri`).
///
/// A `file:` URI with a foreign host is an error, with the code MLflow gives it (500).
pub fn is_local_uri(uri: &str) -> Result<bool> {
    if uri == "databricks" {
        return Ok(false);
    }
    let parts = parse(uri)?;
    if parts.scheme != "file" {
        return Ok(parts.scheme.is_empty());
    }
    let is_this_machine =
        |host: &str| host == "." || host.starts_with("localhost") || host.starts_with("127.0.0.1");
    match parts.hostname() {
        Some(host) if !is_this_machine(&host) => Err(internal(format!(
            "{uri} is not a valid remote uri. For remote access on windows, please consider using a different \
             scheme such as SMB (e.g. smb://<hostname>/<path>)."
        ))),
        _ => Ok(true),
    }
}

/// The file system path that a local URI means, percent-decoded once (`local_file_uri_to_path`; MLflow decodes
/// plain paths too).
pub fn local_path(uri: &str) -> Result<String> {
    if uri.starts_with("file:") {
        return Ok(percent_decode(&parse(uri)?.path).into_owned());
    }
    Ok(percent_decode(uri).into_owned())
}

/// Refuses an `artifact_location` that a REST client may not set (`handlers._create_experiment`).
pub fn check_artifact_location(location: &str) -> Result<()> {
    let parts = parse(location)?;
    if !parts.fragment.is_empty() || !parts.params.is_empty() {
        return Err(invalid("'artifact_location' URL can't include fragments or params."));
    }
    check_query(&parts.query)
}

/// Percent-decodes until nothing changes any more, so that no encoding of an encoding gets past a check
/// (`_decode`). What is still changing after ten rounds is refused.
pub fn decode_fully(text: &str) -> Result<String> {
    let mut text = text.to_owned();
    for _ in 0..10 {
        let decoded = parse(&percent_decode(&text))?.unparse();
        if decoded == text {
            return Ok(text);
        }
        text = decoded;
    }
    Err(invalid(format!("'{text}' is percent-encoded too many times. Send it encoded once.")))
}

/// Splits a URI, turning Python's `ValueError` (a 500 in MLflow) into an answer that says what to mend.
pub fn parse(uri: &str) -> Result<Parts> {
    Parts::parse(uri).map_err(|InvalidHost| {
        invalid(format!("'{uri}' is not a valid URI: only a whole IPv6 address may stand in brackets."))
    })
}

/// `validate_query_string`.
fn check_query(query: &str) -> Result<()> {
    if decode_fully(query)?.contains("..") {
        return Err(invalid("Invalid query string"));
    }
    Ok(())
}

/// `posixpath.join`, except that an absolute `suffix` is appended too (`_join_posixpaths_and_append_absolute_suffixes`).
fn join_posix(prefix: &str, suffix: &str) -> String {
    if prefix.is_empty() {
        return suffix.to_owned();
    }
    let separator = if prefix.ends_with('/') { "" } else { "/" };
    format!("{prefix}{separator}{}", suffix.trim_start_matches('/'))
}

/// `pathlib`'s join: empty segments and `.` go, `..` stays.
fn join_like_pathlib(cwd: &Path, relative: &str) -> String {
    let mut joined = cwd.to_string_lossy().trim_end_matches('/').to_owned();
    for segment in relative.split('/').filter(|s| !matches!(*s, "" | ".")) {
        joined.push('/');
        joined += segment;
    }
    if joined.is_empty() { "/".to_owned() } else { joined }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// Recorded from MLflow 3.7.0 by `testdata/record_uri.py`, with `/srv/mlflow` as the working directory.
    const RECORDED: &str = include_str!("../testdata/uri.json");

    /// Compares a function with the recorded results; an exception was recorded as `{"raises": message}`, with the
    /// message only where it is MLflow's own.
    fn compare<T: Into<Value>>(function: &str, ours: impl Fn(&str) -> Result<T>) {
        let recorded: Value = serde_json::from_str(RECORDED).unwrap();
        let cases = recorded[function].as_object().unwrap();
        assert!(cases.len() > 50, "the corpus of {function} is gone");
        for (uri, expected) in cases {
            match (ours(uri), expected.get("raises")) {
                (Ok(value), None) => assert_eq!(value.into(), *expected, "{function}({uri:?})"),
                (Err(error), Some(Value::String(message))) => {
                    assert_eq!(error.message, *message, "{function}({uri:?})")
                }
                (Err(_), Some(_)) => {}
                (ours, _) => panic!("{function}({uri:?}): {:?} instead of {expected}", ours.map(Into::into)),
            }
        }
    }

    #[test]
    fn appends_as_mlflow_does() {
        compare("append_to_uri_path", |case| {
            let (uri, segments) = case.split_once(" + ").unwrap();
            append_to_uri_path(uri, &segments.split(' ').collect::<Vec<_>>())
        });
    }

    #[test]
    fn resolves_local_uris_as_mlflow_does() {
        compare("resolve_uri_if_local", |uri| resolve_uri_if_local(uri, Path::new("/srv/mlflow")));
    }

    #[test]
    fn tells_local_uris_as_mlflow_does() {
        compare("is_local_uri", is_local_uri);
    }

    #[test]
    fn finds_local_paths_as_mlflow_does() {
        compare("local_file_uri_to_path", local_path);
    }

    #[test]
    fn checks_artifact_locations_as_mlflow_does() {
        compare("check_artifact_location", check_artifact_location);
    }

    #[test]
    fn decodes_fully_as_mlflow_does() {
        compare("_decode", decode_fully);
    }

    #[test]
    fn a_foreign_file_host_is_500() {
        let error = is_local_uri("file://123.456.789.123/a").unwrap_err();
        assert_eq!(error.code.http_status(), 500);
    }
}
