"""A folder as a ZIP file: what Python and Info-ZIP make of it, and that a broken one does not pass for a whole one."""

from __future__ import annotations

import calendar
import http.client
import io
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from fleet import Fleet
from http_client import Answer, Connection, Request
from servers import Server

PROXY = "/api/2.0/mlflow-artifacts"
MIB = 1 << 20


@pytest.fixture(scope="module")
def server(fleet: Fleet) -> Server:
    """A server of this file's own."""
    if fleet.candidate_kind == "official":
        pytest.skip("the official server sends no folders")
    return fleet.start("ferroflow", "zip", fleet.database("sqlite", "zip"))


def test_all_files_are_in_it(server: Server, tmp_path: Path) -> None:
    files = {
        "a.txt": b"text",
        "empty": b"",
        "sub/folder/b.bin": os.urandom(3 * MIB + 1),
        "ä ö/日本.txt": "ß".encode(),
        "dots/..a/...b": b"dots",
        "one-block": b"x" * 65535,
        "one-more": b"x" * 65536,
    }
    root = server.directory / "artifacts" / "0" / "whole"
    _write(root, files)
    (root / "outside").symlink_to("/etc")
    answer = _get(server, f"{PROXY}/zip?path=0/whole")
    assert answer.status == 200 and answer.media_type() == "application/zip"
    assert answer.headers["content-disposition"] == "attachment; filename=whole.zip"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert _contents(answer.body) == files
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        written = (root / "a.txt").stat().st_mtime
        assert abs(_utc(archive.getinfo("a.txt").date_time) - written) <= 2
    if shutil.which("unzip"):
        (tmp_path / "whole.zip").write_bytes(answer.body)
        environment = {**os.environ, "LC_ALL": "C.UTF-8"}
        subprocess.run(["unzip", "-tq", "whole.zip"], cwd=tmp_path, env=environment, check=True)
        subprocess.run(["unzip", "-q", "whole.zip", "-d", "unpacked"], cwd=tmp_path, env=environment, check=True)
        unpacked = tmp_path / "unpacked"
        assert {str(f.relative_to(unpacked)): f.read_bytes() for f in unpacked.rglob("*") if f.is_file()} == files


def test_names_that_other_systems_understand_otherwise(server: Server) -> None:
    """No route makes such names; other programs may."""
    _write(server.directory / "artifacts" / "0" / "odd", {"..\\..\\x": b"1", "C:x": b"2", "new\nline": b"3"})
    answer = _get(server, f"{PROXY}/zip?path=0/odd")
    assert _contents(answer.body) == {"..%5C..%5Cx": b"1", "C%3Ax": b"2", "new%0Aline": b"3"}


def test_runs_and_models_are_packed_alike(server: Server) -> None:
    run = _post(server, "runs/create", {"experiment_id": "0"}).json()["run"]["info"]["run_id"]
    model = _post(server, "logged-models", {"experiment_id": "0"}).json()["model"]["info"]["model_id"]
    artifacts = server.directory / "artifacts" / "0"
    _write(artifacts / run / "artifacts", {"a.txt": b"a", "sub/b.txt": b"b"})
    _write(artifacts / "models" / model / "artifacts", {"MLmodel": b"m", "data/c.txt": b"c"})
    for prefix in ("/api", "/ajax-api"):
        routes = f"{prefix}/2.0/mlflow"
        whole = _get(server, f"{routes}/artifacts/zip?run_id={run}")
        assert _contents(whole.body) == {"a.txt": b"a", "sub/b.txt": b"b"}
        assert whole.headers["content-disposition"] == f"attachment; filename={run}.zip"
        folder = _get(server, f"{routes}/artifacts/zip?run_uuid={run}&path=sub")
        assert _contents(folder.body) == {"b.txt": b"b"}
        assert folder.headers["content-disposition"] == "attachment; filename=sub.zip"
        assert _contents(_get(server, f"{routes}/logged-models/{model}/artifacts/zip").body) == {"MLmodel": b"m", "data/c.txt": b"c"}
        of_model = f"{routes}/logged-models/{model}/artifacts/zip?artifact_directory_path=data"
        assert _contents(_get(server, of_model).body) == {"c.txt": b"c"}


def test_what_cannot_be_packed_is_refused(server: Server) -> None:
    run = _post(server, "runs/create", {"experiment_id": "0"}).json()["run"]["info"]["run_id"]
    for target, status, code in (
        (f"/api/2.0/mlflow/artifacts/zip?run_id={run}", 404, "RESOURCE_DOES_NOT_EXIST"),
        (f"/api/2.0/mlflow/artifacts/zip?run_id={run}&path=none", 404, "RESOURCE_DOES_NOT_EXIST"),
        (f"/api/2.0/mlflow/artifacts/zip?run_id={run}&path=..", 400, "INVALID_PARAMETER_VALUE"),
        (f"/api/2.0/mlflow/artifacts/zip?run_id={'0' * 32}", 404, "RESOURCE_DOES_NOT_EXIST"),
        ("/api/2.0/mlflow/artifacts/zip", 400, "INVALID_PARAMETER_VALUE"),
        ("/api/2.0/mlflow/logged-models/m-1/artifacts/zip", 404, "RESOURCE_DOES_NOT_EXIST"),
        (f"{PROXY}/zip", 400, "INVALID_PARAMETER_VALUE"),
        (f"{PROXY}/zip?path=none", 404, "RESOURCE_DOES_NOT_EXIST"),
    ):
        answer = _get(server, target)
        assert (answer.status, answer.json()["error_code"]) == (status, code), target


def test_one_that_breaks_off_is_not_taken_for_whole(server: Server) -> None:
    folder = server.directory / "artifacts" / "0" / "broken"
    _write(folder, {"large": b"x" * (64 * MIB)})
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", f"{PROXY}/zip?path=0/broken")
    response = connection.getresponse()
    assert response.status == 200
    begun = response.read(MIB)
    os.truncate(folder / "large", 2 * MIB)
    with pytest.raises(http.client.IncompleteRead) as broken:
        response.read()
    connection.close()
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(begun + broken.value.partial))


def _write(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def _contents(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {info.filename: archive.read(info) for info in archive.infolist()}


def _utc(date: tuple[int, int, int, int, int, int]) -> float:
    return calendar.timegm((*date, 0, 0, 0))


def _get(server: Server, target: str) -> Answer:
    return _ask(server, Request("GET", target))


def _post(server: Server, route: str, body: object) -> Answer:
    return _ask(server, Request("POST", f"/api/2.0/mlflow/{route}", body=body))


def _ask(server: Server, request: Request) -> Answer:
    connection = Connection(server.port)
    answer = connection.send(request)
    connection.close()
    return answer
