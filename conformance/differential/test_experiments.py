"""Experiments: create, get, get-by-name, update, delete, restore, tags."""

from __future__ import annotations

from typing import Any

from differential.pair import Pair
from differential.steps import (
    MAX_INT64,
    ODD_STRINGS,
    UNKNOWN_EXPERIMENT,
    create_experiment,
    create_run,
)

ODD_IDS: list[Any] = [
    *(None, "", UNKNOWN_EXPERIMENT, "abc", "-1", " ", "1.5", 31, 1.5, True, [], ["1"], {}),
    *(str(MAX_INT64), str(MAX_INT64 + 1), "0x10", "१२", "1_0", "a" * 600),
]
BY_ID = ("experiments/delete", "experiments/restore", "experiments/update", "experiments/set-experiment-tag")


def test_create_and_read(pair: Pair) -> None:
    name = pair.name("Ünïcode 漢字 %' \"name\"")
    tags = [{"key": "a", "value": "1"}, {"key": "empty", "value": ""}, {"key": "mlflow.note.content", "value": "ü\n"}]
    experiment = pair.post("experiments/create", {"name": name, "tags": tags}).ref("experiment_id")
    pair.get("experiments/get", experiment_id=experiment)
    pair.get("experiments/get-by-name", experiment_name=name)
    plain = create_experiment(pair)
    pair.get("experiments/get", experiment_id=plain)
    pair.get("experiments/get", experiment_id=plain, unknown="ignored")


def test_create_with_camel_case_and_unknown_fields(pair: Pair) -> None:
    body = {"name": pair.name(), "artifactLocation": "s3://bucket/path", "unknown": {"a": [1]}}
    experiment = pair.post("experiments/create", body).ref("experiment_id")
    pair.get("experiments/get", experiment_id=experiment)
    pair.post("experiments/update", {"experimentId": experiment, "newName": pair.name("camel")})
    pair.get("experiments/get", experimentId=experiment)


def test_artifact_locations(pair: Pair) -> None:
    for location in (
        *("s3://bucket/a/b", "wasbs://c@a.blob.core.windows.net/p", "gs://b/p?x=1", "hdfs://h:80/p", "mlflow-artifacts:/x"),
        *("mlflow-artifacts:/x#frag", "s3://b/p#f", "s3://b/p;params", "http://h/p;p=1", "http:///#/../../etc/"),
        *("s3://b/p?../../x", "s3://b/p?a=..%2f", "s3://b/p?a=%252e%252e/", "", " ", "dbfs:/x?a=/etc"),
        "s3://bucket/" + "a" * 300,
    ):
        created = pair.post("experiments/create", {"name": pair.name(), "artifact_location": location})
        if created.succeeded():
            experiment = created.ref("experiment_id")
            pair.get("experiments/get", experiment_id=experiment)
            create_run(pair, experiment)


def test_create_with_bad_names(pair: Pair) -> None:
    for name in ODD_STRINGS:
        pair.post("experiments/create", {"name": name})
    for length in (256, 257, 499, 500, 501, 5000):
        pair.post("experiments/create", {"name": (pair.name("x") + "x" * length)[:length]})
    pair.post("experiments/create", {})
    pair.post("experiments/create")
    for location in (31, None, [], {}, True):
        pair.post("experiments/create", {"name": pair.name(), "artifact_location": location})


def test_create_with_bad_tags(pair: Pair) -> None:
    for tags in (
        *(None, [], {}, "abc", 3, ["a"], [{}], [{"key": "a"}], [{"value": "a"}], [{"key": "", "value": "a"}]),
        *([{"key": 3, "value": 4}], [{"key": "a", "value": None}], [{"key": None, "value": "a"}], [None]),
        *([{"key": "a", "value": "1"}, {"key": "a", "value": "2"}], {"key": "a", "value": "b"}),
        *([{"key": "a" * 250, "value": "b"}], [{"key": "a" * 251, "value": "b"}], [{"key": "a//b", "value": "b"}]),
        *([{"key": "a", "value": "b" * 5000}], [{"key": "a", "value": "b" * 5001}], [{"key": "../a", "value": "b"}]),
    ):
        created = pair.post("experiments/create", {"name": pair.name(), "tags": tags})
        if created.succeeded():
            pair.get("experiments/get", experiment_id=created.ref("experiment_id"))


def test_duplicate_names(pair: Pair) -> None:
    name = pair.name()
    experiment = pair.post("experiments/create", {"name": name}).ref("experiment_id")
    pair.post("experiments/create", {"name": name})
    pair.post("experiments/delete", {"experiment_id": experiment})
    pair.post("experiments/create", {"name": name})
    other = create_experiment(pair)
    pair.post("experiments/update", {"experiment_id": other, "new_name": name})
    pair.get("experiments/get", experiment_id=other)


def test_bad_ids(pair: Pair) -> None:
    for identifier in ODD_IDS:
        for route in BY_ID:
            pair.post(route, {"experiment_id": identifier, "new_name": pair.name(), "key": "k", "value": "v"})
        if isinstance(identifier, str):
            pair.get("experiments/get", experiment_id=identifier)
    for route in BY_ID:
        pair.post(route, {"new_name": pair.name(), "key": "k", "value": "v"})
        pair.post(route)
    pair.get("experiments/get")


def test_get_by_name(pair: Pair) -> None:
    for name in ("no such name", "", " ", "a" * 600, "Default", "default", "%", "ü", "a\x00b"):
        pair.get("experiments/get-by-name", experiment_name=name)
    pair.get("experiments/get-by-name")
    pair.get("experiments/get-by-name", experiment_name=["Default", "two"])


def test_update(pair: Pair) -> None:
    experiment = create_experiment(pair)
    for name in (*ODD_STRINGS, "x" * 500, "x" * 501):
        new_name = f"{name}{pair.token}" if isinstance(name, str) and len(name) > 1 else name
        pair.post("experiments/update", {"experiment_id": experiment, "new_name": new_name})
    pair.post("experiments/update", {"experiment_id": experiment})
    pair.get("experiments/get", experiment_id=experiment)
    pair.post("experiments/update", {"experiment_id": experiment, "new_name": pair.name("renamed")})
    pair.get("experiments/get", experiment_id=experiment)


def test_delete_and_restore(pair: Pair) -> None:
    experiment = create_experiment(pair)
    run = create_run(pair, experiment)
    deleted_before = create_run(pair, experiment, 2)
    pair.post("runs/delete", {"run_id": deleted_before})
    pair.post("experiments/restore", {"experiment_id": experiment})
    pair.post("experiments/delete", {"experiment_id": experiment})
    pair.post("experiments/delete", {"experiment_id": experiment})
    pair.get("experiments/get", experiment_id=experiment)
    for identifier in (run, deleted_before):
        pair.get("runs/get", run_id=identifier)
    pair.post("experiments/update", {"experiment_id": experiment, "new_name": pair.name()})
    pair.post("experiments/set-experiment-tag", {"experiment_id": experiment, "key": "a", "value": "b"})
    pair.post("runs/create", {"experiment_id": experiment})
    pair.post("logged-models", {"experiment_id": experiment})
    pair.post("runs/search", {"experiment_ids": [experiment], "run_view_type": "ALL"})
    pair.post("experiments/restore", {"experiment_id": experiment})
    pair.get("experiments/get", experiment_id=experiment)
    for identifier in (run, deleted_before):
        pair.get("runs/get", run_id=identifier)


def test_default_experiment(pair: Pair) -> None:
    pair.get("experiments/get", experiment_id="0")
    pair.post("runs/create", {})
    pair.post("runs/create", {"experiment_id": ""})


def test_tags(pair: Pair) -> None:
    experiment = create_experiment(pair)
    for key in (*ODD_STRINGS, "a" * 250, "a" * 251, "a/b", "/a", "a//b", "../a", ".", "a.b-c d:e", "a$b", "a=b"):
        pair.post("experiments/set-experiment-tag", {"experiment_id": experiment, "key": key, "value": "v"})
    for value in (*ODD_STRINGS, "b" * 5000, "b" * 5001, "a\nb"):
        pair.post("experiments/set-experiment-tag", {"experiment_id": experiment, "key": "k", "value": value})
    pair.post("experiments/set-experiment-tag", {"experiment_id": experiment, "key": "without value"})
    pair.get("experiments/get", experiment_id=experiment)


def test_delete_tag(pair: Pair) -> None:
    experiment = create_experiment(pair, tags=[{"key": "a", "value": "1"}, {"key": "b", "value": "2"}])
    for key in ("a", "a", "unknown", *ODD_STRINGS):
        pair.post("experiments/delete-experiment-tag", {"experiment_id": experiment, "key": key})
    pair.get("experiments/get", experiment_id=experiment)
    pair.post("experiments/delete-experiment-tag", {"experiment_id": UNKNOWN_EXPERIMENT, "key": "a"})
    pair.post("experiments/delete-experiment-tag", {"key": "a"})
    pair.post("experiments/delete", {"experiment_id": experiment})
    pair.post("experiments/delete-experiment-tag", {"experiment_id": experiment, "key": "b"})
