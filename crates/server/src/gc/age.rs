//! How long ago: `--older-than`, and the tag of an experiment that says how long to keep what is deleted in it.

use api::Error;
use api::error::invalid;

/// A time span, as it was written, and in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Age {
    /// As it was written.
    pub text: String,
    /// In milliseconds.
    pub ms: i64,
}

/// The letters of the units in the order in which they may come, and their milliseconds.
const UNITS: [(char, f64); 4] = [('d', 86_400_000.0), ('h', 3_600_000.0), ('m', 60_000.0), ('s', 1_000.0)];

impl Age {
    /// Reads `#d#h#m#s`, each part at will, with or without a fraction. Nothing is no time at all, as in MLflow.
    ///
    /// # Errors
    /// `INVALID_PARAMETER_VALUE`, in MLflow's words.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let ms = milliseconds(text).ok_or_else(|| {
            invalid(format!(
                "Could not parse any time information from '{text}'. Examples of valid strings: '8h', '2d8h5m20s', '2m4s'"
            ))
        })?;
        Ok(Self { text: text.to_owned(), ms })
    }

    /// Whether what happened then is as old as this. What nobody knows the time of is old enough for no time at all only.
    pub fn has_passed(&self, since_ms: Option<i64>, now_ms: i64) -> bool {
        match since_ms {
            Some(since) => since <= now_ms.saturating_sub(self.ms),
            None => self.ms == 0,
        }
    }
}

fn milliseconds(text: &str) -> Option<i64> {
    let (mut rest, mut ms) = (text, 0.0);
    for (unit, factor) in UNITS {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        if digits > 0 && rest[digits..].starts_with(unit) {
            ms += rest[..digits].parse::<f64>().ok()? * factor;
            rest = &rest[digits + 1..];
        }
    }
    // A thousand million days, as much as Python takes.
    (rest.is_empty() && ms < 8.64e16).then_some(ms as i64)
}

/// How long an experiment wants what is deleted in it to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retention {
    /// For so long.
    For(Age),
    /// For ever.
    Forever,
    /// The tag cannot be read, so that nothing is collected.
    Unreadable(String),
}

impl Retention {
    /// The tag that says so.
    pub const TAG: &str = "ferroflow.retention";

    /// Reads the tag's value: a time span as for `--older-than`, or `forever`.
    pub fn parse(value: &str) -> Self {
        match (value.trim(), Age::parse(value.trim())) {
            ("forever", _) => Self::Forever,
            (_, Ok(age)) => Self::For(age),
            (_, Err(_)) => Self::Unreadable(value.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_mlflow_reads() {
        for (text, ms) in [
            ("", 0),
            ("30d", 2_592_000_000),
            ("1d2h3m4s", 93_784_000),
            ("1.5h", 5_400_000),
            (".5s", 500),
            ("2m4s", 124_000),
            ("0s", 0),
        ] {
            assert_eq!(Age::parse(text).map(|age| age.ms), Ok(ms), "{text}");
        }
        for text in
            ["30", "d", "30 d", "1s1m", "-1d", "1w", "1d1d", "1.2.3d", ".d", "1D", "x1d", "99999999999d"]
        {
            let error = Age::parse(text).unwrap_err();
            assert!(
                error.message.starts_with(&format!("Could not parse any time information from '{text}'."))
            );
        }
    }

    #[test]
    fn what_has_no_time_is_old_enough_for_none_only() {
        let (none, day) = (Age::parse("").unwrap(), Age::parse("1d").unwrap());
        assert!(none.has_passed(None, 5) && none.has_passed(Some(5), 5) && !none.has_passed(Some(6), 5));
        assert!(!day.has_passed(None, i64::MAX) && day.has_passed(Some(0), 86_400_000));
        assert!(!day.has_passed(Some(1), 86_400_000));
    }

    #[test]
    fn a_tag_that_cannot_be_read_keeps_everything() {
        assert_eq!(Retention::parse(" forever "), Retention::Forever);
        assert_eq!(Retention::parse("30d"), Retention::For(Age::parse("30d").unwrap()));
        assert_eq!(Retention::parse("a month"), Retention::Unreadable("a month".into()));
    }
}
