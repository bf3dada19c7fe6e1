"""logged-models/search: filters, order, datasets, pages over a fixed set of models."""

from __future__ import annotations

import time
from typing import Any

import pytest

from differential.pair import Pair
from differential.steps import MAX_INT64, UNKNOWN_EXPERIMENT, create_experiment, create_model, create_run, dataset

# Models are ordered by their time of creation, which is the servers' own: they must not be made in the same millisecond.
BETWEEN_MODELS = 0.003
MODELS: list[dict[str, Any]] = [
    {"name": "Alpha", "model_type": "agent", "params": {"lr": "0.1", "a.b": "x"}, "tags": {"team": "red"}},
    {"name": "alpha", "model_type": "agent", "params": {"lr": "0.2"}, "tags": {"team": "Red"}, "status": "LOGGED_MODEL_READY"},
    {"name": "under_score", "params": {"lr": "0.1"}, "tags": {"c d": "space"}, "status": "LOGGED_MODEL_UPLOAD_FAILED"},
    {"name": "percent and ü", "model_type": "", "tags": {"team": "it's"}, "status": "LOGGED_MODEL_READY"},
    {"name": "no metrics", "model_type": "Agent"},
    {"name": "gone", "params": {"lr": "0.1"}, "deleted": True},
]
# (model, key, value, timestamp, step, dataset)
METRICS: list[tuple[int, str, Any, int, int, tuple[str, str] | None]] = [
    *((0, "m", 1.0, 1, 1, None), (0, "m", 3.0, 2, 2, None), (1, "m", 2.0, 1, 1, None), (2, "m", "NaN", 1, 1, None)),
    *((3, "m", "Infinity", 1, 1, None), (0, "acc", 0.5, 1, 1, ("train", "d1")), (1, "acc", 0.9, 1, 1, ("train", "d1"))),
    *((2, "acc", 0.1, 1, 1, ("train", "d2")), (3, "acc", 0.7, 1, 1, ("eval", "d1")), (0, "acc", 0.2, 2, 2, ("train", "d2"))),
    *((0, "with space", 1, 1, 1, None), (1, "acc", 0.3, 0, 0, ("eval", "d1"))),
]
FILTERS = [
    *("", " ", "name = 'Alpha'", "name != 'Alpha'", "name LIKE 'under_score'", "name LIKE 'al%'", "name ILIKE 'AL%'", "attributes.name = 'Alpha'"),
    *("name IN ('Alpha', 'alpha')", "name NOT IN ('Alpha')", "name IN ('Alpha')", "name IN ()", "name IN (Alpha)", 'name = "Alpha"', "name = Alpha"),
    *("model_type = 'agent'", "model_type = 'Agent'", "model_type ILIKE 'AGENT'", "model_type = ''", "model_type != 'agent'", "status = 'READY'"),
    *("status = 2", "status = '2'", "status != 'READY'", "status = 'LOGGED_MODEL_READY'", "status IN ('READY')", "source_run_id = 'x'", "source_run_id != 'x'"),
    *("metrics.m > 1", "metrics.m >= 1", "metrics.m = 1", "metrics.m = 3", "metrics.m < 3", "metrics.m != 3", "metrics.acc > 0.3", "metrics.missing > 0"),
    *("metrics.m > 'a'", "metrics.m LIKE '1'", "metrics.m IN (1)", "metrics.m = '1'", "metrics.`with space` = 1", "metrics.with space = 1", "metrics.m = NaN"),
    *("metrics.m = inf", "metrics.m > 1e307", "metrics.m > 0 AND metrics.acc > 0.3", "metrics.m > 0 AND params.lr = '0.1'", "metrics.m == 1", "metrics.m <> 1"),
    *("params.lr = '0.1'", "params.lr != '0.1'", "params.lr LIKE '0._'", "params.lr ILIKE '0.%'", "params.lr > '0.1'", "params.lr = 0.1", "params.`a.b` = 'x'"),
    *("params.a.b = 'x'", "params.lr IN ('0.1', '0.2')", "params.lr NOT IN ('0.1')", "param.lr = '0.1'", "params.lr = \"0.1\"", "params.missing = 'x'"),
    *("tags.team = 'red'", "tags.team != 'red'", "tags.team ILIKE 'RED'", "tags.team LIKE 'R%'", "tags.`c d` = 'space'", "tags.team = 'it''s'", "tags.team = \"it's\""),
    *("tags.team = 'red' AND tags.team = 'Red'", "tags.team IN ('red')", "tag.team = 'red'", "tags.team = red", "tags.team = 5", "tags. = 'x'"),
    *("creation_timestamp > 0", "creation_time > 0", "creation_timestamp_ms > 0", "creation_timestamp < 5", "creation_timestamp = 'abc'", "creation_timestamp LIKE '1'"),
    *("last_updated_timestamp > 0", "last_updated_timestamp_ms > 0", "last_updated_timestamp < 5", "artifact_location = 'x'", "artifact_location LIKE 'mlflow%'"),
    *("experiment_id = '1'", "lifecycle_stage = 'active'", "lifecycle_stage = 'deleted'", "model_id = 'x'", "foo = 'x'", "foo.bar = 'x'", "status_message = 'x'"),
    *("name", "name =", "= 'x'", "name = 'a' OR name = 'b'", "name = 'a' AND", "AND name = 'Alpha'", "name = 'Alpha' name = 'b'", "(name = 'Alpha')", "1 = 1"),
    *("name = 'unclosed", "name = 'Alpha';", "name = 'Alpha'; name = 'b'", "name = 'Alpha' -- c", "name='Alpha'", "name like 'Al%'", "name = 'Alpha' and model_type = 'agent'"),
    *("name IS NULL", "NOT name = 'a'", "name = 'Alpha', name = 'b'", "metrics.m BETWEEN 1 AND 2", "`name` = 'Alpha'", "name > 'a'", "Name = 'Alpha'"),
]
FIELDS: list[Any] = [
    *("name", "creation_timestamp", "creation_time", "creation_timestamp_ms", "last_updated_timestamp", "model_type", "status"),
    *("metrics.m", "metrics.acc", "metrics.missing", "metrics.with space", "metrics.`with space`", "params.lr", "tags.team", "foo", "foo.bar"),
    *("", " ", None, 3, [], "attributes.name", "lifecycle_stage", "experiment_id", "source_run_id", "metrics.", "NAME", "metadata", "query"),
]


@pytest.fixture
def experiment(pair: Pair) -> str:
    """Makes the models of MODELS with METRICS; returns their experiment's id."""
    identifier = create_experiment(pair)
    run = create_run(pair, identifier)
    datasets = [dataset(*name) for name in (("train", "d1"), ("train", "d2"), ("eval", "d1"))]
    pair.post("runs/log-inputs", {"run_id": run, "datasets": datasets})
    models = [_create(pair, identifier, fields) for fields in MODELS]
    for index, key, value, timestamp, step, data in METRICS:
        metric = {"run_id": run, "model_id": models[index], "key": key, "value": value, "timestamp": timestamp, "step": step}
        if data:
            metric |= {"dataset_name": data[0], "dataset_digest": data[1]}
        pair.post("runs/log-metric", metric)
    for model, fields in zip(models, MODELS):
        if fields.get("deleted"):
            pair.delete(f"logged-models/{model}")
    return identifier


def _create(pair: Pair, experiment: str, fields: dict[str, Any]) -> str:
    time.sleep(BETWEEN_MODELS)
    body = {name: fields[name] for name in ("name", "model_type") if name in fields}
    for name in ("params", "tags"):
        body[name] = [{"key": key, "value": value} for key, value in fields.get(name, {}).items()]
    model = create_model(pair, experiment, **body)
    if "status" in fields:
        pair.patch(f"logged-models/{model}", {"model_id": model, "status": fields["status"]})
    return model


def test_filters(pair: Pair, experiment: str) -> None:
    for text in FILTERS:
        pair.post("logged-models/search", {"experiment_ids": [experiment], "filter": text})


def test_orders(pair: Pair, experiment: str) -> None:
    body = {"experiment_ids": [experiment]}
    for field in FIELDS:
        for ascending in (True, False):
            pair.post("logged-models/search", {**body, "order_by": [{"field_name": field, "ascending": ascending}]})
    for order in (
        *([{"field_name": "metrics.acc"}], [{"field_name": "metrics.acc", "dataset_name": "train"}], [{}], [], None, "name", {}),
        *([{"field_name": "metrics.acc", "dataset_name": "train", "dataset_digest": "d2"}], [{"ascending": True}], [None], ["name"]),
        *([{"field_name": "metrics.acc", "dataset_digest": "d1"}], [{"field_name": "metrics.acc", "dataset_name": "none"}]),
        *([{"field_name": "metrics.m", "ascending": False}, {"field_name": "metrics.acc"}], [{"field_name": "name", "ascending": "x"}]),
        *([{"field_name": "model_type"}, {"field_name": "name", "ascending": False}], [{"field_name": "name", "ascending": None}]),
    ):
        pair.post("logged-models/search", {**body, "order_by": order})


def test_datasets(pair: Pair, experiment: str) -> None:
    body = {"experiment_ids": [experiment], "filter": "metrics.acc > 0.25"}
    for datasets in (
        *([{"dataset_name": "train"}], [{"dataset_name": "train", "dataset_digest": "d1"}], [{"dataset_name": "none"}], [{}]),
        *([{"dataset_name": "train", "dataset_digest": "d2"}, {"dataset_name": "eval"}], [{"dataset_digest": "d1"}], [], None),
        *([{"dataset_name": ""}], [{"dataset_name": 3}], "train", {}, ["train"], [None], [{"dataset_name": "eval", "dataset_digest": ""}]),
    ):
        pair.post("logged-models/search", {**body, "datasets": datasets})
        pair.post("logged-models/search", {"experiment_ids": [experiment], "datasets": datasets})


def test_experiment_ids(pair: Pair, experiment: str) -> None:
    other = create_experiment(pair)
    for ids in (
        *([experiment, other], [other], [UNKNOWN_EXPERIMENT], ["abc"], [""], [], None, "1", 3, [3], [None], {}, [[]]),
        *([str(MAX_INT64)], [str(MAX_INT64 + 1)], ["-1"], ["1.5"], [other, "abc"]),
    ):
        pair.post("logged-models/search", {"experiment_ids": ids})
    pair.post("logged-models/search", {})
    pair.post("logged-models/search")


def test_pages(pair: Pair, experiment: str) -> None:
    body: dict[str, Any] = {"experiment_ids": [experiment], "max_results": 2, "order_by": [{"field_name": "name"}]}
    first = pair.post("logged-models/search", body)
    token = first.ref("next_page_token")
    second = pair.post("logged-models/search", {**body, "page_token": token})
    pair.post("logged-models/search", {**body, "page_token": second.ref("next_page_token")})
    for changed in ({"filter": "name = 'x'"}, {"order_by": []}, {"experiment_ids": ["1"]}, {"max_results": 1}, {"datasets": []}):
        pair.post("logged-models/search", {**body, "page_token": token, **changed})
    for bad in ("abc", "", "bm90IGpzb24=", "eyJvZmZzZXQiOiAyfQ==", "e30=", "W10=", 3, None, []):
        pair.post("logged-models/search", {**body, "page_token": bad})
    for size in (0, 1, 5, 6, -1, "2", "abc", 1.5, None, 50, 51, 1000, 50001, 2**31 - 1, 2**31, MAX_INT64 + 1, []):
        pair.post("logged-models/search", {"experiment_ids": [experiment], "max_results": size})
