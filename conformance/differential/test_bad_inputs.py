"""Every field of every message, with every kind of bad value; and every route of runs and models whose parent is deleted.

The table has a good body for each route. Lists of messages are tried with bad lists and with bad fields of their items.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from differential.pair import Pair
from differential.registry_steps import create_registered_model, create_version
from differential.steps import MAX_INT64, PUBLIC_URL, UNKNOWN_EXPERIMENT, UNKNOWN_MODEL, UNKNOWN_RUN, UNKNOWN_WEBHOOK
from differential.steps import create_experiment, create_model, create_run, create_webhook, dataset

MISSING = object()
BAD_VALUES: list[Any] = [MISSING, None, "", 31, 1.5, True, [], {}, "x" * 9001, "🚀 ünïcode 漢字", MAX_INT64 + 1, "NaN", ["a"]]
AJAX_ONLY = {"experiments/search-datasets"}
EXPERIMENT, RUN, MODEL, REGISTERED, WEBHOOK = "<experiment>", "<run>", "<model>", "<registered model>", "<webhook>"
VERSION = {"name": REGISTERED, "version": "1"}
TAG = {"key": "k", "value": "v"}
EVENT = {"entity": "PROMPT", "action": "CREATED"}
METRIC = {"key": "m", "value": 1.5, "timestamp": 3, "step": 2}
GOOD_BODIES: dict[str, dict[str, Any]] = {
    "POST experiments/create": {"name": "<name>", "artifact_location": "s3://bucket/x", "tags": [TAG]},
    "POST experiments/update": {"experiment_id": EXPERIMENT, "new_name": "<name>"},
    "POST experiments/set-experiment-tag": {"experiment_id": EXPERIMENT, **TAG},
    "POST experiments/delete-experiment-tag": {"experiment_id": EXPERIMENT, "key": "k"},
    "POST experiments/search-datasets": {"experiment_ids": [EXPERIMENT]},
    "POST runs/create": {"experiment_id": EXPERIMENT, "user_id": "u", "run_name": "n", "start_time": 5, "tags": [TAG]},
    "POST runs/update": {"run_id": RUN, "status": "RUNNING", "end_time": 7, "run_name": "n"},
    "POST runs/log-metric": {"run_id": RUN, **METRIC},
    "POST runs/log-parameter": {"run_id": RUN, **TAG},
    "POST runs/set-tag": {"run_id": RUN, **TAG},
    "POST runs/delete-tag": {"run_id": RUN, "key": "k"},
    "POST runs/log-batch": {"run_id": RUN, "metrics": [METRIC], "params": [TAG], "tags": [TAG]},
    "POST runs/log-inputs": {"run_id": RUN, "datasets": [dataset("d", "1")], "models": [{"model_id": MODEL}]},
    "POST runs/outputs": {"run_id": RUN, "models": [{"model_id": MODEL, "step": 1}]},
    "POST logged-models": {"experiment_id": EXPERIMENT, "name": "n", "model_type": "t", "source_run_id": RUN, "params": [TAG], "tags": [TAG]},
    "PATCH logged-models/<model>": {"model_id": MODEL, "status": "LOGGED_MODEL_READY"},
    "POST logged-models/<model>/params": {"model_id": MODEL, "params": [TAG]},
    "PATCH logged-models/<model>/tags": {"model_id": MODEL, "tags": [TAG]},
    "POST registered-models/create": {"name": "<name>", "description": "d", "tags": [TAG]},
    "POST registered-models/rename": {"name": REGISTERED, "new_name": "<name>"},
    "PATCH registered-models/update": {"name": REGISTERED, "description": "d"},
    "POST registered-models/get-latest-versions": {"name": REGISTERED, "stages": ["None"]},
    "POST registered-models/set-tag": {"name": REGISTERED, **TAG},
    "DELETE registered-models/delete-tag": {"name": REGISTERED, "key": "k"},
    "POST registered-models/alias": {"name": REGISTERED, "alias": "a", "version": "1"},
    "DELETE registered-models/alias": {"name": REGISTERED, "alias": "a"},
    "DELETE registered-models/delete": {"name": "<name>"},
    "POST model-versions/create": {"name": REGISTERED, "source": "s3://bucket/m", "run_id": RUN, "description": "d", "tags": [TAG]},
    "PATCH model-versions/update": {**VERSION, "description": "d"},
    "POST model-versions/transition-stage": {**VERSION, "stage": "Staging", "archive_existing_versions": True},
    "POST model-versions/set-tag": {**VERSION, **TAG},
    "DELETE model-versions/delete-tag": {**VERSION, "key": "k"},
    "DELETE model-versions/delete": {"name": REGISTERED, "version": "9"},
    "POST webhooks": {"name": "<name>", "url": PUBLIC_URL, "events": [EVENT], "description": "d", "secret": "s", "status": "ACTIVE"},
    "GET traces": {"experiment_ids": [EXPERIMENT], "filter": "status = 'OK'", "max_results": 5, "order_by": ["timestamp"], "page_token": ""},
    "POST 3.0/mlflow/traces/search": {
        "locations": [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": EXPERIMENT}}],
        **{"filter": "status = 'OK'", "max_results": 5, "order_by": ["timestamp"], "page_token": ""},
    },
    "PATCH webhooks/<webhook>": {"name": "n", "url": PUBLIC_URL, "events": [EVENT], "description": "d", "secret": "s", "status": "ACTIVE"},
}


@pytest.mark.parametrize("route", GOOD_BODIES)
def test_bad_fields(route: str, pair: Pair) -> None:
    experiment = create_experiment(pair)
    real = {EXPERIMENT: experiment, RUN: create_run(pair, experiment), MODEL: create_model(pair, experiment)}
    real[WEBHOOK] = create_webhook(pair)
    for body in _bodies(GOOD_BODIES[route]):
        # What is refused here and not there must not show in the answers after it.
        _call(pair, route, body, {**real, REGISTERED: _registered(pair, route)})


def _registered(pair: Pair, route: str) -> str:
    """A registered model with a version, for the routes that need one."""
    if "registered-models" not in route and "model-versions" not in route:
        return ""
    name = create_registered_model(pair)
    create_version(pair, name)
    return name


def test_routes_of_a_deleted_registered_model(pair: Pair) -> None:
    name = create_registered_model(pair)
    create_version(pair, name)
    pair.delete("registered-models/delete", {"name": name})
    for route, body in GOOD_BODIES.items():
        if body.get("name") == REGISTERED:
            _call(pair, route, body, {REGISTERED: name, MODEL: UNKNOWN_MODEL, RUN: UNKNOWN_RUN})


def test_routes_of_a_deleted_run(pair: Pair) -> None:
    experiment = create_experiment(pair)
    run, model = create_run(pair, experiment), create_model(pair, experiment)
    real = {EXPERIMENT: experiment, RUN: run, MODEL: model, REGISTERED: create_registered_model(pair)}
    pair.post("runs/delete", {"run_id": run})
    for route, body in GOOD_BODIES.items():
        if body.get("run_id") == RUN or "source_run_id" in body:
            _call(pair, route, body, real)
    pair.get("runs/get", run_id=run)
    pair.get("metrics/get-history", run_id=run, metric_key="m", max_results=5)
    pair.get("metrics/get-history-bulk-interval", run_ids=[run], metric_key="m")
    pair.get("artifacts/list", run_id=run)


def test_routes_of_a_deleted_experiment(pair: Pair) -> None:
    experiment = create_experiment(pair)
    real = {EXPERIMENT: experiment, RUN: create_run(pair, experiment), MODEL: create_model(pair, experiment)}
    real[REGISTERED] = create_registered_model(pair)
    real[WEBHOOK] = create_webhook(pair)
    pair.post("experiments/delete", {"experiment_id": experiment})
    for route, body in GOOD_BODIES.items():
        _call(pair, route, body, real)
    pair.get("experiments/get", experiment_id=experiment)
    pair.get("runs/get", run_id=real[RUN])
    pair.get(f"logged-models/{real[MODEL]}")
    pair.post("runs/search", {"experiment_ids": [experiment]})
    pair.post("logged-models/search", {"experiment_ids": [experiment]})


def test_unknown_parents(pair: Pair) -> None:
    unknown = {EXPERIMENT: UNKNOWN_EXPERIMENT, RUN: UNKNOWN_RUN, MODEL: UNKNOWN_MODEL, WEBHOOK: UNKNOWN_WEBHOOK, REGISTERED: pair.name()}
    for route, body in GOOD_BODIES.items():
        _call(pair, route, body, unknown)


def _call(pair: Pair, route: str, body: dict[str, Any], ids: dict[str, str]) -> None:
    method, _, path = route.partition(" ")
    prefix = "/ajax-api" if path in AJAX_ONLY else pair.prefix
    for name in (MODEL, WEBHOOK):
        path = path.replace(name, ids.get(name, name))
    path = path if path.startswith("3.0/") else f"2.0/mlflow/{path}"
    pair.send(method, f"{prefix}/{path}", body=_filled(body, {**ids, "<name>": pair.name()}))


def _bodies(good: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The good body with one bad value each, in its own fields and in those of the first item of its lists."""
    for name, value in good.items():
        yield from _with_bad_values(good, name)
        if isinstance(value, list) and isinstance(value[0], dict):
            for field in value[0]:
                for item in _with_bad_values(value[0], field):
                    yield {**good, name: [item]}


def _with_bad_values(good: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    for bad in BAD_VALUES:
        body = {**good, name: bad}
        if bad is MISSING:
            del body[name]
        yield body


def _filled(value: Any, real: dict[str, str]) -> Any:
    """A copy with the real ids in it."""
    if isinstance(value, dict):
        return {name: _filled(item, real) for name, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, real) for item in value]
    return real.get(value, value) if isinstance(value, str) else value
