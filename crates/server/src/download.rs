//! Files as responses: whole, in part, or only that nothing changed (RFC 9110, 13 and 14).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use artifacts::{ArtifactPath, ByteRange, Error, FileMeta, Store};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::respond::Failure;

/// Answers a `GET` or `HEAD` with the file at `path`; `asked` are the request's headers, `about` those that go with
/// the file whatever part of it is sent.
///
/// # Errors
/// As [`Store::get`]; 412 and 416 where the request's conditions or range do not hold.
pub async fn send(
    store: &Store,
    path: &ArtifactPath,
    asked: &HeaderMap,
    about: HeaderMap,
) -> Result<Response, Failure> {
    let range = asked.get(header::RANGE).and_then(|value| parse_range(value.to_str().ok()?));
    let (mut download, mut satisfiable) = match store.get(path, range).await {
        Err(Error::RangeNotSatisfiable { .. }) => (store.get(path, None).await?, false),
        other => (other?, true),
    };
    let meta = download.meta.clone();
    match check(asked, &meta) {
        Condition::Holds => {}
        Condition::NotModified => {
            return Ok((StatusCode::NOT_MODIFIED, validators(&meta), about).into_response());
        }
        Condition::Fails => {
            let error = api::error::invalid("The file has changed since it was looked at. Get it again.");
            return Err(Failure::with_status(StatusCode::PRECONDITION_FAILED, error));
        }
    }
    let partial = range.is_some() && if_range_holds(asked, &meta);
    if range.is_some() && !partial {
        (download, satisfiable) = (store.get(path, None).await?, true);
    }
    if !satisfiable {
        let failure = Failure::from(Error::RangeNotSatisfiable { size: meta.size });
        let content_range = [(header::CONTENT_RANGE, format!("bytes */{}", meta.size))];
        return Ok((StatusCode::RANGE_NOT_SATISFIABLE, content_range, failure).into_response());
    }

    let (start, end) = (download.range.start, download.range.end);
    let mut headers = about;
    headers.extend(validators(&download.meta));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_LENGTH, (end - start).into());
    let mut status = StatusCode::OK;
    if partial {
        status = StatusCode::PARTIAL_CONTENT;
        insert(
            &mut headers,
            header::CONTENT_RANGE,
            &format!("bytes {start}-{}/{}", end - 1, download.meta.size),
        );
    }
    Ok((status, headers, Body::from_stream(download.body)).into_response())
}

/// The headers of an artifact: its type by its name, and that a browser must neither guess another one nor show it
/// on this server's own origin. Where it shows it all the same, scripts in it do not run, and it has an origin of its own.
pub fn attachment(name: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(artifacts::mime::of_artifact(name)));
    insert(&mut headers, header::CONTENT_DISPOSITION, &format!("attachment; {}", filename(name)));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers
}

/// `filename=` as werkzeug writes it, for every download: a token stays bare, `%` too. MLflow's artifact proxy puts
/// the bare name even where it breaks the header, and fails with 500 on names outside ASCII.
fn filename(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let quoted = |name: &str| match !name.is_empty() && name.chars().all(bare) {
        true => format!("filename={name}"),
        false => format!("filename=\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"")),
    };
    if name.is_ascii() {
        return quoted(name);
    }
    let ascii: String = name.chars().filter(char::is_ascii).collect();
    format!("{}; filename*=UTF-8''{}", quoted(&ascii), utf8_percent_encode(name, EXTENDED))
}

/// All but the `attr-char` of RFC 5987.
const EXTENDED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    let value = HeaderValue::from_str(value).expect("control characters never get into an artifact's name");
    headers.insert(name, value);
}

fn validators(meta: &FileMeta) -> HeaderMap {
    let mut headers = HeaderMap::new();
    insert(&mut headers, header::ETAG, &format!("\"{}\"", meta.etag));
    insert(&mut headers, header::LAST_MODIFIED, &httpdate::fmt_http_date(meta.modified));
    headers
}

#[derive(Debug, PartialEq, Eq)]
enum Condition {
    Holds,
    NotModified,
    Fails,
}

/// The request's conditions, in the order of RFC 9110, 13.2.2. A tag is looked at instead of a time, not besides.
fn check(asked: &HeaderMap, meta: &FileMeta) -> Condition {
    let text = |name| asked.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let unchanged_since =
        |name| text(name).and_then(|date| httpdate::parse_http_date(date).ok()).map(|t| whole(meta) <= t);
    let fails = match text(header::IF_MATCH) {
        Some(tags) => !matches_tag(tags, meta),
        None => unchanged_since(header::IF_UNMODIFIED_SINCE) == Some(false),
    };
    if fails {
        return Condition::Fails;
    }
    let not_modified = match text(header::IF_NONE_MATCH) {
        Some(tags) => matches_tag(tags, meta),
        None => unchanged_since(header::IF_MODIFIED_SINCE) == Some(true),
    };
    if not_modified { Condition::NotModified } else { Condition::Holds }
}

fn matches_tag(tags: &str, meta: &FileMeta) -> bool {
    let tag = |tag: &str| tag.trim().trim_start_matches("W/").trim_matches('"') == meta.etag;
    tags.trim() == "*" || tags.split(',').any(tag)
}

fn if_range_holds(asked: &HeaderMap, meta: &FileMeta) -> bool {
    let Some(value) = asked.get(header::IF_RANGE) else { return true };
    let value = value.to_str().unwrap_or_default();
    match httpdate::parse_http_date(value) {
        Ok(date) => date == whole(meta),
        Err(_) => matches_tag(value, meta),
    }
}

/// When the file was modified, as exactly as a header can say.
fn whole(meta: &FileMeta) -> SystemTime {
    let seconds = meta.modified.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// One range of bytes. Several ranges, other units and nonsense are ignored, as RFC 9110 allows: the whole file is an
/// answer to them too.
fn parse_range(value: &str) -> Option<ByteRange> {
    let (first, last) = value.trim().strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| text.trim().parse::<u64>().ok().filter(|_| !text.contains('+'));
    match (first.trim(), last.trim()) {
        ("", last) => Some(ByteRange::Last(number(last)?)),
        (first, "") => Some(ByteRange::From(number(first)?)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(ByteRange::Between(first, last))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_understood() {
        for (value, expected) in [
            ("bytes=0-4", Some(ByteRange::Between(0, 4))),
            ("bytes=5-", Some(ByteRange::From(5))),
            ("bytes=-5", Some(ByteRange::Last(5))),
            ("bytes= 1 - 2 ", Some(ByteRange::Between(1, 2))),
            ("bytes=4-2", None),
            ("bytes=-", None),
            ("bytes=a-b", None),
            ("bytes=+1-2", None),
            ("bytes=0-1,3-4", None),
            ("items=0-1", None),
            ("bytes=99999999999999999999-", None),
        ] {
            assert_eq!(parse_range(value), expected, "{value}");
        }
    }

    #[test]
    fn names_are_written_as_werkzeug_writes_them() {
        for (name, expected) in [
            ("b.txt", "filename=b.txt"),
            ("p%.txt", "filename=p%.txt"),
            ("a%20b.txt", "filename=a%20b.txt"),
            ("a b.txt", "filename=\"a b.txt\""),
            ("q\"x\\.txt", "filename=\"q\\\"x\\\\.txt\""),
            ("s;x.txt", "filename=\"s;x.txt\""),
            ("ä b.txt", "filename=\" b.txt\"; filename*=UTF-8''%C3%A4%20b.txt"),
            ("ä", "filename=\"\"; filename*=UTF-8''%C3%A4"),
        ] {
            assert_eq!(filename(name), expected, "{name}");
            attachment(name);
        }
    }

    #[test]
    fn conditions_follow_the_standard() {
        let modified = UNIX_EPOCH + Duration::from_millis(1_000_000_500);
        let meta = FileMeta { size: 5, modified, etag: "tag".into() };
        let (same, before) = ("Mon, 12 Jan 1970 13:46:40 GMT", "Mon, 12 Jan 1970 13:46:39 GMT");
        for (headers, expected) in [
            (&[] as &[(HeaderName, &str)], Condition::Holds),
            (&[(header::IF_NONE_MATCH, "\"tag\"")], Condition::NotModified),
            (&[(header::IF_NONE_MATCH, "\"x\", W/\"tag\"")], Condition::NotModified),
            (&[(header::IF_NONE_MATCH, "*")], Condition::NotModified),
            (&[(header::IF_NONE_MATCH, "\"x\""), (header::IF_MODIFIED_SINCE, same)], Condition::Holds),
            (&[(header::IF_MODIFIED_SINCE, same)], Condition::NotModified),
            (&[(header::IF_MODIFIED_SINCE, before)], Condition::Holds),
            (&[(header::IF_MODIFIED_SINCE, "yesterday")], Condition::Holds),
            (&[(header::IF_MATCH, "\"tag\"")], Condition::Holds),
            (&[(header::IF_MATCH, "\"x\"")], Condition::Fails),
            (&[(header::IF_UNMODIFIED_SINCE, same)], Condition::Holds),
            (&[(header::IF_UNMODIFIED_SINCE, before)], Condition::Fails),
        ] {
            let map = headers.iter().map(|(k, v)| (k.clone(), v.parse().unwrap())).collect();
            assert_eq!(check(&map, &meta), expected, "{headers:?}");
        }
    }
}
