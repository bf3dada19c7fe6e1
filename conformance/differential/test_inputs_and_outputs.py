"""Datasets and models as inputs and outputs of runs: log-inputs, outputs, log-model, search-datasets."""

from __future__ import annotations

import json
from typing import Any

from differential.pair import Pair
from differential.steps import (
    ODD_INTEGERS,
    ODD_STRINGS,
    UNKNOWN_EXPERIMENT,
    UNKNOWN_MODEL,
    create_experiment,
    create_model,
    create_run,
    dataset,
)

LISTS: list[Any] = [None, "", "abc", 3, {}, [], [None], ["a"], [3], [[]], [{}]]
MODEL_INFO = {"artifact_path": "model", "flavors": {"f": {}}, "utc_time_created": "2024-01-01 00:00:00", "run_id": "r"}


def test_log_datasets(pair: Pair) -> None:
    experiment = create_experiment(pair)
    run = create_run(pair, experiment)
    full = dataset("one", "1", schema='{"a": 1}', profile='{"rows": 2}')
    for datasets in ([full], [full], [dataset("two", "1"), dataset("three", "1")], [dataset("one", "2")], []):
        pair.post("runs/log-inputs", {"run_id": run, "datasets": datasets})
    pair.get("runs/get", run_id=run)
    other = create_run(pair, experiment, 2)
    pair.post("runs/log-inputs", {"run_id": other, "datasets": [{**full, "tags": []}]})
    pair.get("runs/get", run_id=other)
    pair.post("runs/search", {"experiment_ids": [experiment]})


def test_same_dataset_twice_in_a_request(pair: Pair) -> None:
    run = create_run(pair, create_experiment(pair))
    changed = dataset("twice", "1", source="/elsewhere", schema="{}")
    pair.post("runs/log-inputs", {"run_id": run, "datasets": [dataset("twice", "1"), changed]})
    pair.get("runs/get", run_id=run)


def test_tags_of_inputs(pair: Pair) -> None:
    body = dataset("d", "1")
    for tags in (
        *([{"key": "a", "value": "1"}], [{"key": "a", "value": "2"}, {"key": "b", "value": "3"}], None, {}, "x", [{}]),
        *([{"key": "a"}], [{"value": "a"}], [{"key": "", "value": ""}], [{"key": "k" * 255, "value": "v" * 500}]),
        *([{"key": "k" * 256, "value": "v"}], [{"key": "k", "value": "v" * 501}], [{"key": 3, "value": 4}]),
        [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}],
    ):
        run = create_run(pair, create_experiment(pair))
        if pair.post("runs/log-inputs", {"run_id": run, "datasets": [{**body, "tags": tags}]}).succeeded():
            pair.get("runs/get", run_id=run)


def test_bad_datasets(pair: Pair) -> None:
    run = create_run(pair, create_experiment(pair))
    for value in LISTS:
        pair.post("runs/log-inputs", {"run_id": run, "datasets": value})
        pair.post("runs/log-inputs", {"run_id": run, "datasets": [{"dataset": value, "tags": []}]})
    good = dataset("bad", "1")["dataset"]
    for field in good:
        pair.post("runs/log-inputs", {"run_id": run, "datasets": [{"dataset": {k: v for k, v in good.items() if k != field}}]})
        for value in ODD_STRINGS:
            pair.post("runs/log-inputs", {"run_id": run, "datasets": [{"dataset": {**good, field: value}}]})
    for field, limit in (("name", 500), ("digest", 36), ("source_type", 36), ("source", 65535), ("schema", 65535), ("profile", 100000)):
        for length in (limit, limit + 1):
            body = {**good, "digest": f"{field}{length}", field: "x" * length}
            pair.post("runs/log-inputs", {"run_id": run, "datasets": [{"dataset": body}]})


def test_log_models_as_inputs(pair: Pair) -> None:
    experiment = create_experiment(pair)
    run, model = create_run(pair, experiment), create_model(pair, experiment)
    for models in ([{"model_id": model}], [{"model_id": model}], [{"model_id": UNKNOWN_MODEL}], *LISTS, [{"model_id": ""}]):
        pair.post("runs/log-inputs", {"run_id": run, "models": models})
    for value in ODD_STRINGS:
        pair.post("runs/log-inputs", {"run_id": run, "models": [{"model_id": value}]})


def test_outputs(pair: Pair) -> None:
    experiment = create_experiment(pair)
    run, model, other = create_run(pair, experiment), create_model(pair, experiment), create_model(pair, experiment)
    pair.post("runs/outputs", {"run_id": run, "models": [{"model_id": model, "step": 3}, {"model_id": other, "step": 0}]})
    pair.get("runs/get", run_id=run)
    pair.post("runs/outputs", {"run_id": run, "models": [{"model_id": model, "step": 4}]})
    pair.post("runs/outputs", {"run_id": run, "models": [{"model_id": UNKNOWN_MODEL, "step": 4}]})
    pair.post("runs/outputs", {"run_id": run})
    pair.get("runs/get", run_id=run)
    pair.post("runs/search", {"experiment_ids": [experiment]})
    for models in LISTS:
        pair.post("runs/outputs", {"run_id": run, "models": models})


def test_odd_steps_of_outputs(pair: Pair) -> None:
    experiment = create_experiment(pair)
    for step in ODD_INTEGERS:
        run, model = create_run(pair, experiment), create_model(pair, experiment)
        pair.post("runs/outputs", {"run_id": run, "models": [{"model_id": model, "step": step}]})


def test_log_model(pair: Pair) -> None:
    run = create_run(pair, create_experiment(pair))
    for number in range(2):
        body = {**MODEL_INFO, "artifact_path": f"model{number}", "model_uuid": "u", "extra": 1}
        pair.post("runs/log-model", {"run_id": run, "model_json": json.dumps(body)})
        pair.get("runs/get", run_id=run)
    for text in ("", "{bad", "[]", "3", "null", '"text"', "{}", json.dumps({**MODEL_INFO, "flavors": None}), None, 3, {}):
        pair.post("runs/log-model", {"run_id": run, "model_json": text})
    for field in MODEL_INFO:
        body = {name: value for name, value in MODEL_INFO.items() if name != field}
        pair.post("runs/log-model", {"run_id": run, "model_json": json.dumps(body)})
    pair.post("runs/log-model", {"run_id": run})
    pair.get("runs/get", run_id=run)


def test_search_datasets(ajax_pair: Pair) -> None:
    pair, route = ajax_pair, "experiments/search-datasets"
    experiment, empty = create_experiment(pair), create_experiment(pair)
    for number, datasets in enumerate(([dataset("a", "1"), dataset("b", "1")], [dataset("a", "1")], [dataset("a", "2")])):
        run = create_run(pair, experiment, number)
        pair.post("runs/log-inputs", {"run_id": run, "datasets": datasets})
    pair.post("runs/log-inputs", {"run_id": run, "datasets": [{**dataset("c", "1"), "tags": []}]})
    for ids in ([experiment], [experiment, empty], [empty], [UNKNOWN_EXPERIMENT], [experiment] * 20, [experiment] * 21, *LISTS):
        pair.post(route, {"experiment_ids": ids})
    pair.post(route, {})
    pair.post(route, {"experiment_ids": ["abc"]})
    pair.post("runs/delete", {"run_id": run})
    pair.post(route, {"experiment_ids": [experiment]})
