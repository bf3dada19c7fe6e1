//! Trying again: pauses that grow up to a limit and differ, and few lines about it.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

/// How long to wait before the second try, at the most; before each one after that, twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// No pause is longer: what was away is to be found within two seconds of its return.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// When to say for the first time that it still goes on; then after twice that time, and so on.
const FIRST_LINE: Duration = Duration::from_secs(10);
/// But at least as often as this.
const LONGEST_SILENCE: Duration = Duration::from_secs(600);
/// How long one try to reach a database may take. Longer than the system takes to send what was lost twice again.
pub const TRY: Duration = Duration::from_secs(5);

/// What has been tried since when.
pub struct Retry {
    began: Instant,
    pause: Duration,
    next_line: Duration,
}

impl Retry {
    /// Begins now.
    pub fn new() -> Self {
        Self { began: Instant::now(), pause: FIRST_PAUSE, next_line: FIRST_LINE }
    }

    /// How long it goes on.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Whether it is time to say that it still goes on.
    pub fn has_news(&mut self) -> bool {
        let elapsed = self.elapsed();
        let due = elapsed >= self.next_line;
        if due {
            self.next_line = elapsed + elapsed.min(LONGEST_SILENCE);
        }
        due
    }

    /// How long to wait before the next try.
    pub fn next_pause(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        with_jitter(pause)
    }
}

/// Half of it to all of it, so that those who were sent away together do not come back together.
pub fn with_jitter(pause: Duration) -> Duration {
    // The keys of a new hasher are the randomness at hand.
    let random = RandomState::new().build_hasher().finish() >> 11;
    pause.mul_f64(0.5 + random as f64 / (1_u64 << 54) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_differ() {
        let mut retry = Retry::new();
        let pauses: Vec<_> = (0..10).map(|_| retry.next_pause()).collect();
        assert!(pauses[0] >= FIRST_PAUSE / 2 && pauses[0] <= FIRST_PAUSE, "{pauses:?}");
        assert!(pauses[5..].iter().all(|p| *p >= LONGEST_PAUSE / 2 && *p <= LONGEST_PAUSE), "{pauses:?}");
        assert!(pauses[5..].windows(2).any(|pair| pair[0] != pair[1]), "{pauses:?}");
    }

    #[test]
    fn lines_become_rare() {
        let mut retry = Retry::new();
        assert!(!retry.has_news());
        let mut lines = Vec::new();
        for second in 1..4000 {
            retry.began = Instant::now() - Duration::from_secs(second);
            if retry.has_news() {
                lines.push(second);
            }
        }
        assert_eq!(lines[..3], [10, 21, 43]);
        assert!(lines.len() < 15, "{lines:?}");
    }
}
