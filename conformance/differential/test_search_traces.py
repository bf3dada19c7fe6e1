"""`GET traces` and `POST 3.0 traces/search`: filters, orders, pages, and both shapes of an answer."""

from __future__ import annotations

from typing import Any

import pytest

from differential.pair import Exchange, Pair
from differential.steps import MAX_INT64, UNKNOWN_EXPERIMENT, create_experiment, create_run
from differential.traces import Trace, write_traces

LONG = "é" * 5000
FILTERS = [
    *("", " ", "status = 'OK'", "status != 'OK'", "status IN ('OK', 'ERROR')", "status NOT IN ('OK')", "status LIKE 'O%'", "status ILIKE 'o%'"),
    *("trace.status = 'OK'", "attributes.status = 'OK'", "attribute.status = \"OK\"", "`trace`.status = 'OK'", "status = OK", "status = 5", "status > 'A'"),
    *("status IN ()", "status IN ('OK', 1)", "status IN (OK)", "Status = 'OK'", "status = ('OK')", "status IN 'OK'", "status like 'O%'", "status in ('OK')"),
    *("timestamp = 1000", "timestamp > 1000", "timestamp_ms >= 2000", "timestamp < 2000 AND status = 'OK'", "trace.timestamp != 1000", "timestamp > 1.5"),
    *("timestamp_ms > 1.5", "timestamp > '1000'", "timestamp_ms > '1000'", "timestamp LIKE 1", "timestamp", "timestamp >", "TIMESTAMP > 1", "timestamp IN (1)"),
    *("timestamp_ms IN (1)", "status = 'OK' AND timestamp > 1000", "timestamp > 1000 timestamp < 5000", "timestamp_ms LIKE 'x'", "timestamp > 1000 AND"),
    *("execution_time > 100", "execution_time_ms <= 100", "execution_time = 0", "execution_time > 99.5", "end_time > 1060", "end_time_ms = 2000", "end_time <= 1050"),
    *("request_id = '<0>'", "request_id IN ('<0>', '<1>')", "request_id NOT IN ('<0>')", "request_id LIKE 'tr-%'", "request_id != '<0>'", "trace_id = '<0>'"),
    *("client_request_id = 'mine'", "client_request_id != 'mine'", "client_request_id IN ('mine')", "client_request_id LIKE 'm%'", "experiment_id = '1'"),
    *("name = 'chat'", "name != 'chat'", "name LIKE 'ch%'", "name ILIKE 'CH%'", "name IN ('chat')", "name RLIKE '^c.*t$'", "name RLIKE 'xyz'", "attributes.name = 'chat'"),
    *("tags.team = 'red'", "tag.team != 'red'", "tags.team LIKE 'r%'", "tags.team ILIKE 'R%'", "tags.team IN ('red')", "tags.team = red", "tags.team = 5"),
    *("tags.team = ('red')", "tags.`with space` = 'x'", "tags.\"with space\" = 'x'", "tags.a.b = 'x'", "tags.team > 'a'", "tags.missing = 'x'", "tags.name = 'chat'"),
    *("tags.team RLIKE 'r.d'", "tags.team RLIKE '^ed'", "tags.team rlike 'red'", "tags. = 'x'", "tags.team = 'red' AND tags.team = 'blue'", "tags.`mlflow.traceName` = 'chat'"),
    *("metadata.user = 'ann'", "request_metadata.user = 'ann'", "metadata.user != 'ann'", "metadata.user ILIKE 'A%'", "metadata.user IN ('ann')", "metadata.user > 'a'"),
    *("metadata.user = 3", "metadata.user RLIKE 'n+'", "metadata.`a.b` = 'x'", "metadata.`mlflow.sourceRun` = '<run>'", "run_id = '<run>'", "run_id = 'none'"),
    *("run_id != '<run>'", "run_id IN ('<run>')", "run_id LIKE '%'", "attributes.run_id = '<run>'", "metadata.run_id = '<run>'", "run_id = ''"),
    *("run_id = 'none' AND run_id = '<run>'", "timestamp_ms > 'x'", "tags.team RLIKE '('"),
    *("prompt = 'greeting/1'", "prompt = 'greeting/2'", "prompt != 'greeting/1'", "prompt = 'greeting'", "prompt LIKE 'greeting/1'", "tags.`mlflow.linkedPrompts` = 'a/b'"),
    *("span.name = 'llm'", "span.name != 'llm'", "span.type = 'CHAT_MODEL'", "span.status = 'ERROR'", "span.name LIKE 'l%'", "span.name like 'l%'", "span.name ILIKE 'L%'"),
    *("span.name IN ('llm', 'x')", "span.type NOT IN ('CHAT_MODEL')", "span.name RLIKE 'l+m'", "span.foo = 'x'", "span.name = 5", "span.content LIKE '%llm%'", "span.content = 'x'"),
    *("trace.text LIKE '%llm%'", "trace.text ILIKE '%LLM%'", "trace.text = 'x'", "text LIKE '%llm%'", "`text` LIKE '%llm%'", "span.attributes.model LIKE '%gpt%'"),
    *("span.attributes.model ILIKE '%GPT%'", "span.attributes.model = 'gpt'", "span.attributes.model RLIKE '^gpt'", "span.attributes.model RLIKE 'pt$'", "span.attributes. = 'x'"),
    *("span.attributes.model RLIKE 'p.$'", "span.attributes.other LIKE '%gpt%'", "span.attributes.model > 'x'", "span.name = 'llm' AND span.status = 'OK'"),
    *("feedback.good = 'true'", "feedback.good != 'true'", "feedback.tone = '\"kind\"'", "feedback.tone LIKE '%kind%'", "feedback.tone RLIKE 'ki.d'", "feedback.score = '3'"),
    *("feedback.good = true", "feedback.good = 1", "feedback.good IN ('true')", "feedback.missing = 'x'", "feedback.good > 'a'", "expectation.answer = '\"yes\"'"),
    *("expectation.answer ILIKE '%YES%'", "expectation.good = 'true'", "feedback. = 'x'", "assessment.good = 'true'", "feedback.tone ilike '%KIND%'"),
    *("foo = 'x'", "foo.bar = 'x'", "metrics.m > 1", "params.p = 'x'", "status", "status =", "= 'OK'", "status = 'a' OR status = 'b'", "status = 'OK' AND", "AND status = 'OK'"),
    *("status = 'OK';", "status = 'OK'; status = 'b'", "(status = 'OK')", "1 = 1", "status = 'unclosed", "status = 'OK' -- c", "status='OK'", "status IS NULL"),
    *("NOT status = 'OK'", "status = 'OK', status = 'b'", "status = 'OK' status = 'ERROR'", "status BETWEEN 'a' AND 'z'", "status = \"it's\"", "status = 'it''s'"),
    *("status = 'OK' AND tags.team = 'red' AND metadata.user = 'ann' AND timestamp > 0 AND span.name = 'llm' AND feedback.good = 'true'"),
]
ORDERS: list[list[Any]] = [
    *([], ["timestamp"], ["timestamp DESC"], ["timestamp ASC"], ["timestamp_ms"], ["timestamp_ms DESC"], ["execution_time"], ["execution_time DESC"]),
    *(["execution_time_ms"], ["status"], ["status DESC", "execution_time"], ["request_id"], ["request_id DESC", "status"], ["experiment_id", "request_id"]),
    *(["name"], ["name DESC"], ["run_id"], ["tags.team"], ["tags.team DESC", "timestamp"], ["tag.missing"], ["metadata.user DESC"], ["request_metadata.user"]),
    *(["trace.status"], ["attributes.timestamp"], ["`status`"], ["tags.`with space`"], ["tags.name"], ["end_time"], ["end_time_ms DESC"], ["client_request_id"]),
    *(["prompt"], ["text"], ["span.name"], ["feedback.good"], ["expectation.answer"], ["foo"], ["foo.bar"], [""], [" "], ["status foo"], ["status desc foo"]),
    *(["status", "status"], ["timestamp", "timestamp_ms"], ["name", "tags.name"], ["status, name"], ["timestamp foo"], ["Timestamp"], ["status;"], ["1"], ["'status'"]),
]


@pytest.fixture
def filled(pair: Pair) -> dict[str, str]:
    """An experiment with traces, and what they are called."""
    experiment, other = create_experiment(pair), create_experiment(pair)
    run = create_run(pair, experiment)
    good = {"name": "good", "value": True}
    traces = [
        Trace(
            *(1000, "OK", 50, {"mlflow.traceName": "chat", "team": "red", "with space": "x", "a.b": "x"}, {"user": "ann", "a.b": "x"}),
            spans=[("llm", "CHAT_MODEL", "OK", '"model": "\\"gpt\\""'), ("root", "CHAIN", "OK", "")],
            assessments=[good, {"name": "tone", "value": "kind", "rationale": "It says *please*.", "span_id": "span-0"}],
        ),
        Trace(
            *(1000, "ERROR", 1500, {"mlflow.traceName": "Chat", "team": "Red"}, {"user": "Ann", "mlflow.sourceRun": run}),
            spans=[("tool", "TOOL", "ERROR", "")],
            assessments=[
                {"name": "good", "value": None, "error": ("TOO_LONG", "It took too long.", "line 1\nline 2"), "source": ("LLM_JUDGE", "judge-1")},
                {"name": "score", "value": 3, "source": ("CODE", "check.py"), "metadata": {"a": "1", "b": "x"}, "overrides": "a-other"},
                {"name": "parts", "value": {"x": [1, 2.5, "y", None, {"z": False}]}},
            ],
        ),
        Trace(
            *(2000, "IN_PROGRESS", None, {"team": "blue"}),
            fields={"client_request_id": "mine", "request_preview": '{"question": "Why?"}', "response_preview": "Because."},
            links=[("run", run), ("prompt_version", "greeting/1")],
        ),
        Trace(3000, "STATE_UNSPECIFIED", 0, {"long": LONG, "k" * 240: "v"}, {"long": LONG, "m" * 250: "v"}),
        Trace(
            *(1_700_000_000_123, "OK", 61_007),
            assessments=[
                {"kind": "expectation", "name": "answer", "value": "yes"},
                {"kind": "expectation", "name": "list", "value": ["é", 1, {"a": None}]},
                {"kind": "expectation", "name": "number", "value": 2.5, "metadata": {"k": "v"}, "span_id": "s"},
            ],
        ),
    ]
    ids = write_traces(pair, experiment, traces)
    return {"experiment": experiment, "other": other, "run": run, **{str(number): found for number, found in enumerate(ids)}}


def _v2(pair: Pair, experiment: str, **query: Any) -> Exchange:
    return pair.get("traces", experiment_ids=[experiment], **query)


def _v3(pair: Pair, body: Any) -> Exchange:
    return pair.send("POST", f"{pair.prefix}/3.0/mlflow/traces/search", body=body)


def _at(*experiments: str) -> list[dict[str, Any]]:
    return [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": one}} for one in experiments]


def test_filters(pair: Pair, filled: dict[str, str]) -> None:
    for text in FILTERS:
        for name, value in filled.items():
            text = text.replace(f"<{name}>", value)
        _v2(pair, filled["experiment"], filter=text)


def test_filters_of_version_3(pair: Pair, filled: dict[str, str]) -> None:
    for text in FILTERS[::5]:
        _v3(pair, {"locations": _at(filled["experiment"]), "filter": text.replace("<run>", filled["run"])})


def test_orders(pair: Pair, filled: dict[str, str]) -> None:
    for order in ORDERS:
        _v2(pair, filled["experiment"], order_by=order)
        _v3(pair, {"locations": _at(filled["experiment"]), "order_by": order})


@pytest.mark.parametrize("order", ([], ["timestamp ASC"], ["execution_time DESC"], ["tags.team"]), ids=str)
def test_pages(pair: Pair, filled: dict[str, str], order: list[str]) -> None:
    token, query = None, {"max_results": 2, "order_by": order}
    for _ in range(3):
        found = _v2(pair, filled["experiment"], **query, **({"page_token": token} if token else {}))
        if found.official.json().get("next_page_token") is None:
            break
        token = found.ref("next_page_token")
    body = {"locations": _at(filled["experiment"]), "max_results": 3, "order_by": order}
    first = _v3(pair, body)
    _v3(pair, {**body, "page_token": first.ref("next_page_token")})


def test_sizes_and_tokens_of_pages(pair: Pair, filled: dict[str, str]) -> None:
    for size in ("0", "-1", "1", "5", "500", "501", "abc", "1.5", "", "2147483648"):
        _v2(pair, filled["experiment"], max_results=size)
    for size in (0, -1, 5, 500, 501, "2", "abc", 1.5, None, [], MAX_INT64):
        _v3(pair, {"locations": _at(filled["experiment"]), "max_results": size})
    # {"offset": 2}, and what is no token.
    for token in ("eyJvZmZzZXQiOiAyfQ==", "abc", "", "bm90IGpzb24=", "e30=", "W10="):
        _v2(pair, filled["experiment"], page_token=token)


def test_experiments(pair: Pair, filled: dict[str, str]) -> None:
    experiment, other = filled["experiment"], filled["other"]
    pair.get("traces", experiment_ids=[other, experiment])
    for ids in ([other], [UNKNOWN_EXPERIMENT], ["abc"], [""], ["a.b"], ["a.b.c", other, "catalog.schema.table"], ["-1"], ["1.5"]):
        pair.get("traces", experiment_ids=ids)
        _v3(pair, {"locations": _at(*ids)})
    pair.get("traces")
    pair.get("traces", filter="status = 'OK'")
    for locations in ([], None, "x", 3, {}, [{}], [None], ["x"], [{"inference_table": {"full_table_name": "a.b.c"}}], [{"mlflow_experiment": {}}]):
        _v3(pair, {"locations": locations})
    _v3(pair, {"locations": [{"mlflow_experiment": {"experiment_id": experiment}}]})
    _v3(pair, {"locations": _at(experiment, other, experiment)})
    _v3(pair, {})
    _v3(pair, None)


def test_a_deleted_experiment_keeps_its_traces(pair: Pair, filled: dict[str, str]) -> None:
    pair.post("experiments/delete", {"experiment_id": filled["experiment"]})
    _v2(pair, filled["experiment"])
    _v3(pair, {"locations": _at(filled["experiment"])})


def test_several_wrong_at_once(pair: Pair, filled: dict[str, str]) -> None:
    wrong = {"filter": "foo = 'x'", "order_by": ["foo"], "page_token": "abc", "max_results": "0"}
    for left_out in (None, *wrong):
        _v2(pair, filled["experiment"], **{name: value for name, value in wrong.items() if name != left_out})
