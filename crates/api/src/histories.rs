//! Metric histories as they are answered: many points of few metrics.

use crate::number;
use serde::Serialize;

/// One point of a history.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct Point {
    /// Epoch milliseconds.
    pub timestamp: i64,
    pub step: i64,
    pub value: f64,
}

/// Points of one metric of one run. There may be a million of them, so the key and the run are not said with each.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// The metric.
    pub key: String,
    /// The run, where the answer says it.
    pub run_id: Option<String>,
    /// In the order of the answer.
    pub points: Vec<Point>,
}

/// The response of `metrics/get-history` and its bulk variants: a list of MLflow's `Metric` or `MetricWithRunId`.
#[derive(Debug, Default, PartialEq)]
pub struct Histories {
    /// The points, in this order.
    pub metrics: Vec<History>,
    /// Set while there is more.
    pub next_page_token: Option<String>,
    /// Whether an answer without points has a list nevertheless.
    pub always_list: bool,
}

impl Histories {
    /// The answer's JSON in pieces, each made when it is asked for: whole, a large answer takes four times the memory of
    /// its points.
    pub fn into_json(self) -> JsonPieces {
        let left = self.metrics.iter().map(|h| h.points.len()).sum();
        let frame = Frame::of(self.metrics.first());
        JsonPieces { histories: self, left, history: 0, point: 0, frame, state: State::Begin }
    }
}

/// Where a piece ends: the first point that crosses it.
const PIECE: usize = 64 * 1024;
/// About what a point takes beside its key and run.
const NUMBERS: usize = 96;

/// See [`Histories::into_json`].
pub struct JsonPieces {
    histories: Histories,
    left: usize,
    history: usize,
    point: usize,
    frame: Frame,
    state: State,
}

enum State {
    Begin,
    Points,
    Done,
}

/// What stands around the numbers of each point of a history.
struct Frame {
    before: Vec<u8>,
    after: Vec<u8>,
}

impl Frame {
    fn of(history: Option<&History>) -> Self {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        if let Some(history) = history {
            before.extend(br#"{"key":"#);
            write(&mut before, &history.key);
            before.extend(br#","value":"#);
            if let Some(run_id) = &history.run_id {
                after.extend(br#","run_id":"#);
                write(&mut after, run_id);
            }
            after.push(b'}');
        }
        Self { before, after }
    }
}

impl Iterator for JsonPieces {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let listed =
            self.histories.always_list || self.histories.metrics.iter().any(|h| !h.points.is_empty());
        let a_point = self.frame.before.len() + self.frame.after.len() + NUMBERS;
        let mut out = Vec::with_capacity(PIECE.min(self.left * a_point) + 2 * a_point);
        let mut comma = match self.state {
            State::Done => return None,
            State::Begin => {
                out.extend(if listed { &br#"{"metrics":["#[..] } else { b"{" });
                false
            }
            State::Points => true,
        };
        self.state = State::Points;
        while let Some(history) = self.histories.metrics.get(self.history) {
            for point in &history.points[self.point..] {
                if out.len() >= PIECE {
                    return Some(out);
                }
                if comma {
                    out.push(b',');
                }
                comma = true;
                write_point(&mut out, &self.frame, point);
                self.point += 1;
                self.left -= 1;
            }
            (self.history, self.point) = (self.history + 1, 0);
            self.frame = Frame::of(self.histories.metrics.get(self.history));
        }
        self.state = State::Done;
        if listed {
            out.push(b']');
        }
        if let Some(token) = &self.histories.next_page_token {
            out.extend(if listed { &br#","next_page_token":"#[..] } else { br#""next_page_token":"# });
            write(&mut out, token);
        }
        out.push(b'}');
        Some(out)
    }
}

fn write_point(out: &mut Vec<u8>, frame: &Frame, point: &Point) {
    out.extend(&frame.before);
    number::write_double(&point.value, &mut serde_json::Serializer::new(&mut *out)).expect(TAKES_ALL);
    out.extend(br#","timestamp":"#);
    write(out, &point.timestamp);
    out.extend(br#","step":"#);
    write(out, &point.step);
    out.extend(&frame.after);
}

const TAKES_ALL: &str = "memory takes every text and number";

fn write(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    serde_json::to_writer(out, value).expect(TAKES_ALL);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn history(run_id: Option<&str>, steps: std::ops::Range<i64>) -> History {
        let points =
            steps.map(|step| Point { timestamp: 1_700_000_000_000 + step, step, value: step as f64 / 3.0 });
        History { key: "a \"b\"".into(), run_id: run_id.map(Into::into), points: points.collect() }
    }

    fn read(histories: Histories) -> (usize, Value) {
        let pieces: Vec<_> = histories.into_json().collect();
        (pieces.len(), serde_json::from_slice(&pieces.concat()).unwrap())
    }

    #[test]
    fn a_large_answer_comes_in_pieces() {
        let metrics =
            vec![history(Some("r"), 0..2_000), history(Some("none"), 0..0), history(Some("s"), 5..7)];
        let (pieces, json) =
            read(Histories { metrics, next_page_token: Some("t".into()), always_list: false });
        assert!(pieces > 2, "{pieces}");
        assert_eq!(json["next_page_token"], "t");
        let points = json["metrics"].as_array().unwrap();
        assert_eq!(points.len(), 2_002);
        let timestamp = 1_700_000_000_006_i64;
        let last = json!({"key": "a \"b\"", "value": 2.0, "timestamp": timestamp, "step": 6, "run_id": "s"});
        assert_eq!(points[2_001], last);
        assert_eq!(points[1_999]["step"], 1_999);
    }

    #[test]
    fn numbers_that_json_lacks_are_words() {
        let mut odd = history(None, 0..3);
        for (point, value) in odd.points.iter_mut().zip([f64::NAN, f64::INFINITY, f64::NEG_INFINITY]) {
            point.value = value;
        }
        let (_, json) = read(Histories { metrics: vec![odd], ..Histories::default() });
        let values: Vec<_> = json["metrics"].as_array().unwrap().iter().map(|m| m["value"].clone()).collect();
        assert_eq!(values, ["NaN", "Infinity", "-Infinity"]);
        assert_eq!(json["metrics"][0].get("run_id"), None);
    }

    #[test]
    fn an_answer_without_points_may_have_a_list() {
        let without = || vec![history(None, 0..0)];
        let (_, json) = read(Histories { metrics: without(), ..Histories::default() });
        assert_eq!(json, json!({}));
        let (_, json) = read(Histories { metrics: without(), always_list: true, ..Histories::default() });
        assert_eq!(json, json!({"metrics": []}));
    }
}
