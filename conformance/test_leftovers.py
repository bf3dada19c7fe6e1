"""SIGKILL in the middle of an upload, with two servers on one folder: what is left behind goes, what goes on stays."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from fleet import Fleet
from http_client import Connection, Request
from servers import Server

ROUTE = "/api/2.0/mlflow-artifacts/artifacts"
# More than the server gathers before it writes.
SENT = b"x" * (3 << 20)
TWO_HOURS = 2 * 60 * 60
PATIENCE = 30.0


def test_a_killed_upload_is_removed_and_a_running_one_is_not(fleet: Fleet) -> None:
    if fleet.candidate_kind == "official":
        pytest.skip("the official server keeps uploads elsewhere until they are complete")
    uri = fleet.database("sqlite", "leftovers")
    first, second = (fleet.start("ferroflow", "leftovers", uri) for _ in range(2))
    folder = first.directory / "artifacts" / "folder"
    with _upload_that_never_ends(first.port):
        hidden = _hidden_file(folder)
        _make_old(hidden)
        assert _listed(second) == [] and hidden.exists(), "it is still being written"
        first.kill()
        assert hidden.exists(), "killed without a chance to tidy up"
    _make_old(hidden)
    assert _listed(second) == [] and not hidden.exists()
    second.stop()


def _upload_that_never_ends(port: int) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    head = f"PUT {ROUTE}/folder/a.bin HTTP/1.1\r\nHost: localhost\r\nContent-Length: {2 * len(SENT)}\r\n\r\n"
    client.sendall(head.encode() + SENT)
    return client


def _hidden_file(folder: Path) -> Path:
    """The file that the upload is written to, once there is something in it."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        written = [file for file in folder.glob(".*") if file.stat().st_size > 0]
        if written:
            return written[0]
        time.sleep(0.01)
    raise AssertionError("the upload did not begin")


def _make_old(file: Path) -> None:
    then = time.time() - TWO_HOURS
    os.utime(file, (then, then))


def _listed(server: Server) -> list[object]:
    connection = Connection(server.port)
    answer = connection.send(Request("GET", ROUTE, (("path", "folder"),)))
    connection.close()
    assert answer.status == 200
    files: list[object] = answer.json().get("files", [])
    return files
