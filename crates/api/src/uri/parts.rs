//! Splitting and rejoining URIs as Python's `urllib.parse` (3.11) does.
//!
//! MLflow decides what is local, what is safe and where a segment is inserted by what `urlparse`, `urlunparse` and
//! `unquote` return, including their oddities, so those are what has to be followed and not RFC 3986.

use std::borrow::Cow;
use std::net::Ipv6Addr;

/// The six components `urlparse` splits a URI into. A component that is missing is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parts {
    /// Lower-cased, without the colon.
    pub scheme: String,
    /// User info, host and port.
    pub netloc: String,
    /// With its leading slash, if it has one; not percent-decoded.
    pub path: String,
    /// What follows a `;` in the last path segment, for the schemes that know such parameters.
    pub params: String,
    /// What follows `?`.
    pub query: String,
    /// What follows `#`.
    pub fragment: String,
}

/// A URI that Python refuses to split (its `ValueError`): the brackets of its host make no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidHost;

/// The schemes `urlunparse` gives a `//` although they came without a host (`urllib.parse.uses_netloc`, with the
/// one entry that a dependency of MLflow's server adds).
const USES_NETLOC: &[&str] = &[
    "ftp",
    "http",
    "gopher",
    "nntp",
    "telnet",
    "imap",
    "wais",
    "file",
    "mms",
    "https",
    "shttp",
    "snews",
    "prospero",
    "rtsp",
    "rtsps",
    "rtspu",
    "rsync",
    "svn",
    "svn+ssh",
    "sftp",
    "nfs",
    "git",
    "git+ssh",
    "ws",
    "wss",
    "itms-services",
];

/// The schemes whose last path segment may carry `;parameters` (`urllib.parse.uses_params`).
const USES_PARAMS: &[&str] = &[
    "", "ftp", "hdl", "prospero", "http", "imap", "https", "shttp", "rtsp", "rtsps", "rtspu", "sip", "sips",
    "mms", "sftp", "tel",
];

impl Parts {
    /// Splits `uri` as `urlparse` does: leading control characters and spaces go, and so do tabs and line ends
    /// anywhere.
    pub fn parse(uri: &str) -> Result<Self, InvalidHost> {
        let uri: String = uri
            .trim_start_matches(|c: char| c <= ' ')
            .chars()
            .filter(|c| !matches!(c, '\t' | '\r' | '\n'))
            .collect();
        let (scheme, rest) = split_scheme(&uri);
        let (netloc, rest) = split_netloc(rest);
        check_brackets(netloc)?;
        let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (path, params) =
            if USES_PARAMS.contains(&scheme.as_str()) { split_params(path) } else { (path, "") };
        Ok(Self {
            scheme,
            netloc: netloc.to_owned(),
            path: path.to_owned(),
            params: params.to_owned(),
            query: query.to_owned(),
            fragment: fragment.to_owned(),
        })
    }

    /// Joins the components again as `urlunparse` does; delimiters of empty components are lost.
    pub fn unparse(&self) -> String {
        let mut uri = String::new();
        if !self.scheme.is_empty() {
            uri += &self.scheme;
            uri.push(':');
        }
        // `urlunparse` appends the parameters to the path before it looks at it.
        let path = match self.params.as_str() {
            "" => Cow::Borrowed(self.path.as_str()),
            params => Cow::Owned(format!("{};{params}", self.path)),
        };
        let wants_host = USES_NETLOC.contains(&self.scheme.as_str()) && !path.starts_with("//");
        if !self.netloc.is_empty() || wants_host {
            uri += "//";
            uri += &self.netloc;
            if !path.is_empty() && !path.starts_with('/') {
                uri.push('/');
            }
        }
        uri += &path;
        for (delimiter, component) in [('?', &self.query), ('#', &self.fragment)] {
            if !component.is_empty() {
                uri.push(delimiter);
                uri += component;
            }
        }
        uri
    }

    /// The host in lower case, without user info, port and brackets; `None` if there is none.
    pub fn hostname(&self) -> Option<String> {
        let host = self.netloc.rsplit_once('@').map_or(self.netloc.as_str(), |(_, host)| host);
        let host = match host.split_once('[') {
            Some((_, bracketed)) => bracketed.split(']').next(),
            None => host.split(':').next(),
        };
        // A zone id (`fe80::1%Eth0`) keeps its case.
        match host.unwrap_or_default() {
            "" => None,
            host => Some(match host.split_once('%') {
                Some((host, zone)) => format!("{}%{zone}", host.to_lowercase()),
                None => host.to_lowercase(),
            }),
        }
    }
}

/// Decodes `%xx` once, as `urllib.parse.unquote`: bytes that are not UTF-8 become U+FFFD, a `%` without two hex
/// digits stays.
pub fn percent_decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    // Python decodes every run of ASCII on its own: a sequence of escapes is never completed by what follows it.
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let ascii = rest.find(|c: char| !c.is_ascii()).unwrap_or(rest.len());
        decoded += &String::from_utf8_lossy(&decode_bytes(&rest.as_bytes()[..ascii]));
        rest = &rest[ascii..];
        let other = rest.find(|c: char| c.is_ascii()).unwrap_or(rest.len());
        decoded += &rest[..other];
        rest = &rest[other..];
    }
    Cow::Owned(decoded)
}

fn decode_bytes(ascii: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ascii.len());
    let mut rest = ascii;
    while let Some((&first, tail)) = rest.split_first() {
        let digit = |at: usize| tail.get(at).and_then(|b| char::from(*b).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    bytes
}

fn split_scheme(uri: &str) -> (String, &str) {
    let is_scheme_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    match uri.split_once(':') {
        Some((scheme, rest))
            if scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.chars().all(is_scheme_char) =>
        {
            (scheme.to_ascii_lowercase(), rest)
        }
        _ => (String::new(), uri),
    }
}

fn split_netloc(rest: &str) -> (&str, &str) {
    match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len())),
        None => ("", rest),
    }
}

fn split_params(path: &str) -> (&str, &str) {
    let last_segment = path.rfind('/').unwrap_or(0);
    match path[last_segment..].find(';') {
        Some(at) => (&path[..last_segment + at], &path[last_segment + at + 1..]),
        None => (path, ""),
    }
}

fn check_brackets(netloc: &str) -> Result<(), InvalidHost> {
    let host = match (netloc.find('['), netloc.contains(']')) {
        (None, false) => return Ok(()),
        (Some(open), true) => netloc[open + 1..].split(']').next().unwrap_or_default(),
        _ => return Err(InvalidHost),
    };
    let valid = match host.strip_prefix('v') {
        Some(future) => future.split_once('.').is_some_and(|(version, address)| {
            !version.is_empty() && version.chars().all(|c| c.is_ascii_hexdigit()) && !address.is_empty()
        }),
        None => match host.split_once('%') {
            Some((address, zone)) => {
                address.parse::<Ipv6Addr>().is_ok() && !zone.is_empty() && !zone.contains('%')
            }
            None => host.parse::<Ipv6Addr>().is_ok(),
        },
    };
    if valid { Ok(()) } else { Err(InvalidHost) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// Recorded from Python 3.11 by `testdata/record_uri.py`; `null` where Python raises.
    const RECORDED: &str = include_str!("../../testdata/uri.json");

    #[test]
    fn splits_and_joins_as_python_does() {
        let recorded: Value = serde_json::from_str(RECORDED).unwrap();
        for (uri, expected) in recorded["urlparse"].as_object().unwrap() {
            let ours = Parts::parse(uri).ok().map(|p| {
                serde_json::json!([
                    p.scheme,
                    p.netloc,
                    p.path,
                    p.params,
                    p.query,
                    p.fragment,
                    p.hostname(),
                    p.unparse()
                ])
            });
            assert_eq!(ours.unwrap_or(Value::Null), *expected, "urlparse({uri:?})");
        }
    }

    #[test]
    fn decodes_as_python_does() {
        let recorded: Value = serde_json::from_str(RECORDED).unwrap();
        for (text, expected) in recorded["unquote"].as_object().unwrap() {
            assert_eq!(percent_decode(text), expected.as_str().unwrap(), "unquote({text:?})");
        }
    }
}
