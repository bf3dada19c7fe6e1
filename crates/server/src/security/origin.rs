//! Whose pages may call this server: those of `--cors-allowed-origins`, of this machine, and the server's own.

use super::host::Authority;
use axum::http::{HeaderMap, HeaderValue, header};

/// The origins whose pages may read and write.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Origins {
    /// `*`.
    Any,
    /// Those that the operator lists, and this machine's.
    Listed(Vec<String>),
}

impl Origins {
    /// Reads the comma-separated option.
    pub(super) fn parse(option: Option<&str>) -> Result<Self, String> {
        let mut origins = Vec::new();
        for entry in option.unwrap_or_default().split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            if entry == "*" {
                return Ok(Self::Any);
            }
            // A slash at the end is what the address bar shows; no browser sends it.
            let origin = entry.strip_suffix('/').unwrap_or(entry);
            if origin.split_once("://").and_then(|(_, rest)| Authority::parse(rest)).is_none() {
                return Err(format!(
                    "'{entry}' is not an origin; write https://NAME or http://NAME:PORT, or *"
                ));
            }
            origins.push(origin.to_owned());
        }
        Ok(Self::Listed(origins))
    }

    /// Whether pages of `origin` may read and write.
    pub(super) fn allow(&self, origin: &HeaderValue) -> bool {
        let Self::Listed(listed) = self else { return true };
        let Ok(origin) = origin.to_str() else { return false };
        listed.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin)) || is_of_this_machine(origin)
    }
}

/// Whether a page of this very server asks. By the header that only browsers can set, or because the origin is the host
/// that is asked; its scheme is not compared, because a proxy may have taken TLS away.
pub(super) fn is_own(origin: &HeaderValue, headers: &HeaderMap) -> bool {
    if headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin") {
        return true;
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let Some(asked) = host.and_then(Authority::parse) else { return false };
    let Some((scheme, rest)) = origin.to_str().ok().and_then(|origin| origin.split_once("://")) else {
        return false;
    };
    let Some(page) = Authority::parse(rest) else { return false };
    let usual = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return false,
    };
    page.name.eq_ignore_ascii_case(asked.name) && page.port.unwrap_or(usual) == asked.port.unwrap_or(usual)
}

fn is_of_this_machine(origin: &str) -> bool {
    let Some(("http" | "https", rest)) = origin.split_once("://") else { return false };
    Authority::parse(rest).is_some_and(|page| {
        page.name.eq_ignore_ascii_case("localhost") || matches!(page.name, "127.0.0.1" | "[::1]")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(origins: &Origins, origin: &str) -> bool {
        origins.allow(&HeaderValue::from_str(origin).unwrap())
    }

    #[test]
    fn this_machine_is_allowed_and_look_alikes_are_not() {
        let origins = Origins::parse(None).unwrap();
        for good in ["http://localhost", "https://localhost:3000", "http://127.0.0.1:8888", "http://[::1]:1"]
        {
            assert!(allow(&origins, good), "{good}");
        }
        for bad in [
            "",
            "null",
            "localhost",
            "file://",
            "http://localhost.evil.example",
            "http://evil.example/localhost",
            "http://localhost@evil.example",
            "http://localhost:80@evil.example",
            "http://127.0.0.1.nip.io",
            "http://10.0.0.1",
            "https://mlflow.example",
        ] {
            assert!(!allow(&origins, bad), "{bad}");
        }
    }

    #[test]
    fn listed_origins_are_whole_origins() {
        let origins = Origins::parse(Some("https://App.example/, http://b.example:8080")).unwrap();
        assert!(allow(&origins, "https://app.example") && allow(&origins, "http://b.example:8080"));
        for bad in ["http://app.example", "https://app.example:8443", "https://app.example.evil"] {
            assert!(!allow(&origins, bad), "{bad}");
        }
        assert_eq!(Origins::parse(Some("https://a.example, *")), Ok(Origins::Any));
        for bad in
            ["app.example", "https://", "https://*.example", "https://a.example/path", "https://u@a.example"]
        {
            assert!(Origins::parse(Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_servers_own_page_is_known_by_its_host() {
        let own = |origin: &str, host: &str| {
            let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_str(host).unwrap())]);
            is_own(&HeaderValue::from_str(origin).unwrap(), &headers)
        };
        for (origin, host) in [
            ("https://mlflow.example", "mlflow.example"),
            ("https://mlflow.example", "MLflow.example:443"),
            ("http://10.0.0.5:5000", "10.0.0.5:5000"),
            ("http://[fd00::1]:5000", "[fd00::1]:5000"),
        ] {
            assert!(own(origin, host), "{origin} {host}");
        }
        for (origin, host) in [
            ("https://mlflow.example:8443", "mlflow.example"),
            ("https://evil.example", "mlflow.example"),
            ("null", "mlflow.example"),
            ("http://mlflow.example@evil.example", "mlflow.example"),
        ] {
            assert!(!own(origin, host), "{origin} {host}");
        }
        let said = HeaderMap::from_iter([(
            "sec-fetch-site".parse().unwrap(),
            HeaderValue::from_static("same-origin"),
        )]);
        assert!(is_own(&HeaderValue::from_static("https://mlflow.example"), &said));
    }
}
