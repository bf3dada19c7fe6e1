//! The log on standard error: one line an event.

use std::io::{self, IsTerminal, Write};
use tracing::Level;

/// Starts logging what is as important as `level` or more. A panic is an event too.
pub fn to_stderr(level: Level) {
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(|| OneLine(io::stderr()))
        .with_ansi(has_colours())
        .with_target(false)
        .init();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let payload = panic.payload();
        let why = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let why = why.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
        tracing::error!("a request failed through a mistake in Ferroflow, at {place}: {why}");
    }));
}

/// Whether standard error shows colours to somebody.
pub fn has_colours() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Writes each event, which comes in one piece, on one line. A log that cannot be written stops no request.
struct OneLine<W>(W);

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = event.strip_suffix(b"\n").unwrap_or(event);
        let mut line: Vec<u8> =
            text.iter().map(|b| if matches!(b, b'\n' | b'\r') { b' ' } else { *b }).collect();
        line.push(b'\n');
        drop(self.0.write_all(&line));
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_line() {
        let mut log = OneLine(Vec::new());
        for event in ["one\n", "two\r\nlines\n", "no end"] {
            log.write_all(event.as_bytes()).unwrap();
        }
        assert_eq!(String::from_utf8(log.0).unwrap(), "one\ntwo  lines\nno end\n");
    }
}
