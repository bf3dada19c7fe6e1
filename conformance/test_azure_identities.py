"""Azure without an account key: a service principal, a workload's identity, a machine's identity, on an Azurite that takes tokens.

Roles are not seen here: Azurite lets everybody in who has a token.
"""

from __future__ import annotations

import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from azure_login import CLIENT, MACHINE_HEADER, TENANT, Login
from fleet import Fleet
from http_client import Answer, Connection, Request
from object_stores import ObjectStores, Place
from servers import Server, ferroflow_binary, start_ferroflow

SECRET = "a~secret.of.the-principal"
ASSERTION = "the.token.of-the-pod"
CONTENT = bytes(range(256)) * (9 << 12)
KINDS = ["service principal", "workload identity", "managed identity"]


@pytest.fixture
def login(fleet: Fleet) -> Iterator[Login]:
    """A login that knows our principal and our pod."""
    if fleet.candidate_kind == "official":
        pytest.skip("Azure's Python library wants TLS between itself and the login")
    login = Login(SECRET, ASSERTION)
    yield login
    login.close()


@pytest.fixture(scope="module")
def place(object_stores: ObjectStores) -> Place:
    """A container of an Azurite that speaks TLS and takes tokens."""
    return object_stores.place("azure by token")


def _environment(kind: str, login: Login, place: Place, directory: Path) -> dict[str, str]:
    common = place.environment | {"AZURE_CLIENT_ID": CLIENT}
    if kind == "managed identity":
        return common | {"IDENTITY_ENDPOINT": f"{login.url}/metadata/identity/oauth2/token", "IDENTITY_HEADER": MACHINE_HEADER}
    common |= {"AZURE_TENANT_ID": TENANT, "AZURE_AUTHORITY_HOST": login.url}
    if kind == "service principal":
        return common | {"AZURE_CLIENT_SECRET": SECRET}
    (directory / "token").write_text(ASSERTION)
    return common | {"AZURE_FEDERATED_TOKEN_FILE": str(directory / "token")}


@pytest.mark.parametrize("kind", KINDS)
def test_all_that_artifacts_need(kind: str, login: Login, place: Place, tmp_path: Path) -> None:
    environment = _environment(kind, login, place, tmp_path) | {"FERROFLOW_DIRECT_DOWNLOADS": "true"}
    server = start_ferroflow(tmp_path, f"sqlite:///{tmp_path / 'mlflow.db'}", environment, place.uri)
    folder = kind.replace(" ", "-")
    assert _send(server, "PUT", f"artifacts/{folder}/large.bin", CONTENT).status == 200
    assert place.read(f"{folder}/large.bin") == CONTENT
    assert _send(server, "GET", f"artifacts/{folder}/large.bin", prefix="/ajax-api").body == CONTENT
    assert _send(server, "GET", f"artifacts?path={folder}").json()["files"][0]["path"] == "large.bin"

    # Addresses are signed by a key that the store gives to the identity.
    direct = _send(server, "GET", f"artifacts/{folder}/large.bin")
    assert direct.status == 307 and "skoid=" in direct.headers["location"]
    assert _fetch(place, direct.headers["location"]) == CONTENT
    started = _send(server, "POST", f"mpu/create/{folder}", {"path": "parts.bin", "num_parts": 2}).json()
    for credential, content in zip(started["credentials"], (CONTENT, b"end"), strict=True):
        _fetch(place, credential["url"], content)
    parts = [{"part_number": number, "url": credential["url"]} for number, credential in enumerate(started["credentials"], 1)]
    done = _send(server, "POST", f"mpu/complete/{folder}", {"path": "parts.bin", "upload_id": "", "parts": parts})
    assert done.status == 200 and place.read(f"{folder}/parts.bin") == CONTENT + b"end"

    assert _send(server, "DELETE", f"artifacts/{folder}").status == 200
    assert place.names(f"under/here/{folder}") == set()
    # One token was enough, for as long as it is good.
    assert len(login.tokens) == 1, login.requests
    assert login.requests[0]["client_id"] == CLIENT
    server.stop()
    assert not [secret for secret in (*login.tokens, SECRET, ASSERTION, MACHINE_HEADER, "sig=") if secret in server.log()]


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_is_renewed(kind: str, login: Login, place: Place, tmp_path: Path) -> None:
    # What is good for less than five minutes more is not used any longer.
    login.valid_seconds = 302
    environment = _environment(kind, login, place, tmp_path)
    server = start_ferroflow(tmp_path, f"sqlite:///{tmp_path / 'mlflow.db'}", environment, place.uri)
    if kind == "workload identity":
        # As Kubernetes does every hour.
        login.assertion = "the.next-token.of-the-pod"
        (tmp_path / "token").write_text(login.assertion)
    time.sleep(2.5)
    assert _send(server, "PUT", "artifacts/renewed.txt", b"x").status == 200
    assert len(login.tokens) >= 2
    server.stop()


@pytest.mark.parametrize("kind", KINDS)
def test_one_whom_the_login_does_not_know_ends_the_start(kind: str, login: Login, place: Place, tmp_path: Path) -> None:
    environment = _environment(kind, login, place, tmp_path)
    login.secret = login.assertion = "others"
    if kind == "managed identity":
        environment["IDENTITY_HEADER"] = "of another machine"
    command = [str(ferroflow_binary()), "server", "--port", "0", "--artifacts-destination", place.uri]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    said = done.stdout + done.stderr
    assert done.returncode == 1 and "no valid credentials" in said and "AZURE_CLIENT_ID" in said, said
    assert not [secret for secret in (SECRET, ASSERTION, "AADSTS") if secret in said]


def _fetch(place: Place, url: str, content: bytes | None = None) -> bytes:
    """Gets or puts what a signed address is for."""
    request = urllib.request.Request(url, data=content, method="PUT" if content else "GET")
    with urllib.request.urlopen(request, context=place.trust()) as answer:
        return bytes(answer.read())


def _send(server: Server, method: str, target: str, body: object = None, prefix: str = "/api") -> Answer:
    connection = Connection(server.port)
    answer = connection.send(Request(method, f"{prefix}/2.0/mlflow-artifacts/{target}", body=body))
    connection.close()
    return answer
