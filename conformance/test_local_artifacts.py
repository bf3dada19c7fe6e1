"""What holds for artifacts in a folder when things go wrong: nobody ever sees a half-written file."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet import Fleet
from http_client import Answer, Connection, Request
from raw_http import answer_of, begin_upload
from servers import Server, _start, ferroflow_binary

PROXY = "/api/2.0/mlflow-artifacts/artifacts"
PATIENCE = 30.0
MIB = 1 << 20
# More than what fits into the buffers between a server and its client.
LARGE = 48 * MIB
SPACE_MIB = 8
# The folder is read-only but for the artifacts in it, which are on a disk of a few MiB, as in a container that is locked down.
LOCKED_DOWN = f"""
set -e
mount --bind "$PWD" "$PWD"
cd "$PWD"
mount -t tmpfs -o size={SPACE_MIB}m,mode=777 tmpfs artifacts
mount -o remount,bind,ro "$PWD"
exec "$@"
"""


@pytest.fixture(scope="module")
def server(fleet: Fleet) -> Server:
    """A server of this file's own."""
    if fleet.candidate_kind == "official":
        pytest.skip("the official server promises nothing of this")
    return fleet.start("ferroflow", "local-artifacts", fleet.database("sqlite", "local-artifacts"))


@pytest.fixture
def locked_down(fleet: Fleet, session_directory: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server whose working directory and folder for temporary files are read-only, on a small disk."""
    if fleet.candidate_kind == "official":
        pytest.skip("the official server writes uploads to its folder for temporary files first")
    unshare = ["unshare", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*unshare, "true"], capture_output=True).returncode != 0:
        pytest.skip("this system does not let us mount")
    name = f"locked-down-{request.node.name}"
    directory = session_directory / name
    directory.mkdir()
    environment = {"TMPDIR": str(directory), "HOME": str(directory)}
    command = [*unshare, "sh", "-c", LOCKED_DOWN, "sh", str(ferroflow_binary()), "server"]
    server = _start("ferroflow", command, directory, fleet.database("sqlite", f"{name}-data"), environment, probe="/readyz")
    yield server
    server.stop()


def test_of_two_writers_the_last_to_finish_wins(server: Server) -> None:
    path, first, second = f"{PROXY}/two/f.bin", b"1" * LARGE, b"2" * (LARGE // 2)
    slow = begin_upload(server.port, path, len(first), first[: LARGE // 2])
    assert _send(server, "PUT", path, second).status == 200
    assert _send(server, "GET", path).body == second
    slow.sendall(first[LARGE // 2 :])
    assert answer_of(slow).status == 200
    assert _send(server, "GET", path).body == first
    assert _hidden(server.directory / "artifacts") == []


def test_a_reader_gets_what_was_there_when_it_asked(server: Server) -> None:
    path, old, new = f"{PROXY}/read/f.bin", b"o" * LARGE, b"n" * LARGE
    assert _send(server, "PUT", path, old).status == 200
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    connection.request("GET", path)
    response = connection.getresponse()
    begun = response.read(MIB)
    assert _send(server, "PUT", path, new).status == 200
    assert begun + response.read() == old
    connection.close()
    answer = _send(server, "GET", path)
    assert answer.body == new and answer.headers["etag"] != response.headers["etag"]


def test_an_upload_that_is_cut_off_leaves_nothing(server: Server) -> None:
    path, folder = f"{PROXY}/cut/f.bin", server.directory / "artifacts" / "cut"
    assert _send(server, "PUT", path, b"before").status == 200
    client = begin_upload(server.port, path, 8 * MIB, b"x" * (4 * MIB))
    _wait_until(lambda: _hidden(folder) != [], "the upload did not begin")
    assert _send(server, "GET", path).body == b"before"
    assert [file["path"] for file in _send(server, "GET", f"{PROXY}?path=cut").json()["files"]] == ["f.bin"]
    client.close()
    _wait_until(lambda: _hidden(folder) == [], "what was cut off is still there")
    assert _send(server, "GET", path).body == b"before"


def test_a_full_disk_says_so_and_keeps_what_it_has(locked_down: Server) -> None:
    path, kept = f"{PROXY}/0/f.bin", b"k" * MIB
    assert _send(locked_down, "PUT", path, kept).status == 200
    for target in (path, f"{PROXY}/0/other/g.bin"):
        refused = _send(locked_down, "PUT", target, b"x" * (2 * SPACE_MIB * MIB))
        assert refused.status == 507 and "is full" in json.loads(refused.body)["message"], refused
        assert str(locked_down.directory) not in refused.body.decode()
    assert _send(locked_down, "GET", path).body == kept
    assert _send(locked_down, "GET", f"{PROXY}/0/other/g.bin").status == 404
    # Nothing of what failed takes up space.
    assert _send(locked_down, "PUT", f"{PROXY}/0/h.bin", b"h" * ((SPACE_MIB - 2) * MIB)).status == 200


def test_a_read_only_root_is_no_hindrance(locked_down: Server) -> None:
    mounts = Path(f"/proc/{locked_down.process.pid}/mounts").read_text().splitlines()
    mine = [line.split() for line in mounts if line.split()[1] == str(locked_down.directory)]
    assert mine and "ro" in mine[-1][3].split(","), "the server can write to its working directory"
    path, content = f"{PROXY}/0/folder/f.bin", os.urandom(5 * MIB)
    assert _send(locked_down, "PUT", path, content).status == 200
    assert _send(locked_down, "GET", path).body == content
    assert _send(locked_down, "GET", "/api/2.0/mlflow-artifacts/zip?path=0").status == 200
    assert _send(locked_down, "DELETE", f"{PROXY}/0/folder").status == 200
    assert sorted(file.name for file in locked_down.directory.iterdir()) == ["artifacts", "server.log"]


def _send(server: Server, method: str, target: str, body: bytes | None = None) -> Answer:
    connection = Connection(server.port, timeout=PATIENCE)
    answer = connection.send(Request(method, target, body=body))
    connection.close()
    return answer


def _hidden(folder: Path) -> list[Path]:
    return [file for file in folder.rglob(".*") if file.is_file()]


def _wait_until(holds: object, what: str) -> None:
    assert callable(holds)
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
