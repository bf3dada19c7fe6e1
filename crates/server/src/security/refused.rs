//! What the log says about refused hosts and origins: once each, with the option that would allow it.

use super::host::Hosts;
use super::origin::Origins;
use axum::http::HeaderValue;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// How many are remembered, and so logged: strangers choose the names, and must not fill the log or the memory.
const MOST: usize = 64;

/// The hosts and origins that were refused already.
#[derive(Debug, Default)]
pub(super) struct Refused(Mutex<HashSet<String>>);

impl Refused {
    /// Logs a host that is not allowed.
    pub(super) fn host(&self, host: &str, hosts: &Hosts) {
        if !self.is_new(host) {
            return;
        }
        let keep = if *hosts == Hosts::Local { "localhost," } else { "" };
        match is_plain(host) {
            true => tracing::warn!(
                "a request for the host {host} was refused; to serve it, start with \
                 --allowed-hosts {keep}{host}{}",
                and_the_others(*hosts != Hosts::Local)
            ),
            false => tracing::warn!("a request for the host {host:?} was refused; that is no host's name"),
        }
    }

    /// Logs an origin whose page wanted to write.
    pub(super) fn origin(&self, origin: &HeaderValue, origins: &Origins) {
        let Ok(origin) = origin.to_str() else { return };
        if !self.is_new(origin) {
            return;
        }
        let others = matches!(origins, Origins::Listed(listed) if !listed.is_empty());
        match is_plain(origin) && origin.contains("://") {
            true => tracing::warn!(
                "a page of {origin} was kept from writing; to let it, start with \
                 --cors-allowed-origins {origin}{}",
                and_the_others(others)
            ),
            false => tracing::warn!("a page of the origin {origin:?} was kept from writing"),
        }
    }

    fn is_new(&self, text: &str) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.len() < MOST && text.len() < 300 && known.insert(text.to_owned())
    }
}

fn and_the_others(others: bool) -> &'static str {
    if others { ", beside those it has now" } else { "" }
}

/// Whether an operator can paste it into a shell: the text comes from a stranger.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_:/[]".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_new_once_and_few_are_kept() {
        let refused = Refused::default();
        assert!(refused.is_new("a.example"));
        assert!(!refused.is_new("a.example"));
        let new = (0..1000).filter(|n| refused.is_new(&n.to_string())).count();
        assert_eq!(new, MOST - 1);
        assert!(!Refused::default().is_new(&"a".repeat(1000)));
    }

    #[test]
    fn nothing_for_a_shell_is_suggested() {
        assert!(is_plain("mlflow.example:5000") && is_plain("https://[fd00::1]:5000"));
        for bad in ["", "a b", "$(id)", "a;b", "*", "a\nb"] {
            assert!(!is_plain(bad), "{bad:?}");
        }
    }
}
