"""Runs: create, get, update, delete, restore."""

from __future__ import annotations

from typing import Any

from differential.pair import Pair
from differential.steps import (
    ODD_INTEGERS,
    ODD_STRINGS,
    UNKNOWN_EXPERIMENT,
    UNKNOWN_RUN,
    create_experiment,
    create_run,
)

ODD_RUN_IDS: list[Any] = [*ODD_STRINGS, UNKNOWN_RUN, UNKNOWN_RUN.upper(), "x" * 32, "a" * 33, "a" * 256, "a" * 257, "../x"]
STATUSES: list[Any] = [
    *("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED", "finished", "UNKNOWN", "", None),
    *(1, 2, 3, 4, 5, 0, 6, "3", 1.5, True, [], {}),
]


def test_create_and_read(pair: Pair) -> None:
    experiment = create_experiment(pair)
    created = pair.post(
        "runs/create",
        {
            "experiment_id": experiment,
            "user_id": "ü ser",
            "run_name": "a name",
            "start_time": 1234567,
            "tags": [{"key": "a", "value": "1"}, {"key": "mlflow.user", "value": "someone"}],
        },
    )
    pair.get("runs/get", run_id=created.ref("run.info.run_id"))
    pair.get("runs/get", run_uuid=created.ref("run.info.run_uuid"))
    bare = pair.post("runs/create", {"experiment_id": experiment}).ref("run.info.run_id")
    pair.get("runs/get", run_id=bare)
    pair.post("runs/create", {"experimentId": experiment, "startTime": "77", "runName": "camel"})
    pair.post("runs/create", {"experiment_id": experiment, "start_time": 0})


def test_run_names(pair: Pair) -> None:
    experiment = create_experiment(pair)
    tag = {"key": "mlflow.runName", "value": "from the tag"}
    for fields in (
        *({"run_name": "same", "tags": [{"key": "mlflow.runName", "value": "same"}]}, {"tags": [tag]}),
        *({"run_name": "other", "tags": [tag]}, {"run_name": "", "tags": [tag]}, {"run_name": " "}),
        *({"run_name": "x" * 250}, {"run_name": "x" * 251}, {"run_name": "x" * 5000}, {"run_name": "x" * 5001}),
        *({"tags": [{"key": "mlflow.runName", "value": ""}]}, {"tags": [tag, tag]}),
    ):
        created = pair.post("runs/create", {"experiment_id": experiment, "start_time": 5, **fields})
        if created.succeeded():
            pair.get("runs/get", run_id=created.ref("run.info.run_id"))


def test_create_with_bad_fields(pair: Pair) -> None:
    experiment = create_experiment(pair)
    for identifier in (UNKNOWN_EXPERIMENT, "abc", "-1", 31, 1.5, True, [], {}, "9" * 30):
        pair.post("runs/create", {"experiment_id": identifier, "start_time": 1})
    for field in ("run_name", "user_id"):
        for value in ODD_STRINGS:
            pair.post("runs/create", {"experiment_id": experiment, "start_time": 1, field: value})
    for value in ODD_INTEGERS:
        pair.post("runs/create", {"experiment_id": experiment, "start_time": value})
    pair.post("runs/create", {"experiment_id": experiment, "user_id": "u" * 256, "start_time": 1})
    pair.post("runs/create", {"experiment_id": experiment, "user_id": "u" * 257, "start_time": 1})


def test_create_with_bad_tags(pair: Pair) -> None:
    experiment = create_experiment(pair)
    for tags in (
        *(None, [], {}, "abc", [{}], [{"key": "a"}], [{"value": "a"}], [{"key": "", "value": "a"}], [None]),
        *([{"key": 3, "value": 4}], [{"key": "a", "value": None}], [{"key": "a" * 250, "value": "b"}]),
        *([{"key": "a" * 251, "value": "b"}], [{"key": "a", "value": "b" * 8000}], [{"key": "a", "value": "b" * 8001}]),
        *([{"key": "a//b", "value": "b"}], [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]),
        [{"key": f"key{number:03}", "value": "v"} for number in range(101)],
    ):
        created = pair.post("runs/create", {"experiment_id": experiment, "start_time": 1, "tags": tags})
        if created.succeeded():
            pair.get("runs/get", run_id=created.ref("run.info.run_id"))


def test_get_with_bad_ids(pair: Pair) -> None:
    for identifier in ODD_RUN_IDS:
        if isinstance(identifier, str):
            pair.get("runs/get", run_id=identifier)
            pair.get("runs/get", run_uuid=identifier)
    pair.get("runs/get")
    pair.get("runs/get", runId=UNKNOWN_RUN)
    run = create_run(pair, create_experiment(pair))
    pair.get("runs/get", run_id=[run, UNKNOWN_RUN])
    pair.get("runs/get", run_id=UNKNOWN_RUN, run_uuid=run)
    pair.get("runs/get", run_id="", run_uuid=run)


def test_body_of_a_get(pair: Pair) -> None:
    run = create_run(pair, create_experiment(pair))
    path = f"{pair.prefix}/2.0/mlflow/runs/get"
    pair.send("GET", path, body={"run_id": run})
    pair.send("GET", path, body={"run_id": run}, query=(("unknown", "x"),))
    pair.send("GET", path, headers=(("Content-Type", "text/plain"),))


def test_update(pair: Pair) -> None:
    run = create_run(pair, create_experiment(pair), run_name="first")
    pair.post("runs/update", {"run_id": run, "status": "FINISHED", "end_time": 99, "run_name": "second"})
    pair.get("runs/get", run_id=run)
    for status in STATUSES:
        run = create_run(pair, create_experiment(pair))
        pair.post("runs/update", {"run_id": run, "status": status})
    for end_time in ODD_INTEGERS:
        run = create_run(pair, create_experiment(pair))
        if pair.post("runs/update", {"run_id": run, "end_time": end_time}).succeeded():
            pair.get("runs/get", run_id=run)


def test_update_names(pair: Pair) -> None:
    run = create_run(pair, create_experiment(pair), run_name="first")
    for name in ("", " ", "ü 🚀", None, "x" * 250, "x" * 251, "x" * 8001, "third"):
        pair.post("runs/update", {"run_id": run, "run_name": name})
    pair.get("runs/get", run_id=run)
    for name in ODD_STRINGS:
        pair.post("runs/update", {"run_id": create_run(pair, create_experiment(pair)), "run_name": name})
    pair.post("runs/update", {"run_id": run})
    pair.post("runs/update", {"run_uuid": run, "run_name": "by uuid"})
    pair.post("runs/update", {"runId": run, "runName": "camel"})
    pair.get("runs/get", run_id=run)
    pair.post("runs/set-tag", {"run_id": run, "key": "mlflow.runName", "value": "by the tag"})
    pair.get("runs/get", run_id=run)


def test_update_with_bad_ids(pair: Pair) -> None:
    for identifier in ODD_RUN_IDS:
        pair.post("runs/update", {"run_id": identifier, "status": "FINISHED"})
    pair.post("runs/update", {"status": "FINISHED"})
    pair.post("runs/update")


def test_delete_and_restore(pair: Pair) -> None:
    run = create_run(pair, create_experiment(pair))
    for route in ("runs/restore", "runs/delete", "runs/delete"):
        pair.post(route, {"run_id": run})
        pair.get("runs/get", run_id=run)
    for route, fields in WRITES.items():
        pair.post(route, {"run_id": run, **fields})
    for route in ("runs/restore", "runs/restore"):
        pair.post(route, {"run_id": run})
        pair.get("runs/get", run_id=run)


def test_delete_and_restore_with_bad_ids(pair: Pair) -> None:
    for identifier in ODD_RUN_IDS:
        pair.post("runs/delete", {"run_id": identifier})
        pair.post("runs/restore", {"run_id": identifier})
    run = create_run(pair, create_experiment(pair))
    pair.post("runs/delete", {"run_uuid": run})
    pair.post("runs/restore", {"run_uuid": run})


def test_writes_to_unknown_runs(pair: Pair) -> None:
    for route, fields in WRITES.items():
        for identifier in (UNKNOWN_RUN, "", None, 31, "a" * 300):
            pair.post(route, {"run_id": identifier, **fields})
        pair.post(route, fields)


def test_writes_by_uuid(pair: Pair) -> None:
    run = create_run(pair, create_experiment(pair))
    for route, fields in WRITES.items():
        pair.post(route, {"run_uuid": run, **fields})
    pair.get("runs/get", run_id=run)


METRIC = {"key": "m", "value": 1, "timestamp": 1, "step": 0}
DATASET = {"dataset": {"name": "d", "digest": "1", "source_type": "local", "source": "s"}}
WRITES: dict[str, dict[str, Any]] = {
    "runs/log-metric": METRIC,
    "runs/log-parameter": {"key": "p", "value": "1"},
    "runs/set-tag": {"key": "t", "value": "1"},
    "runs/delete-tag": {"key": "t"},
    "runs/log-batch": {"metrics": [METRIC], "params": [{"key": "q", "value": "1"}], "tags": []},
    "runs/log-inputs": {"datasets": [DATASET]},
    "runs/outputs": {"models": []},
    "runs/update": {"run_name": "new name"},
    "runs/log-model": {
        "model_json": '{"artifact_path": "m", "flavors": {}, "utc_time_created": "2024-01-01", "run_id": "r"}'
    },
}
