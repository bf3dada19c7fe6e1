"""`get-trace-artifact`: the spans of a trace, out of the database or a file."""

from __future__ import annotations

import json
from typing import Any

import pytest

from differential.pair import Pair
from differential.steps import create_experiment
from differential.traces import Trace, set_trace_tags, write_spans, write_traces

PATH = "/ajax-api/2.0/mlflow/get-trace-artifact"
IN_DATABASE = {"mlflow.trace.spansLocation": "TRACKING_STORE"}
SPAN: dict[str, Any] = {
    "trace_id": "AAAAAAAAAAAAAAAAAAAAEg==",
    "span_id": "AAAAAAAAABI=",
    "parent_span_id": None,
    "name": "Ünï \U0001f600",
    "start_time_unix_nano": 1_700_000_000_000_000_000,
    "end_time_unix_nano": 1_700_000_000_000_000_123,
    "events": [],
    "status": {"code": "STATUS_CODE_OK", "message": ""},
    "attributes": {"mlflow.traceRequestId": '"tr-1"', "mlflow.spanInputs": '{"a": NaN}', "mlflow.spanType": '"LLM"', "x": "1e400"},
}
EVENT = {"name": "exception", "time_unix_nano": 5, "attributes": {"exception.message": "no", "n": 1.5}}
SHAPES: dict[str, dict[str, Any]] = {
    "today's": {},
    "running": {"end_time_unix_nano": None},
    "a child": {"parent_span_id": "AAAAAAAAABM="},
    "an empty parent": {"parent_span_id": ""},
    "hexadecimal ids": {"trace_id": "tr-" + "0" * 30 + "12", "span_id": "0" * 14 + "1", "parent_span_id": "0" * 14 + "2"},
    "texts for times": {"start_time_unix_nano": "1700000000000000000", "end_time_unix_nano": "1700000000000000123"},
    "an error": {"status": {"code": "STATUS_CODE_ERROR", "message": "it broke"}, "events": [EVENT]},
    "an error without words": {"status": {"code": "ERROR"}},
    "a short status": {"status": {"code": "OK", "message": ""}},
    "unset": {"status": {"code": "STATUS_CODE_UNSET", "message": ""}},
    "no events": {"events": ...},
    "an event with little": {"events": [{"name": "e", "time_unix_nano": "7"}]},
    "an unknown status": {"status": {"code": "FINE", "message": ""}},
    "no status": {"status": ...},
    "no name": {"name": ...},
    "no trace id": {"trace_id": ...},
    "a bad id": {"span_id": "not hexadecimal"},
}


def _get(pair: Pair, trace_id: str) -> Any:
    """What both servers answer: as JSON, since MLflow calls the file text and its bytes would be compared."""
    official, candidate = pair.ask("GET", PATH, (("request_id", trace_id),))
    assert candidate.status == official.status
    for header in ("content-type", "content-disposition"):
        assert candidate.headers.get(header) == official.headers.get(header), header
    answer = json.loads(candidate.body)
    assert answer == json.loads(official.body)
    return answer


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_of_spans(pair: Pair, shape: str) -> None:
    experiment = create_experiment(pair)
    trace_id = write_traces(pair, experiment, [Trace(1000, tags=IN_DATABASE)])[0]
    span = {name: value for name, value in (SPAN | SHAPES[shape]).items() if value is not ...}
    write_spans(pair, experiment, trace_id, [json.dumps(span)])
    _get(pair, trace_id)


def test_order_of_spans(pair: Pair) -> None:
    experiment = create_experiment(pair)
    trace_id = write_traces(pair, experiment, [Trace(1000, tags=IN_DATABASE)])[0]
    assert _get(pair, trace_id) == {"spans": []}
    write_spans(pair, experiment, trace_id, [json.dumps(SPAN | {"name": f"{n}"}) for n in range(4)])
    assert [span["name"] for span in _get(pair, trace_id)["spans"]] == ["0", "3", "2", "1"]


def test_files(pair: Pair) -> None:
    experiment = create_experiment(pair)
    trace_id = write_traces(pair, experiment, [Trace(1000)])[0]
    folder = pair.name("trace")
    set_trace_tags(pair, trace_id, {"mlflow.artifactLocation": f"mlflow-artifacts:/{folder}"})
    for answer in pair.ask("GET", PATH, (("request_id", trace_id),)):
        # MLflow tells where on its disk it has looked.
        assert answer.status == 404
    content = json.dumps({"spans": [{"name": "of an older client", "context": {"span_id": "0x1"}}], "request": "ü"}).encode()
    pair.send("PUT", f"{pair.prefix}/2.0/mlflow-artifacts/artifacts/{folder}/traces.json", body=content)
    pair.send("GET", PATH, query=(("request_id", trace_id),))
    assert _get(pair, trace_id) == json.loads(content)
    set_trace_tags(pair, trace_id, {"mlflow.artifactLocation": None})
    _get(pair, trace_id)


def test_bad_requests(pair: Pair) -> None:
    pair.send("GET", PATH)
    for trace_id in ("", "tr-none", "ü", "x" * 60, "a\n", "None"):
        pair.send("GET", PATH, query=(("request_id", trace_id),))
