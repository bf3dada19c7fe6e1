"""Params and tags of runs: log-parameter, set-tag, delete-tag."""

from __future__ import annotations

from differential.pair import Pair
from differential.steps import ODD_STRINGS, create_experiment, create_run

KEYS = [
    *ODD_STRINGS,
    *("a" * 250, "a" * 251, "a/b", "/a", "a//b", "a/", "../a", "./a", ".", "..", "a.b-c d:e", "a$b", "a=b", "a\nb", "`a`"),
    *("C:/a", "~", "a\\b", "ключ"),
]
# What both store, so that both read back the same; test_nul.py has the rest.
STORABLE = [value for value in ODD_STRINGS if value != "a\x00b"]


def test_params(pair: Pair) -> None:
    run = create_run(pair, create_experiment(pair))
    for key in KEYS:
        pair.post("runs/log-parameter", {"run_id": run, "key": key, "value": "v"})
    pair.get("runs/get", run_id=run)
    run = create_run(pair, create_experiment(pair))
    for number, value in enumerate((*STORABLE, "v" * 6000, "v" * 6001, "v" * 9000, "a\nb")):
        pair.post("runs/log-parameter", {"run_id": run, "key": f"key{number}", "value": value})
    pair.post("runs/log-parameter", {"run_id": run, "key": "without value"})
    pair.post("runs/log-parameter", {"run_id": run, "value": "without key"})
    pair.get("runs/get", run_id=run)


def test_params_are_not_overwritten(pair: Pair) -> None:
    run = create_run(pair, create_experiment(pair))
    for value in ("1", "1", "2", "", 1):
        pair.post("runs/log-parameter", {"run_id": run, "key": "p", "value": value})
    for value in ("", "", "x"):
        pair.post("runs/log-parameter", {"run_id": run, "key": "empty", "value": value})
    pair.get("runs/get", run_id=run)


def test_set_tag(pair: Pair) -> None:
    run = create_run(pair, create_experiment(pair))
    for key in KEYS:
        pair.post("runs/set-tag", {"run_id": run, "key": key, "value": "v"})
    pair.get("runs/get", run_id=run)
    for number, value in enumerate((*STORABLE, "v" * 8000, "v" * 8001, "a\nb")):
        pair.post("runs/set-tag", {"run_id": run, "key": f"key{number}", "value": value})
    pair.post("runs/set-tag", {"run_id": run, "key": "without value"})
    pair.post("runs/set-tag", {"run_id": run, "value": "without key"})
    for value in ("1", "2", "2"):
        pair.post("runs/set-tag", {"run_id": run, "key": "changed", "value": value})
    pair.get("runs/get", run_id=run)


def test_delete_tag(pair: Pair) -> None:
    run = create_run(pair, create_experiment(pair), tags=[{"key": "a", "value": "1"}, {"key": "b", "value": "2"}])
    for key in ("a", "a", "unknown", *ODD_STRINGS, "mlflow.runName"):
        pair.post("runs/delete-tag", {"run_id": run, "key": key})
    pair.post("runs/delete-tag", {"run_id": run})
    pair.get("runs/get", run_id=run)


def test_system_tags(pair: Pair) -> None:
    run = create_run(pair, create_experiment(pair))
    for key in ("mlflow.parentRunId", "mlflow.source.name", "mlflow.user", "mlflow.log-model.history", "mlflow.note.content"):
        pair.post("runs/set-tag", {"run_id": run, "key": key, "value": "value"})
    pair.get("runs/get", run_id=run)
