"""A store that cannot be used: the start, `/readyz` and each answer say what is the matter, and none shows a secret."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest

from faults import FaultyWay
from fleet import Fleet
from http_client import Answer, Connection, Request
from object_stores import ACCOUNT_KEY, S3_SECRET, ObjectStores, Place, connection_string
from ports import free_port
from servers import Server, ferroflow_binary, start_ferroflow
from writers import wait_until

PROXY = "/api/2.0/mlflow-artifacts/artifacts"
WRONG_KEY = base64.b64encode(bytes(range(64))).decode()
PATIENCE = 60.0


@pytest.fixture(autouse=True)
def ours(fleet: Fleet) -> None:
    """The official server asks its store for nothing at its start."""
    if fleet.candidate_kind == "official":
        pytest.skip("the official server does not look at its store")


@pytest.mark.parametrize("kind", ["azure", "s3", "gcs"])
def test_a_missing_container_ends_the_start(kind: str, object_stores: ObjectStores, tmp_path: Path) -> None:
    place = object_stores.place(kind)
    said = _refused_start(tmp_path, place.uri.replace(place.container, "no-such-one"), place.environment)
    assert "no-such-one" in said and "does not exist" in said
    assert not [secret for secret in place.secrets if secret in said]


def test_a_wrong_key_of_azure_ends_the_start(object_stores: ObjectStores, tmp_path: Path) -> None:
    place = object_stores.place("azure")
    said = _refused_start(tmp_path, place.uri, {"AZURE_STORAGE_CONNECTION_STRING": connection_string(place.port, WRONG_KEY)})
    # Azurite calls it AuthorizationFailure, which is a missing right; Azure itself AuthenticationFailed.
    assert "no valid credentials" in said or "AuthorizationFailure" in said
    assert place.container in said
    assert WRONG_KEY not in said and ACCOUNT_KEY not in said


def test_a_wrong_key_of_s3_ends_the_start(object_stores: ObjectStores, tmp_path: Path) -> None:
    place = object_stores.place("s3")
    strict = f"http://127.0.0.1:{object_stores.strict_s3()}"
    said = _refused_start(tmp_path, place.uri, {**place.environment, "MLFLOW_S3_ENDPOINT_URL": strict})
    assert "no valid credentials" in said and place.container in said and "AWS_ACCESS_KEY_ID" in said
    assert S3_SECRET not in said


def test_who_may_only_read_s3_is_told_at_the_start(object_stores: ObjectStores, tmp_path: Path) -> None:
    place = object_stores.strict_s3_of_a_reader()
    said = _refused_start(tmp_path, place.uri, place.environment)
    assert "readers" in said and "s3:PutObject" in said
    assert not [secret for secret in place.secrets if secret in said]


@pytest.mark.parametrize("before", ["AccountKey=", "", "AccountName=a;AccountKey=no base64 "])
def test_what_is_no_connection_string_is_not_repeated(before: str, object_stores: ObjectStores, tmp_path: Path) -> None:
    given = {"AZURE_STORAGE_CONNECTION_STRING": before + WRONG_KEY}
    said = _refused_start(tmp_path, object_stores.place("azure").uri, given)
    assert "AZURE_STORAGE_CONNECTION_STRING is no connection string" in said or "account key of the Azure storage" in said
    assert WRONG_KEY not in said


def test_a_store_that_comes_up_later(object_stores: ObjectStores, tmp_path: Path) -> None:
    place, port = object_stores.place("azure"), free_port()
    server = start_ferroflow(
        tmp_path, f"sqlite:///{tmp_path / 'mlflow.db'}", dict(place.through(port)), place.uri, probe="/livez"
    )
    wait_until(lambda: _send(server, "GET", "/readyz").json()["database"] == "ok", "the database is open")
    report = _send(server, "GET", "/readyz").json()
    # How much of it is known after so short a look depends on the machine.
    assert report.pop("artifacts") in ("does not answer", "cannot be connected to")
    assert report == {"ready": False, "database": "ok", "schema": "ok"}
    assert place.container in server.log()
    way = FaultyWay(place.port, port)
    wait_until(lambda: _send(server, "GET", "/readyz").status == 200, "ready")
    assert _send(server, "PUT", f"{PROXY}/a.txt", b"a").status == 200
    assert place.read("a.txt") == b"a"
    server.stop()
    way.close()
    assert ACCOUNT_KEY not in server.log()


@pytest.mark.parametrize("kind", ["azure", "s3"])
def test_a_container_that_is_deleted(kind: str, object_stores: ObjectStores, tmp_path: Path) -> None:
    place = object_stores.place(kind)
    server = start_ferroflow(tmp_path, f"sqlite:///{tmp_path / 'mlflow.db'}", place.environment, place.uri)
    place.delete()
    wait_until(lambda: _send(server, "GET", "/readyz").status == 503, "not ready")
    assert _send(server, "GET", "/readyz").json()["artifacts"] == "has no such container or bucket"
    for method, target, body in (
        ("PUT", f"{PROXY}/a.txt", b"a"),
        ("GET", f"{PROXY}/a.txt", None),
        ("GET", f"{PROXY}?path=a", None),
    ):
        answer = _send(server, method, target, body)
        assert answer.status >= 400 and answer.json()["message"].startswith("Artifact storage is missing: "), answer
        assert place.container in answer.json()["message"]
        assert not [secret for secret in place.secrets if secret.encode() in answer.body]
    server.stop()
    assert not [secret for secret in place.secrets if secret in server.log()]


def _refused_start(directory: Path, destination: str, environment: dict[str, str]) -> str:
    """What the server says when it ends instead of starting."""
    where = ("--backend-store-uri", f"sqlite:///{directory / 'mlflow.db'}", "--artifacts-destination", destination)
    done = subprocess.run(
        [ferroflow_binary(), "server", *where, "--port", str(free_port())],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode in (1, 2), done
    return done.stdout + done.stderr


def _send(server: Server, method: str, target: str, body: bytes | None = None) -> Answer:
    connection = Connection(server.port)
    answer = connection.send(Request(method, target, body=body))
    connection.close()
    return answer
