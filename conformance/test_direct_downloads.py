"""Under `--direct-downloads` the stock client gets files from the store itself, by addresses that the server signs for it."""

from __future__ import annotations

import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
import requests
from mlflow import MlflowClient

from fleet import Fleet
from http_client import Answer, Connection, Request
from object_stores import ObjectStores, Place
from servers import Server, ferroflow_binary

CONTENT = bytes(range(256)) * 1000
ROUTE = "2.0/mlflow-artifacts/artifacts"


@pytest.fixture(scope="module", params=["azure", "s3"])
def place(request: pytest.FixtureRequest, object_stores: ObjectStores, fleet: Fleet) -> Place:
    """A container of each store that can sign here."""
    if fleet.candidate_kind == "official":
        pytest.skip("the official server passes every file on")
    return object_stores.place(request.param)


@pytest.fixture(scope="module")
def server(place: Place, fleet: Fleet) -> Iterator[Server]:
    """A server that sends clients there. Its log never has an address that is signed, nor what it signs with."""
    name = f"direct-{place.kind}"
    settings = (*place.settings(), ("FERROFLOW_DIRECT_DOWNLOADS", "true"))
    server = fleet.start("ferroflow", name, fleet.database("sqlite", name), settings, place.uri)
    mlflow.set_tracking_uri(server.url)
    yield server
    mlflow.set_tracking_uri(None)
    assert not [secret for secret in (*place.secrets, "sig=", "X-Amz-Signature") if secret in server.log()]


def test_the_client_follows(place: Place, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ports: list[int | None] = []
    send = requests.Session.send

    def sent(session: requests.Session, request: requests.PreparedRequest, **options: object) -> requests.Response:
        answer = send(session, request, **options)
        address = urllib.parse.urlsplit(request.url)
        if "model.bin" in str(address.path):
            ports.append(address.port)
            # The store must not get to see who the client is to the server.
            assert (address.port == place.port) == ("Authorization" not in request.headers)
        return answer

    client = MlflowClient()
    run_id = client.create_run(client.create_experiment(f"follows-{place.kind}")).info.run_id
    (tmp_path / "model.bin").write_bytes(CONTENT)
    client.log_artifact(run_id, str(tmp_path / "model.bin"), "a/b")
    client.log_text(run_id, "ü", "with space ü.txt")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "of-the-user")
    monkeypatch.setattr(requests.Session, "send", sent)
    (tmp_path / "one").mkdir()
    assert Path(client.download_artifacts(run_id, "a/b/model.bin", str(tmp_path / "one"))).read_bytes() == CONTENT
    # The later one is done first: `requests` follows within the first call.
    assert sorted(port or 0 for port in ports) == sorted((server.port, place.port))
    (tmp_path / "all").mkdir()
    everything = Path(client.download_artifacts(run_id, "", str(tmp_path / "all")))
    assert (everything / "a/b/model.bin").read_bytes() == CONTENT
    assert (everything / "with space ü.txt").read_text() == "ü"


def test_the_address_is_for_one_file_and_for_reading(place: Place, server: Server) -> None:
    for name, content in (("one.bin", CONTENT), ("two.bin", b"two")):
        assert _send(server, "PUT", f"/api/{ROUTE}/runs/{name}", content).status == 200
    answer = _send(server, "GET", f"/api/{ROUTE}/runs/one.bin")
    assert (answer.status, answer.body, answer.headers["cache-control"]) == (307, b"", "no-store")
    address = answer.headers["location"]
    assert urllib.parse.urlsplit(address).port == place.port
    assert not [secret for secret in place.secrets if secret in urllib.parse.unquote(address)]
    assert _status("GET", address) == (200, CONTENT)
    part = urllib.request.urlopen(urllib.request.Request(address, headers={"Range": "bytes=256-511"}))
    assert (part.status, part.read()) == (206, CONTENT[256:512])
    for method, changed in (("PUT", address), ("DELETE", address), ("GET", address.replace("one.bin", "two.bin"))):
        # moto, which stands for S3, looks at no signature.
        assert place.kind == "s3" or _status(method, changed)[0] == 403, method
    if place.kind == "s3":
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(address).query)
        assert query["X-Amz-Expires"] == ["300"] and query["X-Amz-SignedHeaders"] == ["host"]
    else:
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(address).query)
        ends = time.strptime(query["se"][0], "%Y-%m-%dT%H:%M:%SZ")
        assert query["sp"] == ["r"] and query["sr"] == ["b"]
        assert 200 < time.mktime(ends) - time.mktime(time.gmtime()) <= 300


def test_everything_else_is_as_before(place: Place, server: Server) -> None:
    assert _send(server, "PUT", f"/api/{ROUTE}/others/a.txt", b"text").status == 200
    for target in (f"/ajax-api/{ROUTE}/others/a.txt",):
        answer = _send(server, "GET", target)
        assert (answer.status, answer.body) == (200, b"text"), target
    head = _send(server, "HEAD", f"/api/{ROUTE}/others/a.txt")
    assert (head.status, head.headers["content-length"]) == (200, "4")
    for path, status in (("none.txt", 404), ("others", 400), ("..%2fa", 400)):
        for prefix in ("api", "ajax-api"):
            answer = _send(server, "GET", f"/{prefix}/{ROUTE}/{path}")
            assert (answer.status, answer.is_json()) == (status, True), (prefix, path)
    # A name that a URL has to escape: Azure's signature would not hold, so it is passed on.
    assert _send(server, "PUT", f"/api/{ROUTE}/others/a%20b.txt", b"text").status == 200
    answer = _send(server, "GET", f"/api/{ROUTE}/others/a%20b.txt")
    assert answer.status == (200 if place.kind == "azure" else 307)


def test_a_folder_has_nowhere_to_send_to(fleet: Fleet, tmp_path: Path) -> None:
    if fleet.candidate_kind == "official":
        pytest.skip("an option of ours")
    for more in ((), ("--no-serve-artifacts",)):
        command = [str(ferroflow_binary()), "server", "--port", "0", "--direct-downloads", *more]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode != 0 and "--direct-downloads needs an --artifacts-destination in a cloud" in done.stderr


def _send(server: Server, method: str, target: str, body: bytes | None = None) -> Answer:
    connection = Connection(server.port)
    answer = connection.send(Request(method, target, body=body))
    connection.close()
    return answer


def _status(method: str, address: str) -> tuple[int, bytes]:
    try:
        answer = urllib.request.urlopen(urllib.request.Request(address, method=method, headers={"x-ms-blob-type": "BlockBlob"}))
        return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, b""
