"""log-batch: limits, order, what is written when a part is refused, missing and wrong fields."""

from __future__ import annotations

from typing import Any

from differential.pair import Pair
from differential.steps import create_experiment, create_run, log_batch

METRIC = {"key": "m", "value": 1.0, "timestamp": 1, "step": 0}
LISTS: list[Any] = [None, "", "abc", 3, True, {}, {"key": "a"}, [None], ["a"], [3], [[]], [{}], [{"key": None}], [{"key": ""}], [{"key": 3}]]


def test_everything_at_once(pair: Pair) -> None:
    run = create_run(pair, create_experiment(pair))
    log_batch(
        pair,
        run,
        metrics=[("a", 1, 1, 0), ("a", 2, 2, 1), ("b", "NaN", 1, 0), ("c", "Infinity", 1, 0), ("d", "-Infinity", 1, 0)],
        params=[("p", "1"), ("empty", ""), ("ü", "漢字")],
        tags=[("t", "1"), ("empty", ""), ("mlflow.note.content", "note")],
    )
    pair.get("runs/get", run_id=run)
    log_batch(pair, run)
    pair.post("runs/log-batch", {"run_id": run})
    log_batch(pair, run, tags=[("t", "2"), ("t", "3"), ("mlflow.runName", "renamed")])
    pair.get("runs/get", run_id=run)


def test_latest_metrics_of_a_batch(pair: Pair) -> None:
    run = create_run(pair, create_experiment(pair))
    log_batch(pair, run, metrics=[("m", 3, 1, 5), ("m", 9, 9, 1), ("m", 4, 1, 5), ("m", 2, 0, 5)])
    pair.get("runs/get", run_id=run)
    log_batch(pair, run, metrics=[("m", 1, 1, 4), ("k", 1, 1, 1)])
    pair.get("runs/get", run_id=run)
    pair.get("metrics/get-history", run_id=run, metric_key="m", max_results=100)


def test_limits(pair: Pair) -> None:
    run = create_run(pair, create_experiment(pair))
    for metrics, params, tags in (
        *((1000, 0, 0), (1001, 0, 0), (0, 100, 0), (0, 101, 0), (0, 0, 100), (0, 0, 101)),
        *((900, 50, 50), (901, 50, 50), (800, 100, 100), (801, 100, 100)),
    ):
        log_batch(
            pair,
            run,
            metrics=[(f"m{number % 10}", number, number, number) for number in range(metrics)],
            params=[(f"p{metrics}-{number}", "v") for number in range(params)],
            tags=[(f"t{number}", "v") for number in range(tags)],
        )
    pair.get("runs/get", run_id=run)


def test_size_limit(pair: Pair) -> None:
    run = create_run(pair, create_experiment(pair))
    for size in (7000, 12000):
        log_batch(pair, run, tags=[(f"t{number}", "v" * size) for number in range(100)])
    log_batch(pair, run, params=[(f"p{number}", "v" * 6000) for number in range(100)])


def test_lengths(pair: Pair) -> None:
    run = create_run(pair, create_experiment(pair))
    for length in (250, 251):
        log_batch(pair, run, metrics=[("m" * length, 1, 1, 1)])
        log_batch(pair, run, params=[("p" * length, "v")])
        log_batch(pair, run, tags=[("t" * length, "v")])
    for length in (5000, 5001, 6000, 6001, 8000, 8001):
        log_batch(pair, run, params=[(f"p{length}", "v" * length)])
        log_batch(pair, run, tags=[(f"t{length}", "v" * length)])
    pair.get("runs/get", run_id=run)


def test_params_are_not_overwritten(pair: Pair) -> None:
    run = create_run(pair, create_experiment(pair))
    for params in (
        *([("a", "1"), ("b", "2")], [("a", "1"), ("c", "3")], [("a", "2"), ("d", "4")], [("e", "1"), ("e", "1")]),
        *([("f", "1"), ("f", "2")], [("a", "2"), ("b", "3")], [("g", "1"), ("g", "1"), ("g", "2")]),
    ):
        log_batch(pair, run, params=params, metrics=[("m", 1, 1, 1)], tags=[("t", params[0][0])])
        pair.get("runs/get", run_id=run)


def test_bad_parts_write_nothing(pair: Pair) -> None:
    run = create_run(pair, create_experiment(pair))
    good = {"metrics": [METRIC], "params": [{"key": "p", "value": "1"}], "tags": [{"key": "t", "value": "1"}]}
    for part, bad in (
        *(("metrics", {**METRIC, "key": "a//b"}), ("params", {"key": "a$b", "value": "1"}), ("tags", {"key": "../x", "value": "1"})),
        ("params", {"key": "x" * 251, "value": "1"}),
    ):
        pair.post("runs/log-batch", {"run_id": run, **good, part: [*good[part], bad]})
        pair.get("runs/get", run_id=run)


def test_wrong_lists(pair: Pair) -> None:
    run = create_run(pair, create_experiment(pair))
    for part in ("metrics", "params", "tags"):
        for value in LISTS:
            pair.post("runs/log-batch", {"run_id": run, part: value})


def test_wrong_fields(pair: Pair) -> None:
    run = create_run(pair, create_experiment(pair))
    for field in ("key", "value", "timestamp"):
        pair.post("runs/log-batch", {"run_id": run, "metrics": [METRIC, {k: v for k, v in METRIC.items() if k != field}]})
    for field, values in (
        ("key", ("a/b", "a//b", ".", 3, None, "", [])),
        ("value", ("NaN", "abc", "", None, True, [], {}, "1.5", float("nan"))),
        ("timestamp", ("1", "abc", 1.5, 1.0, None, True, -1, 2**63, [])),
        ("step", ("1", "abc", 1.5, 1.0, None, True, -1, 2**63, [])),
        ("model_id", ("", 3, None, [])),
    ):
        for value in values:
            pair.post("runs/log-batch", {"run_id": run, "metrics": [{**METRIC, "key": "x", field: value}]})
    for part in ("params", "tags"):
        for number, value in enumerate(("", None, 3, 1.5, True, [], {}, "a\x00b")):
            pair.post("runs/log-batch", {"run_id": run, part: [{"key": f"k{number}", "value": value}]})
        pair.post("runs/log-batch", {"run_id": run, part: [{"key": "without value"}]})


def test_duplicate_tag_and_unknown_fields(pair: Pair) -> None:
    run = create_run(pair, create_experiment(pair))
    pair.post("runs/log-batch", {"run_id": run, "unknown": 1, "metrics": [{**METRIC, "unknown": 2}]})
    pair.post("runs/log-batch", {"runId": run, "metrics": [METRIC]})
    for body in ([], "text", 3, None, b"{bad", b'"{}"', b""):
        pair.send("POST", f"{pair.prefix}/2.0/mlflow/runs/log-batch", body=body, headers=(("Content-Type", "application/json"),))
    pair.get("runs/get", run_id=run)
