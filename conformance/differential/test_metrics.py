"""Metrics: log-metric, the rules of the latest value, and the three ways to read a history."""

from __future__ import annotations

from typing import Any

from differential.pair import Pair
from differential.steps import (
    MAX_INT64,
    ODD_INTEGERS,
    ODD_STRINGS,
    UNKNOWN_MODEL,
    UNKNOWN_RUN,
    create_experiment,
    create_model,
    create_run,
    dataset,
    log_batch,
)

ODD_VALUES: list[Any] = [
    *(0, -0.0, 1.5, -1e308, 1.7976931348623157e308, 5e-324, 1e400, 12345678901234567890, 0.1, 1e16, 1e22, 1e-7),
    *("NaN", "nan", "Infinity", "-Infinity", "inf", "1.5", " 1.5", "1e5", "0x10", "abc", "", None, True, [], [1], {}),
    *(float("nan"), float("inf"), float("-inf")),
]


def test_values(pair: Pair) -> None:
    run = create_run(pair, create_experiment(pair))
    for number, value in enumerate(ODD_VALUES):
        metric = {"run_id": run, "key": f"key{number}", "value": value, "timestamp": 1}
        if pair.post("runs/log-metric", metric).succeeded():
            pair.get("metrics/get-history", run_id=run, metric_key=f"key{number}", max_results=10)
    pair.post("runs/log-metric", {"run_id": run, "key": "without value", "timestamp": 1})


def test_keys(pair: Pair) -> None:
    run = create_run(pair, create_experiment(pair))
    for key in ("", " ", "a" * 250, "a" * 251, "a/b", "/a", "a//b", "../a", ".", "a.b-c d:e", "a$b", "a:b", "ü", "🚀"):
        pair.post("runs/log-metric", {"run_id": run, "key": key, "value": 1, "timestamp": 1})
    pair.get("runs/get", run_id=run)
    run = create_run(pair, create_experiment(pair))
    for key in ODD_STRINGS:
        pair.post("runs/log-metric", {"run_id": run, "key": key, "value": 1, "timestamp": 1})
    pair.post("runs/log-metric", {"run_id": run, "value": 1, "timestamp": 1})


def test_timestamps_and_steps(pair: Pair) -> None:
    run = create_run(pair, create_experiment(pair))
    for number, odd in enumerate(ODD_INTEGERS):
        point = {"run_id": run, "key": f"m{number}", "value": 1, "timestamp": 1}
        for field in ("timestamp", "step"):
            if pair.post("runs/log-metric", {**point, field: odd}).succeeded():
                pair.get("metrics/get-history", run_id=run, metric_key=f"m{number}", max_results=10)
    pair.post("runs/log-metric", {"run_id": run, "key": "without timestamp", "value": 1})


def test_latest_value(pair: Pair) -> None:
    run = create_run(pair, create_experiment(pair))
    points = [(1, 1, 0), (2, 1, 0), (0, 1, 0), (5, 2, 0), (4, 1, 1), (9, 0, 1), (3, 5, -1), (7, 9, 1), (6, 9, 1), (8, 9, 1)]
    for value, timestamp, step in points:
        pair.post("runs/log-metric", {"run_id": run, "key": "m", "value": value, "timestamp": timestamp, "step": step})
        pair.get("runs/get", run_id=run)
    pair.get("metrics/get-history", run_id=run, metric_key="m", max_results=100)


def test_latest_value_and_nan(pair: Pair) -> None:
    for values in (("NaN", 1.0), (1.0, "NaN"), (-1.0, "NaN"), ("NaN", "NaN"), ("Infinity", 1), (1, "-Infinity"), ("NaN", -1)):
        run = create_run(pair, create_experiment(pair))
        for value in values:
            pair.post("runs/log-metric", {"run_id": run, "key": "m", "value": value, "timestamp": 1, "step": 1})
        pair.get("runs/get", run_id=run)
        pair.get("metrics/get-history", run_id=run, metric_key="m", max_results=100)


def test_duplicate_points(pair: Pair) -> None:
    run = create_run(pair, create_experiment(pair))
    for _ in range(3):
        pair.post("runs/log-metric", {"run_id": run, "key": "m", "value": 1.5, "timestamp": 3, "step": 4})
    log_batch(pair, run, metrics=[("m", 1.5, 3, 4), ("m", 1.5, 3, 4), ("m", 2.5, 3, 4), ("n", 1, 1, 1)])
    log_batch(pair, run, metrics=[("n", "NaN", 1, 1), ("n", 1, 1, 1)])
    log_batch(pair, run, metrics=[("n", "NaN", 1, 1), ("n", 1, 1, 1)])
    for key in ("m", "n"):
        pair.get("metrics/get-history", run_id=run, metric_key=key, max_results=100)
    pair.get("runs/get", run_id=run)


def test_model_and_dataset(pair: Pair) -> None:
    experiment = create_experiment(pair)
    run = create_run(pair, experiment)
    model = create_model(pair, experiment, source_run_id=run)
    pair.post("runs/log-inputs", {"run_id": run, "datasets": [dataset("d", "1")]})
    metric = {"run_id": run, "key": "m", "value": 1, "timestamp": 1}
    for fields in (
        *({"model_id": model}, {"model_id": UNKNOWN_MODEL, "key": "other"}, {"model_id": "", "key": "none"}),
        *({"model_id": model, "dataset_name": "d", "dataset_digest": "1", "key": "with dataset"}, {"model_id": 3}),
        *({"dataset_name": "d", "dataset_digest": "1", "key": "no model"}, {"model_id": model, "dataset_name": "x"}),
        *({"model_id": model, "dataset_digest": "1", "value": 2}, {"model_id": model, "value": "NaN", "step": 2}),
        *({"model_id": model}, {"dataset_name": [], "key": "odd"}, {"dataset_digest": 3, "key": "odd"}),
    ):
        pair.post("runs/log-metric", {**metric, **fields})
    for key in ("m", "other", "none", "with dataset", "no model"):
        pair.get("metrics/get-history", run_id=run, metric_key=key, max_results=100)
    pair.get(f"logged-models/{model}")
    pair.get("runs/get", run_id=run)


def test_history_pages(pair: Pair) -> None:
    run = create_run(pair, create_experiment(pair))
    log_batch(pair, run, metrics=[("m", step / 7, 1000 - step % 3, step) for step in range(12)])
    token = ""
    for _ in range(4):
        query = {"run_id": run, "metric_key": "m", "max_results": 5, **({"page_token": token} if token else {})}
        page = pair.get("metrics/get-history", **query)
        if b"next_page_token" not in page.official.body:
            break
        token = page.ref("next_page_token")
    for size in (11, 12, 13):
        pair.get("metrics/get-history", run_id=run, metric_key="m", max_results=size)
    pair.get("metrics/get-history", run_id=run, metric_key="m")


def test_history_with_bad_input(pair: Pair) -> None:
    run = create_run(pair, create_experiment(pair))
    log_batch(pair, run, metrics=[("m", 1, 1, 1), ("m", 2, 2, 2)])
    for size in ("0", "-1", "abc", "1.5", "", str(MAX_INT64), "99999999999999999999", "25001", "50001"):
        pair.get("metrics/get-history", run_id=run, metric_key="m", max_results=size)
    for token in ("", "abc", "bm90IGpzb24=", "eyJvZmZzZXQiOiAxfQ==", "eyJvZmZzZXQiOiAtMX0=", "eyJvZmZzZXQiOiAiYSJ9", "e30="):
        pair.get("metrics/get-history", run_id=run, metric_key="m", max_results=1, page_token=token)
    for query in ({"run_id": run}, {"metric_key": "m"}, {"run_id": "", "metric_key": "m"}, {}, {"run_uuid": run, "metric_key": "m"}):
        pair.get("metrics/get-history", max_results=5, **query)
    pair.get("metrics/get-history", run_id=run, metric_key="unknown", max_results=5)
    pair.get("metrics/get-history", run_id=UNKNOWN_RUN, metric_key="m", max_results=5)
    pair.get("metrics/get-history", run_id=run, metric_key="", max_results=5)
    pair.post("runs/delete", {"run_id": run})
    pair.get("metrics/get-history", run_id=run, metric_key="m", max_results=5)


def test_history_bulk(ajax_pair: Pair) -> None:
    pair, route = ajax_pair, "metrics/get-history-bulk"
    experiment = create_experiment(pair)
    one, without = create_run(pair, experiment), create_run(pair, experiment, 2)
    log_batch(pair, one, metrics=[("m", value, time, step) for value, time, step in ((3, 2, 1), (1, 2, 1), (2, 1, 5), ("NaN", 3, 1))])
    log_batch(pair, one, metrics=[("m", "Infinity", 4, 1), ("k", 1, 1, 1)])
    for run_ids in ([one], [one, without], [one, one], [one, UNKNOWN_RUN], [UNKNOWN_RUN], [""], [one] * 100, [one] * 101, []):
        pair.get(route, run_id=run_ids, metric_key="m")
    for size in (0, 1, 2, -1, "abc", "", "1.5", 25001):
        pair.get(route, run_id=[one], metric_key="m", max_results=size)
    pair.get(route, run_id=[one])
    pair.get(route, run_id=[one], metric_key="")
    pair.get(route, run_ids=[one], metric_key="m")
    pair.get(route)


def test_history_bulk_order_over_runs(ajax_pair: Pair) -> None:
    """The runs come in the order of their ids, which are random: only the number of rows and each run's own can be compared."""
    pair = ajax_pair
    experiment = create_experiment(pair)
    for number in range(3):
        run = create_run(pair, experiment, number)
        log_batch(pair, run, metrics=[("m", value, 7 - value, value % 2) for value in range(5)])
        pair.get("metrics/get-history-bulk", run_id=[run], metric_key="m")


def test_history_bulk_interval(pair: Pair) -> None:
    route = "metrics/get-history-bulk-interval"
    run = create_run(pair, create_experiment(pair))
    log_batch(pair, run, metrics=[("m", step / 3, 1000 + step, step) for step in range(0, 400, 3)])
    log_batch(pair, run, metrics=[("m", 7, 5000, 30), ("m", "NaN", 5001, 33), ("other", 1, 1, 1)])
    for size in (1, 2, 3, 5, 10, 50, 133, 134, 135, 2500):
        pair.get(route, run_ids=[run], metric_key="m", max_results=size)
        pair.get(route, run_ids=[run], metric_key="m", max_results=size, start_step=10, end_step=200)
    for start, end in ((0, 0), (30, 30), (1, 2), (-5, 7), (399, 1000), (1000, 2000), (5, 1), (MAX_INT64, MAX_INT64)):
        pair.get(route, run_ids=[run], metric_key="m", start_step=start, end_step=end, max_results=4)
    pair.get(route, run_ids=[run], metric_key="m")


def test_history_bulk_interval_with_bad_input(pair: Pair) -> None:
    route = "metrics/get-history-bulk-interval"
    run = create_run(pair, create_experiment(pair))
    log_batch(pair, run, metrics=[("m", 1, 1, 1)])
    for size in ("0", "-1", "abc", "1.5", "", "2500", "2501", str(MAX_INT64)):
        pair.get(route, run_ids=[run], metric_key="m", max_results=size)
    for start in ("abc", "", "1.5", "99999999999999999999"):
        pair.get(route, run_ids=[run], metric_key="m", start_step=start, end_step=5)
        pair.get(route, run_ids=[run], metric_key="m", start_step=0, end_step=start)
    pair.get(route, run_ids=[run], metric_key="m", start_step=1)
    pair.get(route, run_ids=[run], metric_key="m", end_step=1)
    for run_ids in ([], [""], [UNKNOWN_RUN], [run, UNKNOWN_RUN], [run] * 100, [run] * 101):
        pair.get(route, run_ids=run_ids, metric_key="m")
    pair.get(route, run_ids=[run])
    pair.get(route, run_ids=[run], metric_key="")
    pair.get(route, run_ids=[run], metric_key="unknown")
    pair.get(route, run_id=[run], metric_key="m")
