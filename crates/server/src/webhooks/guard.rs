//! Where this server sends to. Whoever may make webhooks must not reach, through this server, what only this server can
//! reach: other machines of its network, its own host, the metadata services of clouds.
//!
//! A name is resolved once for each request, and the connection goes to an address of that very answer, so that a name cannot
//! lead elsewhere after it was looked at. Addresses that are written into a URL in other ways (`0x7f.1`, `2130706433`) are
//! read by the same parser that the connection goes by.

use api::error::invalid;
use ipnet::IpNet;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::lookup_host;
use tokio::time::timeout;

/// How long a look at a new webhook's name may take. One that does not resolve is looked at again at each delivery.
const LOOK: Duration = Duration::from_secs(2);

/// What is reached besides the public internet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed {
    everything: bool,
    networks: Vec<IpNet>,
    hosts: Vec<String>,
}

impl Allowed {
    /// Reads networks (`10.2.0.0/16`), addresses and host names, separated by commas; `*` is everything.
    ///
    /// # Errors
    /// A sentence about what is none of these.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut allowed = Self::default();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let bare = entry.trim_start_matches('[').trim_end_matches(']');
            if entry == "*" {
                allowed.everything = true;
            } else if let Ok(network) = entry.parse::<IpNet>() {
                allowed.networks.push(network);
            } else if let Ok(address) = bare.parse::<IpAddr>() {
                allowed.networks.push(address.into());
            } else if is_host(entry) {
                allowed.hosts.push(entry.trim_end_matches('.').to_ascii_lowercase());
            } else {
                return Err(format!(
                    "'{entry}' is no network, address or host; write 10.2.0.0/16, 10.2.0.7 or hooks.example"
                ));
            }
        }
        Ok(allowed)
    }

    fn has_host(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        self.everything || self.hosts.contains(&name)
    }

    fn has_address(&self, address: IpAddr) -> bool {
        self.everything
            || self.networks.iter().any(|network| network.contains(&address))
            || is_public(address)
    }

    /// Refuses a URL that nothing can be sent to, and one that leads where nothing is sent to, as far as that can be told now.
    ///
    /// # Errors
    /// `INVALID_PARAMETER_VALUE`.
    pub async fn check(&self, url: &str) -> api::Result<()> {
        let url = parse(url).map_err(|reason| invalid(format!("Invalid webhook URL: {reason}")))?;
        let refused = match host(&url) {
            Host::Address(address) => self.refuses(address),
            Host::Name(name) if self.has_host(&name) => None,
            Host::Name(name) => match timeout(LOOK, lookup_host((name.as_str(), 0))).await {
                Ok(Ok(found)) => self.addresses(&name, found).err(),
                Ok(Err(_)) | Err(_) => None,
            },
        };
        match refused {
            None => Ok(()),
            // Without the address: what a name inside stands for is nobody's business outside.
            Some(Blocked) => Err(invalid(
                "Invalid webhook URL: its host has no public address, and this server sends to no others. Its operator can allow \
                 more: --webhook-allowed-networks.",
            )),
        }
    }

    fn refuses(&self, address: IpAddr) -> Option<Blocked> {
        (!self.has_address(address)).then_some(Blocked)
    }

    /// Those addresses of a name that are sent to.
    fn addresses(
        &self,
        name: &str,
        found: impl Iterator<Item = SocketAddr>,
    ) -> Result<Vec<SocketAddr>, Blocked> {
        let (mut good, mut blocked) = (Vec::new(), None);
        for address in found {
            match self.refuses(address.ip()) {
                Some(refused) if !self.has_host(name) => blocked = Some(refused),
                _ => good.push(address),
            }
        }
        match blocked {
            Some(refused) if good.is_empty() => Err(refused),
            _ => Ok(good),
        }
    }

    /// Refuses a URL whose address is written in it and is none that is sent to. Names come to [`Guard`].
    ///
    /// # Errors
    /// [`Blocked`].
    pub fn check_address(&self, url: &Url) -> Result<(), Blocked> {
        match host(url) {
            Host::Address(address) => self.refuses(address).map_or(Ok(()), Err),
            Host::Name(_) => Ok(()),
        }
    }
}

fn is_host(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let text = text.trim_end_matches('.');
    // What ends in a number is an address, and was none.
    let ends_in_a_number =
        text.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    text.split('.').all(is_label) && !ends_in_a_number
}

/// Reads a URL as it is connected to.
///
/// # Errors
/// What is wrong with it.
pub fn parse(url: &str) -> Result<Url, String> {
    let url = Url::parse(url).map_err(|e| format!("{e}."))?;
    match url.host_str() {
        Some(host) if !host.is_empty() => Ok(url),
        _ => Err("it names no host.".into()),
    }
}

enum Host {
    Address(IpAddr),
    Name(String),
}

fn host(url: &Url) -> Host {
    let text = url.host_str().unwrap_or_default();
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    bare.parse().map_or_else(|_| Host::Name(text.to_owned()), Host::Address)
}

/// An address that nothing is sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocked;

impl std::fmt::Display for Blocked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("its host has no public address, and this server sends nothing to others (--webhook-allowed-networks)")
    }
}

impl std::error::Error for Blocked {}

/// Resolves names for the connections of the client that sends, and leaves out what nothing is sent to.
pub struct Guard(pub Arc<Allowed>);

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = Arc::clone(&self.0);
        Box::pin(async move {
            let found = lookup_host((name.as_str(), 0)).await?;
            let addresses = allowed.addresses(name.as_str(), found)?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is one of the public internet: what nobody has set aside for anything else.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// By IANA's registry of special addresses, and what clouds use besides.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, d] = address.octets();
    !matches!(
        (a, b, c, d),
        // This network, private networks, loopback
        (0 | 10 | 127, ..)
        | (172, 16..=31, ..)
        | (192, 168, ..)
        // Carrier-grade NAT, where Alibaba Cloud has its metadata, too
        | (100, 64..=127, ..)
        // Link-local, where most clouds have theirs
        | (169, 254, ..)
        // Protocol assignments, examples, the relays of 6to4, benchmarks
        | (192, 0, 0 | 2, _)
        | (192, 88, 99, _)
        | (198, 18 | 19, ..)
        | (198, 51, 100, _)
        | (203, 0, 113, _)
        // What Azure's machines ask about themselves
        | (168, 63, 129, 16)
        // Multicast, reserved, broadcast
        | (224.., ..)
    )
}

/// Only 2000::/3 is given out to the internet. That leaves out loopback, link-local and unique local addresses, and those that
/// hold an IPv4 address: mapped, and by NAT64.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let [a, b, ..] = segments;
    let set_aside = match (a, b) {
        // Protocol assignments: Teredo, ORCHID, benchmarks
        (0x2001, ..=0x01ff) => true,
        // Documentation
        (0x2001, 0x0db8) | (0x3fff, ..=0x0fff) => true,
        // 6to4 holds an IPv4 address
        (0x2002, _) => true,
        _ => false,
    };
    a & 0xe000 == 0x2000 && !set_aside
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(allowed: &str, url: &str) -> Result<(), Blocked> {
        Allowed::parse(allowed).unwrap().check_address(&parse(url).unwrap())
    }

    #[test]
    fn what_is_set_aside_is_not_public() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:8.8.8.8",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::808:808",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:0:1::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:808:808::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn the_rest_is_public() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "168.63.129.17",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2003::1",
            "2606:4700::1111",
            "2a00::1",
            "3ffe::1",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn no_way_of_writing_an_address_hides_it() {
        for url in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://0x7f.0.0.0x1/",
            "http://127.0.0.1:80@127.0.0.1/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[0:0:0:0:0:ffff:7f00:1]/",
            "http://[64:ff9b::169.254.169.254]/",
            "http://１２７.0.0.1/",
            "http://169.254.169.254/latest/meta-data",
            "http://8.8.8.8@169.254.169.254/",
            "http:127.0.0.1",
            "http:\\\\127.0.0.1",
        ] {
            assert!(check("", url).is_err(), "{url}");
        }
        for url in ["http://8.8.8.8/", "https://127.0.0.1@8.8.8.8/", "https://[2606:4700::1111]/"] {
            assert!(check("", url).is_ok(), "{url}");
        }
    }

    #[test]
    fn operators_may_allow_more() {
        assert!(check("127.0.0.0/8", "http://127.0.0.1/").is_ok());
        assert!(check("127.0.0.0/8", "http://[::ffff:127.0.0.1]/").is_err(), "another address");
        assert!(check("10.0.0.7, ::1", "http://10.0.0.7/").is_ok());
        assert!(check("10.0.0.7, [::1]", "http://[::1]/").is_ok());
        assert!(check("10.0.0.7, ::1", "http://10.0.0.8/").is_err());
        assert!(check("*", "http://169.254.169.254/").is_ok());
        let allowed = Allowed::parse("Hooks.Example., 10.0.0.0/8").unwrap();
        let here = || ["127.0.0.1:0".parse().unwrap()].into_iter();
        assert!(allowed.addresses("hooks.example", here()).is_ok());
        assert!(allowed.addresses("x.hooks.example", here()).is_err());
    }

    #[test]
    fn only_the_good_addresses_of_a_name_are_used() {
        let found = |addresses: &[&str]| {
            let addresses: Vec<SocketAddr> =
                addresses.iter().map(|address| SocketAddr::new(address.parse().unwrap(), 0)).collect();
            Allowed::default().addresses("a.example", addresses.into_iter()).map(|good| good.len())
        };
        assert_eq!(found(&["127.0.0.1", "8.8.8.8", "::1"]), Ok(1));
        assert_eq!(found(&["8.8.8.8", "1.1.1.1"]), Ok(2));
        assert!(found(&["10.0.0.1", "fd00::1"]).is_err());
        assert_eq!(found(&[]), Ok(0));
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for bad in ["10.0.0.0/33", "10.0.0", "a b", "http://a", "1.2.3.4.5", "a/b", "x..y"] {
            assert!(Allowed::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Allowed::parse(" , ").unwrap(), Allowed::default());
        for bad in ["https://", "https:", "https://[::1", "https://a b/", "nothing", "https://a:99999/"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
