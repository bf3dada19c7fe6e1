"""Model versions: create, get, update, stages, delete, tags, download."""

from __future__ import annotations

from typing import Any

from differential.pair import Pair
from differential.registry_steps import ODD_TEXTS, SOURCE, STAGES, create_registered_model, create_version, move, set_alias, show
from differential.steps import ODD_STRINGS, UNKNOWN_MODEL, UNKNOWN_RUN, create_experiment, create_model, create_run
from differential.test_registry_models import TAGS

VERSIONS: list[Any] = ["0", "-1", "2", "abc", "1.0", " 1 ", "+1", "01", "1e0", "", None, 1, 1.5, True, [], {}, "2147483647", "9" * 30]


def test_create_and_read(pair: Pair) -> None:
    run = create_run(pair, create_experiment(pair))
    name = create_registered_model(pair)
    first = create_version(pair, name)
    tags = [{"key": "a", "value": "1"}, {"key": "b", "value": "ü"}]
    second = create_version(pair, name, run_id=run, run_link="http://link", description="what it is", tags=tags)
    pair.post("model-versions/create", {"name": name, "source": SOURCE, "runId": run, "runLink": "x", "modelId": ""})
    show(pair, name, first, second)
    for query in ({"name": name}, {"version": "1"}, {}, {"name": name, "version": ""}, {"name": "", "version": "1"}):
        pair.get("model-versions/get", **query)
    pair.get("model-versions/get", name=pair.name(), version="1")


def test_create_with_bad_fields(pair: Pair) -> None:
    name = create_registered_model(pair)
    for field in ("run_id", "run_link", "description", "model_id"):
        for value in (*ODD_STRINGS, UNKNOWN_RUN, "x" * 32, "x" * 33, "x" * 500, "x" * 501, "x" * 5001):
            if field != "model_id" or value in (None, "") or not isinstance(value, str):
                pair.post("model-versions/create", {"name": create_registered_model(pair), "source": SOURCE, field: value})
    for tags in TAGS:
        name = create_registered_model(pair)
        created = pair.post("model-versions/create", {"name": name, "source": SOURCE, "tags": tags})
        if created.succeeded():
            pair.get("model-versions/get", name=name, version=created.ref("model_version.version"))
    long_text = [{"key": "mlflow.prompt.text", "value": "x" * 100_001}]
    pair.post("model-versions/create", {"name": name, "source": SOURCE, "tags": long_text})
    for value in (*ODD_STRINGS, pair.name()):
        pair.post("model-versions/create", {"name": value, "source": SOURCE})
    pair.post("model-versions/create", {"name": name})
    pair.post("model-versions/create", {"source": SOURCE})
    pair.post("model-versions/create")


def test_numbers_are_not_used_again(pair: Pair) -> None:
    name = create_registered_model(pair)
    versions = [create_version(pair, name) for _ in range(3)]
    for version in (versions[2], versions[0]):
        pair.delete("model-versions/delete", {"name": name, "version": version})
    create_version(pair, name)
    pair.get("model-versions/search", filter=f"name = '{name}'", order_by=["version_number"])


def test_of_a_logged_model(pair: Pair) -> None:
    experiment = create_experiment(pair)
    run = create_run(pair, experiment)
    model = create_model(pair, experiment, source_run_id=run)
    for body in (
        {"model_id": model},
        {"model_id": model, "run_id": UNKNOWN_RUN},
        {"model_id": UNKNOWN_MODEL, "run_id": run},
        {"model_id": UNKNOWN_MODEL},
        {"source": f"models:/{model}"},
        {"source": f"models:/{model}", "model_id": model},
        {"source": f"models:/{UNKNOWN_MODEL}"},
    ):
        name = create_registered_model(pair)
        created = pair.post("model-versions/create", {"name": name, "source": SOURCE, **body})
        if created.succeeded():
            version = created.ref("model_version.version")
            pair.get("model-versions/get", name=name, version=version)
            pair.get("model-versions/get-download-uri", name=name, version=version)
    pair.get(f"logged-models/{model}")
    other = create_registered_model(pair, f"{pair.name()} ü\"")
    create_version(pair, other, model_id=model)
    pair.get(f"logged-models/{model}")
    pair.delete(f"logged-models/{model}")
    pair.post("model-versions/create", {"name": name, "source": f"models:/{model}"})


def test_copies(pair: Pair) -> None:
    name, copy = create_registered_model(pair), create_registered_model(pair)
    version = create_version(pair, name)
    copied = create_version(pair, copy, source=f"models:/{name}/{version}")
    again = create_version(pair, copy, source=f"models:/{copy}/{copied}")
    set_alias(pair, name, "champion", version)
    for one in (copied, again):
        pair.get("model-versions/get-download-uri", name=copy, version=one)
    for source in (
        *(f"models:/{name}/2", f"models:/{pair.name()}/1", f"models:/{name}/latest", f"models:/{name}/Production"),
        *(f"models:/{name}@champion", f"models:/{name}", "models:/", "models:/a/b/c", "models:a", f"models:/{name}/", "models:/ /1"),
    ):
        pair.post("model-versions/create", {"name": copy, "source": source})
    pair.delete("model-versions/delete", {"name": name, "version": version})
    pair.get("model-versions/get-download-uri", name=copy, version=copied)
    pair.post("model-versions/create", {"name": copy, "source": f"models:/{name}/{version}"})


def test_update(pair: Pair) -> None:
    name = create_registered_model(pair)
    version = create_version(pair, name, description="first")
    for value in ("second", "", *ODD_TEXTS, "x" * 5001):
        pair.patch("model-versions/update", {"name": name, "version": version, "description": value})
        pair.get("model-versions/get", name=name, version=version)
    pair.patch("model-versions/update", {"name": name, "version": version})
    show(pair, name, version)
    for bad in VERSIONS:
        pair.patch("model-versions/update", {"name": name, "version": bad, "description": "x"})
    pair.patch("model-versions/update", {"name": pair.name(), "version": "1", "description": "x"})


def test_stages(pair: Pair) -> None:
    name = create_registered_model(pair)
    versions = [create_version(pair, name) for _ in range(3)]
    for stage in (*STAGES, "production", "STAGING", "none", "Deleted_Internal", "unknown", "", None, 3, []):
        move(pair, name, versions[0], stage)
        show(pair, name, versions[0])
    for stage in STAGES:
        move(pair, name, versions[1], stage)
        move(pair, name, versions[2], stage, archive=True)
        show(pair, name, *versions)
    for archive in (None, "true", "x", 1, 0, [], True):
        move(pair, name, versions[0], "Production", archive=archive)
    show(pair, name, *versions)
    move(pair, name, "99", "Production", archive=True)
    show(pair, name, *versions)
    for bad in VERSIONS:
        move(pair, name, bad, "Staging")
        move(pair, name, bad, "unknown")
    pair.post("model-versions/transition-stage", {"name": name, "version": versions[0]})
    move(pair, pair.name(), "1", "Production")


def test_delete(pair: Pair) -> None:
    run = create_run(pair, create_experiment(pair))
    name = create_registered_model(pair)
    versions = [create_version(pair, name, run_id=run, tags=[{"key": "t", "value": "1"}]) for _ in range(2)]
    move(pair, name, versions[1], "Production")
    pair.delete("model-versions/delete", {"name": name, "version": versions[1]})
    show(pair, name, *versions)
    gone = {"name": name, "version": versions[1]}
    pair.delete("model-versions/delete", gone)
    pair.patch("model-versions/update", {**gone, "description": "x"})
    move(pair, name, versions[1], "Staging")
    move(pair, name, versions[1], "Staging", archive=True)
    pair.post("model-versions/set-tag", {**gone, "key": "a", "value": "1"})
    pair.delete("model-versions/delete-tag", {**gone, "key": "t"})
    pair.get("model-versions/get-download-uri", **gone)
    pair.get("registered-models/get-latest-versions", name=name)
    pair.get("model-versions/search", filter=f"run_id = '{run}'")
    for bad in VERSIONS:
        pair.delete("model-versions/delete", {"name": name, "version": bad})
        create_version(pair, name)
    pair.delete("model-versions/delete", {"name": name})
    pair.delete("model-versions/delete", {"name": pair.name(), "version": "1"})


def test_tags(pair: Pair) -> None:
    name = create_registered_model(pair)
    version = create_version(pair, name, tags=[{"key": "first", "value": "1"}])
    at = {"name": name, "version": version}
    for tag in [tag for tags in TAGS if isinstance(tags, list) for tag in tags if isinstance(tag, dict)]:
        pair.post("model-versions/set-tag", {**at, **tag})
    pair.post("model-versions/set-tag", {**at, "key": "first", "value": "2"})
    pair.post("model-versions/set-tag", {**at, "key": "mlflow.prompt.text", "value": "x" * 100_001})
    show(pair, name, version)
    for key in ("first", "first", "unknown", "", None, 3, "a//b", "d" * 251):
        pair.delete("model-versions/delete-tag", {**at, "key": key})
    show(pair, name, version)
    for bad in VERSIONS:
        pair.post("model-versions/set-tag", {"name": name, "version": bad, "key": "a", "value": "1"})
        pair.delete("model-versions/delete-tag", {"name": name, "version": bad, "key": "a"})
    for body in ({"name": pair.name(), "version": "1", "key": "a//b", "value": "1"}, {"version": "1", "key": "a"}, at, {}):
        pair.post("model-versions/set-tag", body)
        pair.delete("model-versions/delete-tag", body)


def test_download_uri(pair: Pair) -> None:
    name = create_registered_model(pair)
    version = create_version(pair, name)
    pair.get("model-versions/get-download-uri", name=name, version=version)
    for bad in ("", "2", "abc", " 1 ", "01"):
        pair.get("model-versions/get-download-uri", name=name, version=bad)
    for query in ({}, {"name": name}, {"version": "1"}, {"name": "", "version": "1"}, {"name": pair.name(), "version": "1"}):
        pair.get("model-versions/get-download-uri", **query)


def test_get_artifact(pair: Pair) -> None:
    experiment = create_experiment(pair)
    run = create_run(pair, experiment)
    root = pair.get("runs/get", run_id=run).ref("run.info.artifact_uri")
    path = pair.get("artifacts/list", run_id=run).ref("root_uri").strip()
    assert path
    pair.send("POST", "/ajax-api/2.0/mlflow/upload-artifact", (("run_uuid", run), ("path", "model/MLmodel")), b"flavors: {}")
    pair.send("POST", "/ajax-api/2.0/mlflow/upload-artifact", (("run_uuid", run), ("path", "model/data/a b.bin")), b"\x00\x01")
    name = create_registered_model(pair)
    version = create_version(pair, name, source=f"{root}/model", run_id=run)
    copy = create_version(pair, name, source=f"models:/{name}/{version}")
    for one in (version, copy):
        for file in ("MLmodel", "data/a b.bin", "data", "unknown", "", ".", "..", "../model/MLmodel", "%2e%2e/x", "/etc/passwd", "a\x00b"):
            pair.send("GET", "/model-versions/get-artifact", (("name", name), ("version", one), ("path", file)))
    for query in (
        (("name", name), ("version", version)),
        (("name", name), ("path", "MLmodel")),
        (("version", version), ("path", "MLmodel")),
        (("name", pair.name()), ("version", version), ("path", "MLmodel")),
        (("name", name), ("version", "9"), ("path", "MLmodel")),
        (("name", name), ("version", "abc"), ("path", "MLmodel")),
        (),
    ):
        pair.send("GET", "/model-versions/get-artifact", query)
