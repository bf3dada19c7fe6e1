//! What was found, for people and for machines, and the exit code that goes with it.

use serde::Serialize;
use std::fmt::Write;

/// How many characters a line has, before it goes on in the next one.
const WIDTH: usize = 110;

/// How bad a finding is. The order is that of badness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Worth knowing.
    Notice,
    /// Works, and will hurt somebody.
    Warning,
    /// Does not work.
    Failure,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check's name, which does not change from one version to the next.
    pub check: &'static str,
    /// How bad it is.
    pub verdict: Verdict,
    /// What there is, and why it is bad if it is.
    pub detail: String,
    /// What to do.
    pub advice: Option<String>,
}

/// All findings of one run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The version of the program that looked.
    ferroflow: &'static str,
    /// What was looked at.
    subject: String,
    /// The worst of the verdicts.
    worst: Verdict,
    /// What was found, in the order in which it was looked at.
    checks: Vec<Finding>,
}

impl Finding {
    /// As it should be.
    pub fn ok(check: &'static str, detail: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, detail: detail.into(), advice: None }
    }

    /// Anything else, with what to do.
    pub fn new(
        check: &'static str,
        verdict: Verdict,
        detail: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self { check, verdict, detail: detail.into(), advice: Some(advice.into()) }
    }

    /// Worth knowing, with nothing to do about it.
    pub fn notice(check: &'static str, detail: impl Into<String>) -> Self {
        Self { verdict: Verdict::Notice, ..Self::ok(check, detail) }
    }
}

impl Report {
    /// Puts together what was found.
    pub fn new(subject: impl Into<String>, checks: Vec<Finding>) -> Self {
        let worst = checks.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Ok);
        Self { ferroflow: env!("CARGO_PKG_VERSION"), subject: subject.into(), worst, checks }
    }

    /// The exit code: 0 without a warning, 1 with a failure, 3 with warnings. 2 is wrong usage, as everywhere.
    pub fn exit_code(&self) -> u8 {
        match self.worst {
            Verdict::Ok | Verdict::Notice => 0,
            Verdict::Failure => 1,
            Verdict::Warning => 3,
        }
    }

    /// One JSON object.
    pub fn json(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("texts and words are JSON");
        format!("{text}\n")
    }

    /// A line for each check, and what to do below it.
    pub fn text(&self, colours: bool) -> String {
        let (bold, plain) = if colours { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
        let mut text = format!("{bold}{}{plain}\n\n", self.subject);
        let names = self.checks.iter().map(|finding| finding.check.len()).max().unwrap_or_default();
        let indent = names + 4;
        for Finding { check, verdict, detail, advice } in &self.checks {
            let (mark, colour) = mark(*verdict);
            let colour = if colours { colour } else { "" };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{colour}{mark}{plain} {check:names$}  {}", wrapped(detail, indent));
            if let Some(advice) = advice {
                let _ = writeln!(text, "{:indent$}{bold}→{plain} {}", "", wrapped(advice, indent + 2));
            }
        }
        let _ = writeln!(text, "\n{}", self.summary());
        text
    }

    fn summary(&self) -> String {
        let count = |verdict| self.checks.iter().filter(|finding| finding.verdict == verdict).count();
        let said = |n: usize, one: &str| match n {
            0 => None,
            1 => Some(format!("1 {one}")),
            n => Some(format!("{n} {one}s")),
        };
        let parts = [
            said(count(Verdict::Failure), "failure"),
            said(count(Verdict::Warning), "warning"),
            said(count(Verdict::Notice), "notice"),
            Some(format!("{} fine", count(Verdict::Ok))),
        ];
        format!("{}.", parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

fn mark(verdict: Verdict) -> (char, &'static str) {
    match verdict {
        Verdict::Ok => ('✓', "\x1b[32m"),
        Verdict::Notice => ('i', "\x1b[36m"),
        Verdict::Warning => ('!', "\x1b[33m"),
        Verdict::Failure => ('✗', "\x1b[31m"),
    }
}

/// The text on lines of the usual width, all but the first of which begin with so many spaces. What an answer or a file says may
/// hold anything: it does not reach the terminal as it is.
fn wrapped(text: &str, indent: usize) -> String {
    let mut lines = String::new();
    let mut at = indent;
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        let length = word.chars().count();
        if at > indent && at + 1 + length > WIDTH {
            let _ = write!(lines, "\n{:indent$}", "");
            at = indent;
        }
        if at > indent {
            lines.push(' ');
            at += 1;
        }
        lines.push_str(word);
        at += length;
    }
    lines
}

/// A sentence of ours about an operator as one for the operator: what is wrong, and what to do.
pub fn for_operator(text: &str) -> (String, Option<String>) {
    let asks = ["Ask its operator to ", "Ask the operator of the server to "];
    let found = asks.iter().find_map(|ask| text.split_once(ask));
    match found {
        Some((detail, advice)) => (detail.trim_end().to_owned(), Some(capital(advice))),
        None => parted(text),
    }
}

/// What is wrong before the first semicolon, and what to do after it.
pub fn parted(text: &str) -> (String, Option<String>) {
    match text.split_once("; ") {
        Some((detail, advice)) => (format!("{}.", capital(detail)), Some(capital(advice))),
        None => (capital(text), None),
    }
}

fn capital(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Report {
        let long = "the certificate is good for three more days of ninety, so whoever renews it has failed to do so \
                    for a while, and clients will refuse it soon";
        Report::new(
            "https://mlflow.example",
            vec![
                Finding::ok("address", "mlflow.example is 192.0.2.1"),
                Finding::new(
                    "tls.expiry",
                    Verdict::Warning,
                    long,
                    "Look at what renews it: kubectl get certificate",
                ),
                Finding::notice("redirect", "nobody listens on port 80"),
                Finding::new("upload", Verdict::Failure, "413 for 8 MiB", "Raise the limit"),
            ],
        )
    }

    #[test]
    fn people_read_lines() {
        insta::assert_snapshot!(example().text(false));
        let coloured = example().text(true);
        assert!(coloured.contains("\x1b[31m✗\x1b[0m upload"), "{coloured}");
    }

    #[test]
    fn machines_read_an_object() {
        let json: serde_json::Value = serde_json::from_str(&example().json()).unwrap();
        assert_eq!((&json["worst"], &json["subject"]), (&"failure".into(), &"https://mlflow.example".into()));
        assert_eq!(json["checks"][0]["advice"], serde_json::Value::Null);
        assert_eq!(json["checks"][3]["verdict"], "failure");
        let keys: Vec<_> = json["checks"][1].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["advice", "check", "detail", "verdict"]);
    }

    #[test]
    fn the_worst_decides() {
        let code = |verdicts: &[Verdict]| {
            let finding = |verdict: &Verdict| Finding { verdict: *verdict, ..Finding::ok("x", "y") };
            Report::new("z", verdicts.iter().map(finding).collect()).exit_code()
        };
        use Verdict::{Failure, Notice, Ok, Warning};
        assert_eq!((code(&[]), code(&[Ok, Notice])), (0, 0));
        assert_eq!((code(&[Warning, Ok]), code(&[Warning, Failure, Ok])), (3, 1));
    }

    #[test]
    fn what_others_say_does_not_steer_the_terminal() {
        assert_eq!(wrapped("a\x1b[2Jb\r\nc\u{9b}d", 4), "a [2Jb c d");
    }

    #[test]
    fn sentences_are_parted() {
        let (detail, advice) = for_operator("No right here (AccessDenied). Ask its operator to give it.");
        assert_eq!((detail.as_str(), advice.as_deref()), ("No right here (AccessDenied).", Some("Give it.")));
        let (detail, advice) = parted("this is old; upgrade the server");
        assert_eq!((detail.as_str(), advice.as_deref()), ("This is old.", Some("Upgrade the server")));
        assert_eq!(parted("nothing to do"), ("Nothing to do".to_owned(), None));
    }
}
