"""A store that is busy, away, breaks connections or stands still, and clients that hang up: nothing is half-written.

The way to the store fails (`faults.py`), the store itself does not: what is in it is looked at directly.
"""

from __future__ import annotations

import http.client
import socket
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from faults import FaultyWay
from fleet import Fleet
from http_client import Answer, Connection, Request
from object_stores import ObjectStores, Place
from servers import Server
from writers import is_asked_to_come_back, wait_until

PROXY = "/api/2.0/mlflow-artifacts/artifacts"
MIB = 1 << 20
# Several parts of an upload.
LARGE = bytes(range(256)) * (40 << 12)
STREAMED = 256
GROWTH = 64 * MIB
PATIENCE = 90.0


@dataclass
class Site:
    """A server, its container, and the way between them."""

    server: Server
    place: Place
    way: FaultyWay

    def send(self, method: str, path: str, body: bytes | None = None) -> Answer:
        """One request, over a connection of its own; no answer shows a secret of the store."""
        connection = Connection(self.server.port, timeout=PATIENCE)
        answer = connection.send(Request(method, path if path.startswith("/") else f"{PROXY}/{path}", body=body))
        connection.close()
        shown = answer.body + repr(answer.headers).encode()
        assert not [secret for secret in self.place.secrets if secret.encode() in shown]
        return answer

    def is_ready(self) -> bool:
        """What `/readyz` says."""
        return self.send("GET", "/readyz").status == 200


@pytest.fixture(params=["azure", "s3"])
def site(request: pytest.FixtureRequest, object_stores: ObjectStores, fleet: Fleet, tmp_path: Path) -> Iterator[Site]:
    """A server of its own for each test, with a folder for temporary files in which there must be none."""
    if fleet.candidate_kind == "official":
        pytest.skip("the official server answers 500, and keeps uploads in temporary files")
    place = object_stores.place(request.param)
    way = FaultyWay(place.port)
    name = f"outages-{place.container}"
    environment = (*place.through(way.port), ("TMPDIR", str(tmp_path)))
    server = fleet.start("ferroflow", name, fleet.database("sqlite", name), environment, place.uri)
    yield Site(server, place, way)
    log = server.log()
    server.stop()
    way.close()
    assert not [secret for secret in place.secrets if secret in log]
    assert list(tmp_path.iterdir()) == [] and list((server.directory / "artifacts").iterdir()) == []


@pytest.mark.parametrize("fault", ["busy", "reset"])
def test_a_store_that_fails_for_a_while(site: Site, fault: str) -> None:
    assert site.send("PUT", "folder/a.txt", b"first").status == 200
    wait_until(site.is_ready, "ready")
    site.way.fail(fault)
    asked = [
        ("PUT", "folder/a.txt", b"second"),
        ("PUT", "folder/new.txt", b"new"),
        ("PUT", "folder/large.bin", LARGE),
        ("GET", "folder/a.txt", None),
        ("GET", f"{PROXY}?path=folder", None),
        ("DELETE", "folder/a.txt", None),
    ]
    with ThreadPoolExecutor(len(asked)) as threads:
        for refused in threads.map(lambda request: site.send(*request), asked):
            assert refused.status == 503, refused
            is_asked_to_come_back(refused)
    assert site.send("GET", "/livez").status == 200
    wait_until(lambda: not site.is_ready(), "not ready")
    assert site.send("GET", "/readyz").json()["database"] == "ok"
    site.way.mend()
    wait_until(site.is_ready, "ready again")
    assert site.place.names() == {"folder/a.txt"}
    assert site.send("GET", "folder/a.txt").body == b"first"
    assert site.send("PUT", "folder/a.txt", b"second").status == 200
    assert site.place.read("folder/a.txt") == b"second"


def test_a_connection_that_breaks_once(site: Site) -> None:
    """What can be sent again is; a download that cannot go on must not look complete."""
    site.way.break_once_after(len(LARGE) // 2, "up")
    assert site.send("PUT", "large.bin", LARGE).status == 200
    assert site.way.has_broken("up")
    assert site.place.read("large.bin") == LARGE
    site.way.break_once_after(len(LARGE) // 2, "down")
    try:
        assert site.send("GET", "large.bin").body == LARGE
    except (http.client.IncompleteRead, ConnectionError):
        pass
    assert site.way.has_broken("down")
    assert site.send("GET", "large.bin").body == LARGE


def test_a_store_that_stands_still_for_a_while(site: Site) -> None:
    assert site.send("PUT", "before.bin", LARGE).status == 200
    site.way.fail("stalled")
    with ThreadPoolExecutor(2) as threads:
        upload = threads.submit(site.send, "PUT", "large.bin", LARGE)
        download = threads.submit(site.send, "GET", "before.bin")
        wait_until(lambda: not site.is_ready(), "not ready")
        assert site.send("GET", "/livez").status == 200
        assert site.send("GET", "/api/2.0/mlflow/experiments/get?experiment_id=0").status == 200
        assert not upload.done() and not download.done()
        assert site.place.names() == {"before.bin"}
        site.way.mend()
        assert upload.result().status == 200
        assert download.result().body == LARGE
    assert site.place.read("large.bin") == LARGE


@pytest.mark.parametrize("how", ["closed", "reset"])
def test_a_client_that_hangs_up(site: Site, how: str) -> None:
    """An upload that does not end leaves nothing to read, and what was there stays."""
    assert site.send("PUT", "there.bin", b"there").status == 200
    for name in ("there.bin", "new.bin"):
        client = socket.create_connection(("127.0.0.1", site.server.port), timeout=PATIENCE)
        head = f"PUT {PROXY}/{name} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {2 * len(LARGE)}\r\n\r\n"
        client.sendall(head.encode() + LARGE)
        if how == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
    wait_until(lambda: not site.place.unfinished(), "the parts are deleted")
    assert site.place.names() == {"there.bin"}
    assert site.send("GET", "there.bin").body == b"there"
    assert site.send("GET", "new.bin").status == 404
    assert site.send("PUT", "new.bin", LARGE).status == 200
    assert site.place.read("new.bin") == LARGE


def test_two_writers_and_a_reader(site: Site) -> None:
    """Every answer to the reader is one of the files as a whole, and the last one is of a writer that was told so."""
    contents = [bytes([number]) * len(LARGE) for number in range(2)]
    assert site.send("PUT", "one.bin", contents[0]).status == 200
    with ThreadPoolExecutor(3) as threads:
        writers = [threads.submit(site.send, "PUT", "one.bin", content) for content in contents]
        while not all(writer.done() for writer in writers):
            try:
                read = site.send("GET", "one.bin")
            except (http.client.IncompleteRead, ConnectionError):
                continue
            assert read.status == 200 and read.body in contents
        statuses = [writer.result().status for writer in writers]
    assert 200 in statuses
    told = [content for content, status in zip(contents, statuses, strict=True) if status == 200]
    assert site.place.read("one.bin") in told
    assert site.place.names() == {"one.bin"}


def test_large_files_pass_through(site: Site) -> None:
    """Neither memory nor disk holds them."""
    assert site.send("PUT", "warm.bin", LARGE).status == 200
    assert site.send("GET", "warm.bin").status == 200
    process = site.server.process.pid
    memory, written = _peak_memory(process), _written(process)
    client = http.client.HTTPConnection("127.0.0.1", site.server.port, timeout=PATIENCE)
    client.request("PUT", f"{PROXY}/huge.bin", body=_pieces(), headers={"Content-Length": str(STREAMED * MIB)})
    assert client.getresponse().read() == b"{}"
    client.request("GET", f"{PROXY}/huge.bin")
    answer = client.getresponse()
    assert answer.getheader("Content-Length") == str(STREAMED * MIB)
    for piece in _pieces():
        assert answer.read(MIB) == piece
    client.close()
    assert _peak_memory(process) - memory < GROWTH
    # Lines of the log, at most.
    assert _written(process) - written < MIB


def _pieces() -> Iterator[bytes]:
    for number in range(STREAMED):
        yield bytes([number]) * MIB


def _peak_memory(process: int) -> int:
    """The most it ever had, in bytes."""
    (line,) = [line for line in Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def _written(process: int) -> int:
    """What it wrote to files on disks."""
    fields = dict(line.split(": ") for line in Path(f"/proc/{process}/io").read_text().splitlines())
    return int(fields["write_bytes"])
