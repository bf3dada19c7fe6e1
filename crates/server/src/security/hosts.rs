//! Which `Host` headers the server answers to (`--allowed-hosts`), against DNS rebinding.
//!
//! Mirrors MLflow's defaults and patterns with two differences, both wanted. Private addresses are told by reading the
//! address: MLflow's globs also take `10.evil.example`. A name without a port stands for all of its ports.

use super::glob::Glob;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The hosts that are served.
#[derive(Debug, Clone)]
pub enum Hosts {
    /// `*`: all of them.
    Any,
    /// This machine and private addresses.
    Local,
    /// What the operator listed, and nothing else.
    Listed(Vec<Pattern>),
}

/// One entry of the operator's list.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    glob: Option<Glob>,
}

impl Hosts {
    /// Reads a comma-separated list; without one, or with an empty one, the defaults hold.
    pub fn parse(list: Option<&str>) -> Self {
        let entries = list.unwrap_or_default().split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let patterns: Vec<_> = entries.map(Pattern::parse).collect();
        if patterns.is_empty() {
            Self::Local
        } else if patterns.iter().any(|pattern| pattern.text == "*") {
            Self::Any
        } else {
            Self::Listed(patterns)
        }
    }

    /// Whether a request with this `Host` header is served.
    pub fn allow(&self, header: &str) -> bool {
        let Some(host) = host_of(header) else { return false };
        match self {
            Self::Any => true,
            Self::Local => is_local(host),
            Self::Listed(patterns) => patterns.iter().any(|pattern| pattern.matches(header, host)),
        }
    }

    /// The value of `--allowed-hosts` that would serve `header` besides what is served now.
    pub fn with(&self, header: &str) -> String {
        let host = host_of(header).unwrap_or(header);
        match self {
            Self::Any => "*".to_owned(),
            Self::Local => format!("localhost,127.0.0.1,{host}"),
            Self::Listed(patterns) => {
                let mut list: Vec<_> = patterns.iter().map(|pattern| pattern.text.as_str()).collect();
                list.push(host);
                list.join(",")
            }
        }
    }
}

impl Pattern {
    fn parse(text: &str) -> Self {
        let glob = text.contains('*').then(|| match host_of(text).and_then(ipv6) {
            // MLflow reads the brackets as a set of characters, so that no address ever matches.
            Some(_) => Glob::parse(&format!("[[]{}", &text[1..])),
            None => Glob::parse(text),
        });
        Self { text: text.to_owned(), glob }
    }

    fn matches(&self, header: &str, host: &str) -> bool {
        let Some(glob) = &self.glob else {
            return self.text.eq_ignore_ascii_case(header) || self.text.eq_ignore_ascii_case(host);
        };
        // `192.168.*` means addresses, not 192.168.attacker.test.
        let address_only = self.text.starts_with(|c: char| c.is_ascii_digit())
            && self.text.bytes().all(|b| b.is_ascii_digit() || b".*:?".contains(&b));
        (!address_only || host.parse::<Ipv4Addr>().is_ok()) && (glob.matches(header) || glob.matches(host))
    }
}

/// The host of `host`, `host:port`, `[address]` or `[address]:port`; a port is digits, or `*` in a pattern.
fn host_of(header: &str) -> Option<&str> {
    let end = match header.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => header.find(':').unwrap_or(header.len()),
    };
    let (host, port) = header.split_at(end);
    let is_port = |port: &str| port.bytes().all(|b| b.is_ascii_digit() || b == b'*');
    let port_is_fine = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
    (!host.is_empty() && port_is_fine).then_some(host)
}

fn is_local(host: &str) -> bool {
    if let Some(address) = ipv6(host) {
        return address == Ipv6Addr::LOCALHOST || address.is_unique_local();
    }
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return address == Ipv4Addr::LOCALHOST || address.is_unspecified() || address.is_private();
    }
    host.eq_ignore_ascii_case("localhost")
}

fn ipv6(host: &str) -> Option<Ipv6Addr> {
    host.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(list: Option<&str>, allowed: &[&str], refused: &[&str]) {
        let hosts = Hosts::parse(list);
        for host in allowed {
            assert!(hosts.allow(host), "{list:?} refuses {host}");
        }
        for host in refused {
            assert!(!hosts.allow(host), "{list:?} allows {host}");
        }
    }

    #[rustfmt::skip]
    #[test]
    fn by_default_this_machine_and_private_addresses() {
        for list in [None, Some(""), Some(" , ")] {
            check(
                list,
                &[
                    "localhost", "localhost:5000", "LOCALHOST:5000", "LocalHost", "127.0.0.1", "127.0.0.1:1", "0.0.0.0:5000",
                    "[::1]", "[::1]:5000", "10.0.0.1", "10.255.255.255:80", "172.16.0.1:5000", "172.31.255.1",
                    "192.168.0.7:5000", "[fd00::1]:5000", "[FC00::2]", "[fdab:1:2::3]",
                ],
                &[
                    "", ":5000", "evil.example", "10.evil.example", "10.evil.example:5000", "192.168.attacker.test",
                    "172.16.x.attacker.test", "10.0.0.1.evil.example", "10.0.0.256", "10.0.0", "010.0.0.1", "172.15.0.1",
                    "172.32.0.1", "192.169.0.1", "11.0.0.1", "8.8.8.8:5000", "localhost.evil.example", "localhost@evil.example",
                    "evil.example:localhost", "localhost:5000:x", "localhost:80evil", "127.0.0.1.evil.example", "[::1]evil",
                    "[::1", "[fe80::1]", "[2001:db8::1]:5000", "[localhost]", "fd00::1", "fc00:evil.example",
                ],
            );
        }
    }

    #[test]
    fn a_list_takes_the_place_of_the_defaults() {
        check(
            Some("mlflow.example, tracking.example:8080"),
            &["mlflow.example", "MLFLOW.example:443", "tracking.example:8080"],
            &["localhost:5000", "10.0.0.1", "tracking.example", "tracking.example:80", "xmlflow.example"],
        );
        check(Some("a.example,*"), &["b.example", "x"], &["", "a b:c:d:e"]);
    }

    #[test]
    fn stars_match_as_fnmatch_does() {
        check(
            Some("*.internal.example,app-*:5000,node-[0-9]*.test"),
            &[
                "a.internal.example",
                "a.b.INTERNAL.example:80",
                "app-1:5000",
                "app-x.example:5000",
                "node-7x.test",
            ],
            &["internal.example", "a.internal.example.evil", "app-1", "app-1:5001", "node-x.test"],
        );
        check(Some("*:5000"), &["any.example:5000"], &["any.example:5001", "any.example"]);
    }

    #[test]
    fn stars_in_addresses_match_addresses() {
        check(
            Some("192.168.*"),
            &["192.168.1.2", "192.168.1.2:5000"],
            &["192.168.attacker.test", "192.169.1.1"],
        );
        check(Some("[fd00::1]:*"), &["[fd00::1]:5000"], &["[fd00::2]:5000", "f"]);
        check(Some("[[]fd00::1]:*"), &["[fd00::1]:5000"], &["[fd00::2]:5000"]);
    }

    #[test]
    fn the_advice_keeps_what_is_served() {
        assert_eq!(Hosts::parse(None).with("m.example:80"), "localhost,127.0.0.1,m.example");
        assert_eq!(Hosts::parse(Some("a, b:1")).with("m.example"), "a,b:1,m.example");
    }
}
