"""Logged models: create, get, finalize, delete, params, tags."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from differential.pair import Pair
from differential.steps import (
    ODD_STRINGS,
    UNKNOWN_EXPERIMENT,
    UNKNOWN_MODEL,
    UNKNOWN_RUN,
    create_experiment,
    create_model,
    create_run,
    log_batch,
)

PAIRS: list[Any] = [
    *(None, [], {}, "abc", 3, [None], ["a"], [{}], [{"key": "a"}], [{"value": "a"}], [{"key": "", "value": "a"}]),
    *([{"key": 3, "value": 4}], [{"key": "b", "value": None}], [{"key": "c", "value": ""}], [{"key": "a//b", "value": "x"}]),
    *([{"key": "d" * 250, "value": "x"}], [{"key": "d" * 251, "value": "x"}], [{"key": "e", "value": "x" * 6000}]),
    *([{"key": "f", "value": "x" * 6001}], [{"key": "g", "value": "x" * 8000}], [{"key": "h", "value": "x" * 8001}]),
    *([{"key": "i", "value": "1"}, {"key": "i", "value": "2"}], [{"key": "j", "value": "1"}, {"key": "k", "value": "ü"}]),
]


def test_create_and_read(pair: Pair) -> None:
    experiment = create_experiment(pair)
    run = create_run(pair, experiment)
    model = create_model(
        pair,
        experiment,
        name="the name",
        model_type="agent",
        source_run_id=run,
        params=[{"key": "a", "value": "1"}, {"key": "b", "value": "ü"}],
        tags=[{"key": "t", "value": "1"}, {"key": "u", "value": ""}],
    )
    pair.get(f"logged-models/{model}")
    pair.get(f"logged-models/{create_model(pair, experiment)}")
    pair.post("logged-models", {"experimentId": experiment, "modelType": "x", "sourceRunId": run})


def test_create_with_bad_fields(pair: Pair) -> None:
    experiment = create_experiment(pair)
    for value in (None, "", UNKNOWN_EXPERIMENT, "abc", "-1", 31, 1.5, True, [], {}, "9" * 30):
        pair.post("logged-models", {"experiment_id": value})
    pair.post("logged-models", {"name": "x"})
    pair.post("logged-models")
    for field in ("name", "model_type", "source_run_id"):
        for value in (*ODD_STRINGS, "x" * 500, "x" * 501):
            pair.post("logged-models", {"experiment_id": experiment, field: value})
    pair.post("logged-models", {"experiment_id": experiment, "source_run_id": UNKNOWN_RUN})
    for name in ("a/b", "a:b", "a.b", "a%b", "a'b", 'a"b', "a b", "a\\b", "..", "a/../b", "a//b", "x" * 250, "x" * 256, "x" * 257):
        pair.post("logged-models", {"experiment_id": experiment, "name": name})


def test_params_and_tags_at_creation(pair: Pair) -> None:
    experiment = create_experiment(pair)
    for field in ("params", "tags"):
        for value in PAIRS:
            created = pair.post("logged-models", {"experiment_id": experiment, field: value})
            if created.succeeded():
                pair.get(f"logged-models/{created.ref('model.info.model_id')}")


def test_finalize(pair: Pair) -> None:
    experiment = create_experiment(pair)
    for status in (
        *("LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED", "LOGGED_MODEL_PENDING", "LOGGED_MODEL_STATUS_UNSPECIFIED"),
        *("READY", "FAILED", "ready", "", None, 0, 1, 2, 3, 4, "1", "2", 1.5, True, [], {}),
    ):
        model = create_model(pair, experiment)
        pair.patch(f"logged-models/{model}", {"model_id": model, "status": status})
        pair.patch(f"logged-models/{model}", {"status": status})
    pair.patch(f"logged-models/{model}", {"model_id": model})
    pair.patch(f"logged-models/{model}", {"model_id": UNKNOWN_MODEL, "status": "LOGGED_MODEL_READY"})
    pair.patch(f"logged-models/{UNKNOWN_MODEL}", {"model_id": model, "status": "LOGGED_MODEL_READY"})
    pair.patch(f"logged-models/{UNKNOWN_MODEL}", {"model_id": UNKNOWN_MODEL, "status": "LOGGED_MODEL_READY"})


def test_delete(pair: Pair) -> None:
    experiment = create_experiment(pair)
    model = create_model(pair, experiment, tags=[{"key": "t", "value": "1"}])
    run = create_run(pair, experiment)
    pair.delete(f"logged-models/{model}")
    pair.delete(f"logged-models/{model}")
    pair.get(f"logged-models/{model}")
    for allowed in ("true", "TRUE", "false", "1", ""):
        pair.get(f"logged-models/{model}", allow_deleted=allowed)
    for body in WRITES:
        pair.patch(f"logged-models/{model}/tags", body)
        pair.post(f"logged-models/{model}/params", {"model_id": model, **body})
    pair.delete(f"logged-models/{model}/tags/t")
    pair.patch(f"logged-models/{model}", {"model_id": model, "status": "LOGGED_MODEL_READY"})
    pair.get(f"logged-models/{model}/artifacts/directories")
    pair.post("runs/outputs", {"run_id": run, "models": [{"model_id": model, "step": 1}]})
    pair.post("runs/log-metric", {"run_id": run, "key": "m", "value": 1, "timestamp": 1, "model_id": model})
    pair.post("logged-models/search", {"experiment_ids": [experiment]})


def test_params(pair: Pair) -> None:
    experiment = create_experiment(pair)
    for value in PAIRS:
        model = create_model(pair, experiment, params=[{"key": "first", "value": "1"}])
        if pair.post(f"logged-models/{model}/params", {"model_id": model, "params": value}).succeeded():
            pair.get(f"logged-models/{model}")
    for value in ("1", "2"):
        pair.post(f"logged-models/{model}/params", {"model_id": model, "params": [{"key": "first", "value": value}]})
    pair.post(f"logged-models/{model}/params", {"params": [{"key": "second", "value": "1"}]})
    pair.post(f"logged-models/{model}/params")
    pair.get(f"logged-models/{model}")
    pair.post(f"logged-models/{model}/params", {"model_id": UNKNOWN_MODEL, "params": [{"key": "third", "value": "1"}]})


def test_tags(pair: Pair) -> None:
    model = create_model(pair, create_experiment(pair), tags=[{"key": "first", "value": "1"}])
    for value in PAIRS:
        tagged = create_model(pair, create_experiment(pair))
        if pair.patch(f"logged-models/{tagged}/tags", {"model_id": tagged, "tags": value}).succeeded():
            pair.get(f"logged-models/{tagged}")
    pair.patch(f"logged-models/{model}/tags", {"tags": [{"key": "first", "value": "2"}, {"key": "new", "value": "3"}]})
    pair.patch(f"logged-models/{model}/tags")
    pair.get(f"logged-models/{model}")
    for key in ("first", "first", "unknown", "%20", "%C3%BC", "a%20b"):
        pair.delete(f"logged-models/{model}/tags/{key}")
    pair.send("DELETE", f"{pair.prefix}/2.0/mlflow/logged-models/{model}/tags/a%2Fb")
    pair.get(f"logged-models/{model}")


def test_unknown_models(pair: Pair) -> None:
    for identifier in (UNKNOWN_MODEL, "abc", "%20", "m-1", "x" * 300, "%00"):
        pair.get(f"logged-models/{identifier}")
        pair.get(f"logged-models/{identifier}/artifacts/directories")
        pair.delete(f"logged-models/{identifier}")
        pair.delete(f"logged-models/{identifier}/tags/a")
        for body in WRITES:
            pair.patch(f"logged-models/{identifier}/tags", body)
            pair.post(f"logged-models/{identifier}/params", {"model_id": unquote(identifier), **body})


def test_metrics_of_models(pair: Pair) -> None:
    experiment = create_experiment(pair)
    run = create_run(pair, experiment)
    model = create_model(pair, experiment, source_run_id=run)
    pair.post("runs/outputs", {"run_id": run, "models": [{"model_id": model, "step": 0}]})
    log_batch(pair, run, metrics=[("m", 1, 1, 1)])
    metrics = [{"key": "m", "value": step, "timestamp": step, "step": step, "model_id": model} for step in range(3)]
    pair.post("runs/log-batch", {"run_id": run, "metrics": metrics})
    pair.get(f"logged-models/{model}")
    pair.get("runs/get", run_id=run)


WRITES: list[dict[str, Any]] = [
    {"tags": [{"key": "a", "value": "1"}], "params": [{"key": "a", "value": "1"}]},
    {"tags": [], "params": []},
]
