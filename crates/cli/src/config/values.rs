//! Values as MLflow's own command line reads them.

use tracing::Level;

/// The booleans of click's options and of MLflow's environment variables.
pub fn truth(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" | "t" | "y" => Ok(true),
        "false" | "0" | "no" | "off" | "f" | "n" => Ok(false),
        _ => Err("write true or false".into()),
    }
}

/// A level of the log.
pub fn level(text: &str) -> Result<Level, String> {
    match text.to_ascii_lowercase().as_str() {
        "error" => Ok(Level::ERROR),
        "warn" | "warning" => Ok(Level::WARN),
        "info" => Ok(Level::INFO),
        "debug" => Ok(Level::DEBUG),
        _ => Err("write error, warn, info or debug".into()),
    }
}

/// The path that everything is served under, as it is written in URLs.
pub fn static_prefix(text: &str) -> Result<String, String> {
    if !text.starts_with('/') {
        return Err("--static-prefix must begin with a '/'".into());
    }
    if text.ends_with('/') {
        return Err("--static-prefix should not end with a '/'".into());
    }
    let plain = |segment: &str| {
        !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
    };
    if !text[1..].split('/').all(plain) {
        return Err("a path of letters, digits and -._~ is needed, such as /mlflow".into());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truth_is_clicks() {
        for yes in ["true", "True", "1", "on", " y "] {
            assert_eq!(truth(yes), Ok(true), "{yes}");
        }
        for no in ["false", "FALSE", "0", "off", "n"] {
            assert_eq!(truth(no), Ok(false), "{no}");
        }
        assert!(truth("perhaps").is_err() && truth("2").is_err());
    }

    #[test]
    fn prefixes_are_paths() {
        for good in ["/ml", "/a/b-c", "/v1.0/~me"] {
            assert_eq!(static_prefix(good).as_deref(), Ok(good));
        }
        for bad in ["", "ml", "/", "/ml/", "/a//b", "/a b", "/{x}", "/a?b", "/a%2Fb", "/ä"] {
            assert!(static_prefix(bad).is_err(), "{bad}");
        }
    }
}
