//! Which Host headers are this server's: `--allowed-hosts`, or this machine and private addresses.

use axum::http::{HeaderMap, Uri, header};
use std::net::IpAddr;

/// The hosts under which this server answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Hosts {
    /// `*`.
    Any,
    /// This machine and private addresses.
    Local,
    /// Those that the operator lists.
    Listed(Vec<Pattern>),
}

/// One entry of `--allowed-hosts`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    /// A name or address, with a port if only that one will do.
    Exact { name: String, port: Option<u16> },
    /// A text with `*` and `?`, in lower case.
    Glob(String),
}

/// A Host header, or what follows `://` in an origin, in its two parts. An IPv6 address keeps its brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Authority<'a> {
    pub(super) name: &'a str,
    pub(super) port: Option<u16>,
}

impl Hosts {
    /// Reads the comma-separated option.
    pub(super) fn parse(option: Option<&str>) -> Result<Self, String> {
        let entries = option.unwrap_or_default().split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let entries: Vec<_> = entries.collect();
        if entries.is_empty() {
            return Ok(Self::Local);
        }
        if entries.contains(&"*") {
            return Ok(Self::Any);
        }
        Ok(Self::Listed(entries.into_iter().map(Pattern::parse).collect::<Result<_, _>>()?))
    }

    /// Whether the request is for an allowed host; if not, the host it is for.
    pub(super) fn check<'r>(&self, headers: &'r HeaderMap, uri: &'r Uri) -> Result<(), &'r str> {
        if *self == Self::Any {
            return Ok(());
        }
        let mut given = headers.get_all(header::HOST).iter().map(|value| value.to_str().unwrap_or_default());
        let host = given.next().or_else(|| uri.authority().map(|a| a.as_str())).unwrap_or_default();
        // With two headers, or a URI of another host than the header, it would depend on the reader which one counts.
        if given.next().is_some() || uri.authority().is_some_and(|a| !a.as_str().eq_ignore_ascii_case(host)) {
            return Err(host);
        }
        if self.allow(host) { Ok(()) } else { Err(host) }
    }

    fn allow(&self, host: &str) -> bool {
        let Some(authority) = Authority::parse(host) else { return false };
        match self {
            Self::Any => true,
            Self::Local => is_local(authority.name),
            Self::Listed(patterns) => patterns.iter().any(|pattern| pattern.matches(host, authority)),
        }
    }
}

impl<'a> Authority<'a> {
    /// Splits `name`, `name:port`, `[address]` and `[address]:port`.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let end = match text.strip_prefix('[') {
            Some(rest) => rest.find(']')? + 2,
            None => text.find(':').unwrap_or(text.len()),
        };
        let (name, rest) = text.split_at(end);
        let port = match rest.strip_prefix(':') {
            None if rest.is_empty() => None,
            Some("") => None,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().ok()?),
            _ => return None,
        };
        // Nothing of a URI may follow or precede the host: `localhost@evil.example`, `evil.example/localhost`.
        let plain = |b: u8| b.is_ascii_alphanumeric() || b".-_[]:".contains(&b);
        (!name.is_empty() && name.bytes().all(plain)).then_some(Self { name, port })
    }
}

impl Pattern {
    fn parse(entry: &str) -> Result<Self, String> {
        // `[[]` is how MLflow's own patterns spell a bracket; any port is what a name without one means.
        let entry = entry.to_ascii_lowercase().replace("[[]", "[");
        let without_port = entry.strip_suffix(":*").unwrap_or(&entry);
        if !without_port.contains(['*', '?']) {
            if let Some(Authority { name, port }) = Authority::parse(without_port)
                && (without_port == entry || port.is_none())
            {
                return Ok(Self::Exact { name: name.to_owned(), port });
            }
            return Err(format!(
                "'{entry}' is not a host; write NAME, NAME:PORT or *.DOMAIN, without http://"
            ));
        }
        if entry.contains('[') {
            return Err(format!(
                "'{entry}': only * and ? have a meaning in a pattern; [ ] hold an IPv6 address"
            ));
        }
        Ok(Self::Glob(entry))
    }

    fn matches(&self, host: &str, authority: Authority) -> bool {
        match self {
            Self::Exact { name, port } => {
                name.eq_ignore_ascii_case(authority.name) && port_matches(*port, authority.port)
            }
            Self::Glob(pattern) => glob(pattern, host) || glob(pattern, authority.name),
        }
    }
}

/// A browser leaves the scheme's own port out.
fn port_matches(wanted: Option<u16>, given: Option<u16>) -> bool {
    wanted.is_none() || wanted == given || (given.is_none() && matches!(wanted, Some(80 | 443)))
}

/// Addresses are read as such: a name that begins like one can be anybody's.
fn is_local(name: &str) -> bool {
    if name.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let address = match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        Some(inner) => inner.parse().map(IpAddr::V6),
        None => name.parse().map(IpAddr::V4),
    };
    match address.map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_unspecified(),
        Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unique_local() || ip.is_unspecified(),
        Err(_) => false,
    }
}

/// Python's `fnmatch` for `*` and `?`, without regard to case. A mismatch goes back to the last `*` only, so that no
/// Host header can make it slow.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut last_star = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                last_star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == b'?' || c.eq_ignore_ascii_case(&text[t]) => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((star, taken)) = last_star else { return false };
                last_star = Some((star, taken + 1));
                (p, t) = (star + 1, taken + 1);
            }
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn private_addresses_are_addresses() {
        for host in [
            "localhost",
            "localhost:",
            "LOCALHOST:5000",
            "127.0.0.1:80",
            "127.8.9.10",
            "0.0.0.0",
            "10.1.2.3",
            "192.168.0.9:5000",
            "172.16.0.1",
            "172.31.255.255:5000",
            "[::1]:5000",
            "[fd00::1]:5000",
            "[FC00::1]",
            "[::ffff:10.0.0.1]",
        ] {
            assert!(Hosts::Local.allow(host), "{host}");
        }
        for host in [
            "",
            ":5000",
            "10.evil.example:5000",
            "192.168.attacker.test",
            "172.16.x.attacker.test",
            "127.0.0.1.nip.io",
            "10.0.0.1.evil.example:5000",
            "172.32.0.1",
            "172.15.0.1",
            "11.0.0.1",
            "8.8.8.8",
            "10.1",
            "0x7f.0.0.1",
            "010.0.0.1",
            "fd00.evil.example",
            "fd00:evil",
            "[fd00::1].evil.example",
            "[fd00::1",
            "[2001:db8::1]:5000",
            "[::ffff:8.8.8.8]",
            "[10.0.0.1]",
            "localhost.evil.example",
            "localhost:80:80",
            "localhost:port",
            "localhost:65536",
            "localhost@evil.example",
            "evil.example#localhost",
            "mlflow.ns.svc.cluster.local:5000",
        ] {
            assert!(!Hosts::Local.allow(host), "{host}");
        }
    }

    #[test]
    fn listed_hosts_match_with_and_without_port() {
        let hosts =
            Hosts::parse(Some("mlflow.Example, app-*.example,10.0.0.9:5000,a.example:443, [fd00::1]:*"));
        let hosts = hosts.unwrap();
        for host in [
            "mlflow.example",
            "MLflow.example:8080",
            "app-1.example",
            "app-1.example:5000",
            "10.0.0.9:5000",
            "a.example",
            "a.example:443",
            "[fd00::1]:5000",
            "[FD00::1]",
        ] {
            assert!(hosts.allow(host), "{host}");
        }
        for host in [
            "evil.example",
            "mlflow.example.evil",
            "xmlflow.example",
            "app-1.example.evil",
            "10.0.0.9",
            "10.0.0.9:5001",
            "a.example:80",
            "[fd00::2]",
            "localhost",
            "127.0.0.1",
        ] {
            assert!(!hosts.allow(host), "{host}");
        }
    }

    #[test]
    fn patterns_are_mlflows() {
        let hosts = Hosts::parse(Some("192.168.*,localhost:*,[[]::1]:*,*.internal:8?")).unwrap();
        for host in [
            "192.168.0.1:5000",
            "192.168.evil.example",
            "localhost:1",
            "localhost",
            "[::1]:5000",
            "a.internal:80",
        ] {
            assert!(hosts.allow(host), "{host}");
        }
        assert!(!hosts.allow("a.internal:5000"));
        assert_eq!(Hosts::parse(Some("a.example,*")), Ok(Hosts::Any));
        assert_eq!(Hosts::parse(Some(" , ")), Ok(Hosts::Local));
        for bad in ["http://a.example", "a.example/x", "[ab]*.example", "a:b", "[fd00::1"] {
            assert!(Hosts::parse(Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn globs_match_whole_texts() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZcd", false),
            ("*a", "bbba", true),
            ("a?", "a", false),
            ("a**", "a", true),
            ("", "a", false),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
        assert!(!glob(&"*a".repeat(50), &"a".repeat(8000).replace("aaaa", "aaab")));
    }

    #[test]
    fn one_host_is_meant() {
        let check = |hosts: &[&str], uri: &'static str| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(header::HOST, HeaderValue::from_str(host).unwrap());
            }
            Hosts::Local.check(&headers, &Uri::from_static(uri)).is_ok()
        };
        assert!(check(&["localhost"], "/x"));
        assert!(check(&[], "http://localhost:5000/x"));
        assert!(check(&["localhost:5000"], "http://localhost:5000/x"));
        assert!(!check(&[], "/x"));
        assert!(!check(&["localhost", "evil.example"], "/x"));
        assert!(!check(&["localhost"], "http://evil.example/x"));
    }
}
