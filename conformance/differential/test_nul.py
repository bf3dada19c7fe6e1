"""NUL (U+0000) in texts: Ferroflow refuses it on both engines alike, wherever it stands, and stores nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from differential.pair import Exchange, Pair
from differential.steps import create_experiment, create_model, create_run, dataset
from fleet import Fleet

NUL = "a\x00b"
PAIR = {"key": "k", "value": NUL}
Refused = Callable[[Exchange, str], None]


@pytest.fixture
def refused(fleet: Fleet) -> Refused:
    """Checks that Ferroflow refuses a call, also where the official server does so with other words."""

    def check(exchange: Exchange, what: str) -> None:
        answer = exchange.candidate
        expected = (400, "INVALID_PARAMETER_VALUE")
        is_ours = fleet.candidate_kind == "ferroflow"
        assert not is_ours or (answer.status, answer.json().get("error_code")) == expected, f"{what}: {answer.body!r}"

    return check


def test_nul_in_messages(pair: Pair, refused: Refused) -> None:
    experiment = create_experiment(pair)
    run, model = create_run(pair, experiment), create_model(pair, experiment)
    of_run, of_experiment = {"run_id": run}, {"experiment_id": experiment}
    metric = {"key": "m", "value": 1, "timestamp": 1}
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "experiments/create", {"name": NUL + pair.name()}),
        ("POST", "experiments/create", {"name": pair.name(), "artifact_location": f"/{NUL}"}),
        ("POST", "experiments/create", {"name": pair.name(), "tags": [PAIR]}),
        ("POST", "experiments/update", {**of_experiment, "new_name": NUL + pair.name()}),
        ("POST", "experiments/set-experiment-tag", {**of_experiment, **PAIR}),
        ("POST", "experiments/delete-experiment-tag", {**of_experiment, "key": NUL}),
        ("POST", "experiments/search", {"filter": f"name = '{NUL}'", "max_results": 1}),
        ("POST", "runs/create", {**of_experiment, "user_id": NUL}),
        ("POST", "runs/create", {**of_experiment, "run_name": NUL}),
        ("POST", "runs/create", {**of_experiment, "tags": [PAIR]}),
        ("POST", "runs/update", {**of_run, "run_name": NUL}),
        *(("POST", f"runs/{verb}", {"run_id": NUL}) for verb in ("delete", "restore", "update")),
        ("POST", "runs/log-metric", {**of_run, **metric, "key": NUL}),
        ("POST", "runs/log-metric", {**of_run, **metric, "dataset_name": NUL, "dataset_digest": "1"}),
        ("POST", "runs/log-parameter", {**of_run, **PAIR}),
        ("POST", "runs/set-tag", {**of_run, **PAIR}),
        ("POST", "runs/delete-tag", {**of_run, "key": NUL}),
        ("POST", "runs/log-batch", {**of_run, "params": [{"key": "ok", "value": "1"}, PAIR]}),
        ("POST", "runs/log-batch", {**of_run, "metrics": [metric], "tags": [PAIR]}),
        ("POST", "runs/log-inputs", {**of_run, "datasets": [dataset("d", "1", profile=NUL)]}),
        ("POST", "runs/log-inputs", {**of_run, "models": [{"model_id": NUL}]}),
        ("POST", "runs/outputs", {**of_run, "models": [{"model_id": NUL, "step": 1}]}),
        ("POST", "runs/search", {"experiment_ids": [experiment], "filter": f"params.k = '{NUL}'"}),
        ("POST", "logged-models", {**of_experiment, "name": NUL}),
        ("POST", "logged-models", {**of_experiment, "params": [PAIR]}),
        ("POST", f"logged-models/{model}/params", {"model_id": model, "params": [PAIR]}),
        ("PATCH", f"logged-models/{model}/tags", {"model_id": model, "tags": [PAIR]}),
        ("POST", "logged-models/search", {"experiment_ids": [experiment], "filter": f"name = '{NUL}'"}),
    ]
    for method, route, body in calls:
        refused(pair.post(route, body) if method == "POST" else pair.patch(route, body), f"{route} {body}")


def test_nul_in_queries_and_paths(pair: Pair, refused: Refused) -> None:
    base = f"{pair.prefix}/2.0/mlflow"
    for target in (
        *("experiments/get-by-name?experiment_name=%00", "runs/get?run_id=a%00", "metrics/get-history?run_id=%00&metric_key=m"),
        *("metrics/get-history-bulk-interval?run_ids=%00&metric_key=m", "artifacts/list?run_id=%00", "logged-models/%00"),
        "logged-models/%00/artifacts/directories",
    ):
        refused(pair.send("GET", f"{base}/{target}"), target)
    for target in ("/get-artifact?run_id=%00&path=a", "/ajax-api/2.0/mlflow/metrics/get-history-bulk?run_id=%00&metric_key=m"):
        refused(pair.send("GET", target), target)
    refused(pair.send("POST", "/ajax-api/2.0/mlflow/upload-artifact?run_uuid=%00&path=a", body=b"x"), "upload-artifact")
    for target in ("logged-models/%00", "logged-models/%00/tags/a", "logged-models/a/tags/%00"):
        refused(pair.send("DELETE", f"{base}/{target}"), target)
