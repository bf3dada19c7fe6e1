"""`ferroflow gc` where artifacts are in a cloud: what is deleted goes, its neighbours stay, and no row goes before its files."""

from __future__ import annotations

import os
import subprocess

import pytest
from mlflow import MlflowClient

from fleet import Fleet
from object_stores import FOLDER, ObjectStores, Place
from servers import Server, ferroflow_binary

NOBODY = "0123456789abcdef0123456789abcdef"


@pytest.fixture(params=["azure", "s3", "gcs"])
def place(request: pytest.FixtureRequest, object_stores: ObjectStores, fleet: Fleet) -> Place:
    """A fresh container of each store."""
    if fleet.candidate_kind == "official":
        pytest.skip("a command of ours")
    return object_stores.place(request.param)


@pytest.fixture
def server(place: Place, fleet: Fleet) -> Server:
    """A server that keeps its artifacts there."""
    name = f"gc-{place.kind}-{place.container}"
    return fleet.start("ferroflow", name, fleet.database("sqlite", name), place.settings(), place.uri)


def test_files_and_rows_go_together(place: Place, server: Server) -> None:
    client = MlflowClient(server.url)
    experiment = client.create_experiment("live")
    # Straight in the container, as clients use it without a proxy; and a neighbour whose name begins alike.
    own = client.create_experiment("own", artifact_location=f"{place.root}/own")
    runs = {name: client.create_run(experiment).info.run_id for name in ("live", "dead")}
    runs["dead own"] = client.create_run(own).info.run_id
    dead = client.create_experiment("dead")
    runs["inner"] = client.create_run(dead).info.run_id
    client.delete_run(runs["dead"])
    client.delete_run(runs["dead own"])
    client.delete_experiment(dead)
    files = ("a.txt", "deep/er/b c.txt", "ünï.txt")
    for name, folder in (("live", experiment), ("dead", experiment), ("inner", dead)):
        for file in files:
            place.write(f"{FOLDER}/{folder}/{runs[name]}/artifacts/{file}")
    for file in files:
        place.write(f"own/{runs['dead own']}/artifacts/{file}")
    place.write(f"own/{runs['dead own']}x/artifacts/a.txt")
    place.write(f"{FOLDER}/{experiment}/{NOBODY}/artifacts/fresh.txt")

    done = _gc(place, server, "--dry-run")
    assert done.returncode == 0 and "3 runs, 1 experiment; 9 files, 9 bytes" in done.stdout, done.stdout + done.stderr
    assert len(place.names()) == 10
    done = _gc(place, server, "--orphans")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Deleted: 3 runs, 1 experiment; 9 files, 9 bytes." in done.stdout
    left = {f"{experiment}/{runs['live']}/artifacts/{file}" for file in files}
    # What nobody owns goes after a day.
    assert place.names() == left | {f"{experiment}/{NOBODY}/artifacts/fresh.txt"}
    assert place.names("own") == {f"{runs['dead own']}x/artifacts/a.txt"}
    assert _deleted_runs(client, experiment, own) == set()
    assert _gc(place, server).stdout == "Deleted: nothing; 0 files, 0 bytes. Kept: 0. Failed: 0.\n"


def test_rows_stay_while_their_files_cannot_be_reached(place: Place, server: Server) -> None:
    client = MlflowClient(server.url)
    experiment = client.create_experiment("e", artifact_location=f"{place.root.replace(place.container, 'missing')}/x")
    proxied = client.create_experiment("p")
    runs = [client.create_run(of).info.run_id for of in (experiment, proxied)]
    for run_id in runs:
        client.delete_run(run_id)
    done = _gc(place, server)
    assert done.returncode == 1 and f"Run {runs[0]} could not be deleted" in done.stderr, done.stderr
    assert "Failed: 1." in done.stdout
    assert _deleted_runs(client, experiment, proxied) == {runs[0]}
    assert not [secret for secret in place.secrets if secret in done.stdout + done.stderr]


def _deleted_runs(client: MlflowClient, *experiments: str) -> set[str]:
    found = client.search_runs(list(experiments), run_view_type=2)
    return {run.info.run_id for run in found}


def _gc(place: Place, server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "FERROFLOW_"))}
    stores = ("--backend-store-uri", server.backend_uri, "--artifacts-destination", place.uri)
    command = [str(ferroflow_binary()), "gc", *stores, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=inherited | place.environment)
