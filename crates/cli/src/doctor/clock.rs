//! Clocks beside each other: signatures, tokens and certificates end when both sides think of the same time.

use super::report::{Finding, Verdict};
use std::time::{Duration, SystemTime};

/// What nobody notices, with the second that dates in headers are rounded to.
const FINE: Duration = Duration::from_secs(5);
/// What stores begin to refuse: S3 and Azure let a request be fifteen minutes old, tokens less.
const HARMFUL: Duration = Duration::from_secs(300);

/// When something was asked, and when the answer was there.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    pub from: SystemTime,
    pub until: SystemTime,
}

/// Compares a clock that was read in between with ours.
pub fn compare(check: &'static str, whose: &str, theirs: SystemTime, asked: Asked) -> Finding {
    let behind = asked.from.duration_since(theirs).unwrap_or_default();
    let ahead = theirs.duration_since(asked.until).unwrap_or_default();
    let (off, word) = if behind > ahead { (behind, "behind") } else { (ahead, "ahead of") };
    if off <= FINE {
        return Finding::ok(check, format!("{whose} agrees with this machine's"));
    }
    let verdict = if off <= HARMFUL { Verdict::Warning } else { Verdict::Failure };
    let detail = format!(
        "{whose} is {} s {word} this machine's; signatures, tokens and certificates go by it",
        off.as_secs()
    );
    Finding::new(
        check,
        verdict,
        detail,
        "Set both by NTP: `timedatectl` or `chronyc tracking` on each machine",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_compared_with_the_time_between() {
        let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds);
        let asked = Asked { from: at(100), until: at(130) };
        for (theirs, verdict, words) in [
            (96, Verdict::Ok, "agrees"),
            (115, Verdict::Ok, "agrees"),
            (90, Verdict::Warning, "10 s behind"),
            (150, Verdict::Warning, "20 s ahead of"),
            (1000, Verdict::Failure, "870 s ahead of"),
        ] {
            let found = compare("clock", "The clock", at(theirs), asked);
            assert_eq!(found.verdict, verdict, "{found:?}");
            assert!(found.detail.contains(words), "{found:?}");
        }
    }
}
