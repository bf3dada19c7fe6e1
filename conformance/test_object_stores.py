"""The stock client's artifacts on each object store, through the server and directly, and the official server beside ours.

Both servers keep their artifacts in one container: each reads what the other wrote.
"""

from __future__ import annotations

import io
import urllib.parse
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository
from sklearn.linear_model import LogisticRegression

from fleet import Fleet
from http_client import Answer, Connection, Request
from object_stores import FOLDER, ObjectStores, Place
from servers import Server

PROXY = "/api/2.0/mlflow-artifacts/artifacts"
# More than one part of an upload. Without line feeds, as the official server sends a file line by line.
LARGE = bytes(set(range(256)) - {10}) * (80 << 10)
FILES = {
    "top.txt": b"top",
    "empty": b"",
    "deep/er/data.bin": bytes(range(256)) * 4000,
    "deep/with space.json": b"{}",
    "ünï/cödé 文件.txt": "ü".encode(),
}
ODD_NAMES = [
    *("with space.txt", "50% off.txt", "a%20b.txt", "plus+and&.txt", "quo'te.txt", "semi;colon.txt", "a=b,c.txt", "tilde~.txt"),
    *("[x]{y}.txt", "at@sign$.txt", "ünï/cödé.txt", "日本語/ファイル.bin", "a/b/c/d/e/f.txt", "..dots../x..y", ".hidden", "no-extension"),
]


@pytest.fixture(scope="module", params=["azure", "s3", "gcs"])
def place(request: pytest.FixtureRequest, object_stores: ObjectStores, fleet: Fleet) -> Place:
    """A container of each store."""
    if request.param == "gcs" and fleet.candidate_kind == "official":
        pytest.skip("the stand-in for Google Cloud Storage has no JSON API")
    return object_stores.place(request.param)


@pytest.fixture(scope="module")
def candidate(place: Place, fleet: Fleet) -> Iterator[Server]:
    """The server under test with its artifacts there. None of its lines has a secret of the store."""
    server = _start(fleet, fleet.candidate_kind, place)
    yield server
    log = server.log()
    assert not [secret for secret in place.secrets if secret in log]
    server.stop()


@pytest.fixture(scope="module")
def official(place: Place, fleet: Fleet) -> Server:
    """The official server with its artifacts in the same container."""
    if place.kind == "gcs":
        pytest.skip("the official server asks Google Cloud Storage by its JSON API, which the stand-in does not have")
    return _start(fleet, "official", place)


@pytest.fixture(params=["proxied", "direct"])
def experiment(request: pytest.FixtureRequest, place: Place, candidate: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An experiment whose artifacts go through the server, or straight to the store with the client's own credentials."""
    mlflow.set_tracking_uri(candidate.url)
    mlflow.set_registry_uri(candidate.url)
    location = None
    if request.param == "direct":
        if place.kind == "gcs":
            pytest.skip("the client asks Google Cloud Storage by its JSON API, which the stand-in does not have")
        location = f"{place.root}/direct"
        for name, value in place.environment.items():
            monkeypatch.setenv(name, value)
    client = MlflowClient()
    name = f"{request.node.name}"
    yield client.create_experiment(name, artifact_location=location)
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)


def test_files(experiment: str, place: Place, candidate: Server, tmp_path: Path) -> None:
    """Logged one by one and as a folder, listed, read back and deleted."""
    files = {name: content for name, content in FILES.items() if name.isascii() or candidate.kind != "official"}
    for name, content in files.items():
        path = tmp_path / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "large.bin").write_bytes(LARGE)
    client = MlflowClient()
    run = client.create_run(experiment)
    run_id, root = run.info.run_id, run.info.artifact_uri
    client.log_artifacts(run_id, str(tmp_path / "files"), "folder")
    client.log_artifact(run_id, str(tmp_path / "large.bin"))
    client.log_text(run_id, "ü", "notes/notes.md")

    logged = {f"folder/{name}": content for name, content in files.items()}
    logged |= {"large.bin": LARGE, "notes/notes.md": "ü".encode()}
    below = "direct" if root.startswith(place.root) else "under/here"
    kept = f"{run_id}/artifacts" if below == "direct" else f"{experiment}/{run_id}/artifacts"
    assert place.names(f"{below}/{kept}") == set(logged)
    assert place.read(f"{kept}/folder/deep/with space.json", below) == b"{}"

    assert [(file.path, file.is_dir, file.file_size) for file in client.list_artifacts(run_id)] == [
        ("folder", True, None),
        ("large.bin", False, len(LARGE)),
        ("notes", True, None),
    ]
    assert {(file.path, file.file_size) for file in client.list_artifacts(run_id, "folder/deep")} == {
        ("folder/deep/er", None),
        ("folder/deep/with space.json", 2),
    }
    assert client.list_artifacts(run_id, "none") == []
    for name, content in logged.items():
        destination = tmp_path / "one" / name
        destination.mkdir(parents=True)
        assert Path(client.download_artifacts(run_id, name, str(destination))).read_bytes() == content, name
    (tmp_path / "all").mkdir()
    everything = Path(client.download_artifacts(run_id, "", str(tmp_path / "all")))
    found = {str(path.relative_to(everything)): path.read_bytes() for path in everything.rglob("*") if path.is_file()}
    assert found == logged

    repository = get_artifact_repository(root)
    repository.delete_artifacts("large.bin")
    repository.delete_artifacts("folder")
    assert place.names(f"{below}/{kept}") == {"notes/notes.md"}
    assert [file.path for file in client.list_artifacts(run_id)] == ["notes"]


def test_overwritten(experiment: str) -> None:
    client = MlflowClient()
    run_id = client.create_run(experiment).info.run_id
    for text in ("x" * 100_000, "", "second"):
        client.log_text(run_id, text, "notes.txt")
        assert mlflow.artifacts.load_text(f"runs:/{run_id}/notes.txt") == text
    assert [(file.path, file.file_size) for file in client.list_artifacts(run_id)] == [("notes.txt", 6)]


def test_parts_that_the_client_sends_to_the_store(place: Place, candidate: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if place.kind == "gcs":
        pytest.skip("without a service account's key there is nothing to sign addresses with")
    settings = {"ENABLE_PROXY_MULTIPART_UPLOAD": "true", "MULTIPART_UPLOAD_MINIMUM_FILE_SIZE": str(6 << 20), "MULTIPART_UPLOAD_CHUNK_SIZE": str(5 << 20)}
    for name, value in settings.items():
        monkeypatch.setenv(f"MLFLOW_{name}", value)
    sent: list[str] = []
    complete = HttpArtifactRepository.complete_multipart_upload

    def completed(self: HttpArtifactRepository, local_file: str, upload_id: str, parts: list[Any], artifact_path: str | None) -> None:
        complete(self, local_file, upload_id, parts, artifact_path)
        sent.extend(part.url for part in parts)

    monkeypatch.setattr(HttpArtifactRepository, "complete_multipart_upload", completed)
    repository = get_artifact_repository(f"{candidate.url}{PROXY}/parts")
    # On Azure a name that has to be quoted goes the other way, through the server.
    for name, parts in (("large.bin", 4), ("large file ü.bin", 0 if place.kind == "azure" else 4)):
        sent.clear()
        (tmp_path / name).write_bytes(LARGE)
        repository.log_artifact(str(tmp_path / name), "deep/er")
        assert len(sent) == parts or candidate.kind == "official"
        assert all(f":{place.port}/" in url for url in sent)
        assert not [secret for secret in place.secrets for url in sent if urllib.parse.quote(secret, safe="") in url or secret in url]
        assert place.read(f"parts/deep/er/{name}") == LARGE
    assert place.names("under/here/parts/deep/er") == {"large.bin", "large file ü.bin"}
    assert place.unfinished() == []


def test_model(experiment: str) -> None:
    inputs, labels = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0, 0, 1, 1])
    model = LogisticRegression().fit(inputs, labels)
    with mlflow.start_run(experiment_id=experiment) as run:
        info = mlflow.sklearn.log_model(model, name="classifier", pip_requirements=["scikit-learn"])
    for uri in (info.model_uri, f"runs:/{run.info.run_id}/classifier"):
        assert np.array_equal(mlflow.sklearn.load_model(uri).predict(inputs), labels)
    assert {file.path for file in MlflowClient().list_logged_model_artifacts(info.model_id)} >= {"MLmodel", "model.pkl"}


def test_a_folder_as_a_zip_file(place: Place, candidate: Server) -> None:
    if candidate.kind == "official":
        pytest.skip("the official server sends no folders")
    files = {**FILES, "large.bin": LARGE}
    for name, content in files.items():
        place.write(f"{FOLDER}/packed/{name}", content)
    place.write(f"{FOLDER}/packed-not/a.txt")
    answer = _checked(place, candidate, Request("GET", "/api/2.0/mlflow-artifacts/zip", (("path", "packed"),)))
    assert answer.status == 200 and answer.headers["content-disposition"] == "attachment; filename=packed.zip"
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == files


def test_what_one_server_writes_the_other_reads(place: Place, candidate: Server, official: Server) -> None:
    servers = {"ours": candidate, "theirs": official}
    content = {name: f"content of {name}".encode() for name in ODD_NAMES} | {"nothing": b"", "large.bin": LARGE}
    for folder, server in servers.items():
        for name, body in content.items():
            assert _send(place, server, "PUT", f"both/{folder}/{name}", body).status == 200, (folder, name)
    for folder in servers:
        # Both decode a path until it no longer changes.
        kept = {urllib.parse.unquote(name): body for name, body in content.items()}
        assert place.names(f"under/here/both/{folder}") == set(kept), folder
        assert {name: place.read(f"both/{folder}/{name}") for name in kept} == kept
        for name, body in content.items():
            ours, theirs = (_send(place, server, "GET", f"both/{folder}/{name}") for server in servers.values())
            if _cannot_be_read_from_the_official_server(name):
                assert (ours.status, ours.body) == (200, body) or candidate.kind == "official"
                continue
            assert (ours.status, theirs.status) == (200, 200), (folder, name)
            assert ours.body == theirs.body == body, (folder, name)
            for header in ("content-type", "x-content-type-options"):
                assert ours.headers.get(header) == theirs.headers.get(header), (folder, name, header)
        for path in (f"both/{folder}", f"both/{folder}/a/b", f"both/{folder}/ünï", f"both/{folder}/", "both", f"both/{folder}/nothing", "none"):
            ours, theirs = (_list(place, server, path) for server in servers.values())
            assert (ours.status, theirs.status) == (200, 200), path
            assert ours.json() == theirs.json(), path


def test_what_one_server_writes_the_other_deletes(place: Place, candidate: Server, official: Server) -> None:
    for writer, deleter in ((candidate, official), (official, candidate)):
        for name in ("one.txt", "folder/two.txt", "folder/deep/three.txt", "stays.txt"):
            assert _send(place, writer, "PUT", f"gone/{name}", b"x").status == 200
        assert _send(place, deleter, "DELETE", "gone/one.txt").status == 200
        assert place.names("under/here/gone") == {"folder/two.txt", "folder/deep/three.txt", "stays.txt"}
        assert _send(place, deleter, "DELETE", "gone/folder").status == 200
        assert place.names("under/here/gone") == {"stays.txt"}


def _cannot_be_read_from_the_official_server(name: str) -> bool:
    """It puts them into a header as they are."""
    return not name.isascii()


def _start(fleet: Fleet, kind: str, place: Place) -> Server:
    name = f"stores-{place.kind}-{kind}-{place.container}"
    return fleet.start(kind, name, fleet.database("sqlite", name), place.settings(), place.uri)


def _send(place: Place, server: Server, method: str, path: str, body: bytes | None = None) -> Answer:
    return _checked(place, server, Request(method, f"{PROXY}/{urllib.parse.quote(path)}", body=body))


def _list(place: Place, server: Server, path: str) -> Answer:
    return _checked(place, server, Request("GET", PROXY, (("path", path),)))


def _checked(place: Place, server: Server, request: Request) -> Answer:
    """Sends a request; no answer shows a secret of the store."""
    connection = Connection(server.port)
    answer = connection.send(request)
    connection.close()
    shown = answer.body + repr(answer.headers).encode()
    assert not [secret for secret in place.secrets if secret.encode() in shown]
    return answer
