//! Where a PostgreSQL server may be: one host, or several of which one is asked after the other.

use std::net::IpAddr;

/// One of the hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// A name, an address or a socket's folder.
    pub host: String,
    /// The address to go to instead of looking the name up.
    pub address: Option<IpAddr>,
    pub port: u16,
}

impl Place {
    /// Whether this is a socket on this machine, where libpq knows no TLS.
    pub(crate) fn is_socket(&self) -> bool {
        self.host.starts_with('/')
    }
}

/// Puts together lists that belong together: one port, or one for each host; addresses for all hosts, or for none.
///
/// # Errors
/// A sentence that repeats no value.
pub(super) fn hosts(
    names: Option<&str>,
    addresses: Option<&str>,
    ports: Option<&str>,
) -> Result<Vec<Place>, String> {
    let split = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    let addresses = addresses.map_or_else(Vec::new, split);
    // The certificate is compared with the host; without one, with the address.
    let names = match names {
        None if !addresses.is_empty() => addresses.clone(),
        names => split(names.unwrap_or_default()),
    };
    if !addresses.is_empty() && addresses.len() != names.len() {
        return Err("there must be one hostaddr for each host".into());
    }
    let ports = split(ports.unwrap_or_default());
    if ports.len() > 1 && ports.len() != names.len() {
        return Err("there must be one port, or one for each host".into());
    }
    let port = |text: &String| match if text.is_empty() { Ok(5432) } else { text.parse() } {
        Ok(port) if port != 0 => Ok(port),
        _ => Err("a port is a number from 1 to 65535".to_owned()),
    };
    let ports = ports.iter().map(port).collect::<Result<Vec<_>, _>>()?;
    let place = |(n, name): (usize, String)| {
        Ok(Place {
            host: if name.is_empty() { "localhost".into() } else { name },
            address: match addresses.get(n).filter(|text| !text.is_empty()) {
                Some(text) => Some(text.parse().map_err(|_| "hostaddr is no IP address")?),
                None => None,
            },
            port: *ports.get(n).unwrap_or(&ports[0]),
        })
    };
    names.into_iter().enumerate().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_ports_and_addresses_of_their_own() {
        let listed = |names, addresses, ports| {
            let show = |place: &Place| match place.address {
                Some(address) => format!("{}={address}:{}", place.host, place.port),
                None => format!("{}:{}", place.host, place.port),
            };
            Ok::<_, String>(hosts(names, addresses, ports)?.iter().map(show).collect::<Vec<_>>().join(" "))
        };
        for (names, addresses, ports, expected) in [
            (None, None, None, "localhost:5432"),
            (Some("a,b"), None, None, "a:5432 b:5432"),
            (Some("a,b"), None, Some("1,2"), "a:1 b:2"),
            (Some("a,b"), None, Some(",2"), "a:5432 b:2"),
            (Some("a,,b"), None, Some("7"), "a:7 localhost:7 b:7"),
            (None, Some("10.0.0.1,::1"), None, "10.0.0.1=10.0.0.1:5432 ::1=::1:5432"),
            (Some("a"), Some("10.0.0.1"), None, "a=10.0.0.1:5432"),
            (Some("/run/a"), None, Some("5433"), "/run/a:5433"),
        ] {
            assert_eq!(listed(names, addresses, ports).as_deref(), Ok(expected));
        }
        for (names, addresses, ports) in [
            (Some("a"), None, Some("geheim")),
            (Some("a"), None, Some("0")),
            (Some("a"), None, Some("1,2,3")),
            (Some("a"), Some("geheim"), None),
            (Some("a"), Some("::1,::2"), None),
        ] {
            assert!(!listed(names, addresses, ports).unwrap_err().contains("geheim"));
        }
    }
}
