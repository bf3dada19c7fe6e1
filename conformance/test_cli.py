"""The command line: exit codes, one-line messages without a backtrace, and an orderly end."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet import Fleet
from http_client import Connection, Request
from ports import free_port
from servers import ferroflow_binary

USAGE, FAILURE = 2, 1
TIMEOUT = 20.0
SLOW_REQUEST = (
    "POST /api/2.0/mlflow/experiments/create HTTP/1.1\r\nHost: localhost\r\n"
    "Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
)
TRACES_OF_A_CRASH = ("panicked", "RUST_BACKTRACE", "stack backtrace", "Traceback", "unwrap()")


@pytest.fixture
def busy_port() -> Iterator[socket.socket]:
    """A port that is taken."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener


def _run(directory: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the binary; one that starts instead of ending fails the test by the timeout."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "FERROFLOW_"))}
    return subprocess.run(
        [str(ferroflow_binary()), *arguments],
        cwd=directory,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )


def _assert_ends(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    for word in words:
        assert word in done.stderr
    assert not any(trace in done.stderr for trace in TRACES_OF_A_CRASH), done.stderr


def _error_lines(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in done.stderr.splitlines() if line.lower().startswith("error")]


def test_help_and_version(tmp_path: Path) -> None:
    for arguments in (("--help",), ("server", "--help"), ("--version",)):
        done = _run(tmp_path, *arguments)
        assert done.returncode == 0 and "ferroflow" in done.stdout.lower() and done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("nonsense",), "nonsense"),
        (("server", "--no-such-option"), "--no-such-option"),
        (("server", "--port", "abc"), "--port"),
        (("server", "--port", "70000"), "--port"),
        (("server", "--port", "-1"), "-1"),
        (("server", "--port"), "--port"),
        (("server", "--backend-store-uri", "mysql://user@host/database"), "--backend-store-uri"),
        (("server", "--backend-store-uri", "nonsense://x"), "--backend-store-uri"),
        (("server", "--truncate-long-values", "perhaps"), "--truncate-long-values"),
        (("server", "--artifact-location-max-length", "many"), "--artifact-location-max-length"),
    ],
)
def test_wrong_usage(tmp_path: Path, arguments: tuple[str, ...], word: str) -> None:
    done = _run(tmp_path, *arguments)
    _assert_ends(done, USAGE, word)
    assert len(_error_lines(done)) == 1


def test_wrong_environment(tmp_path: Path) -> None:
    _assert_ends(_run(tmp_path, "server", MLFLOW_PORT="abc"), USAGE, "abc")
    _assert_ends(_run(tmp_path, "server", MLFLOW_BACKEND_STORE_URI="nonsense://x"), USAGE)


def test_no_arguments(tmp_path: Path) -> None:
    _assert_ends(_run(tmp_path), USAGE, "server")


def test_taken_port(tmp_path: Path, busy_port: socket.socket) -> None:
    port = str(busy_port.getsockname()[1])
    done = _run(tmp_path, "server", "--port", port)
    _assert_ends(done, FAILURE, port)
    assert len(_error_lines(done)) == 1


def test_unknown_host(tmp_path: Path) -> None:
    done = _run(tmp_path, "server", "--host", "no-such-host.invalid", "--port", str(free_port()))
    _assert_ends(done, FAILURE, "no-such-host.invalid")


def test_unreadable_databases(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is not a database\n" * 200)
    (tmp_path / "folder.db").mkdir()
    for name in ("text.db", "folder.db", "no/such/folder/mlflow.db"):
        uri = f"sqlite:///{tmp_path / name}"
        done = _run(tmp_path, "server", "--port", str(free_port()), "--backend-store-uri", uri)
        _assert_ends(done, FAILURE, name)
        assert len(_error_lines(done)) == 1


def test_missing_postgres_database(tmp_path: Path, fleet: Fleet) -> None:
    uri = fleet.cluster.uri("no_such_database")
    done = _run(tmp_path, "server", "--port", str(free_port()), "--backend-store-uri", uri)
    _assert_ends(done, FAILURE, "no_such_database")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_a_slow_request_finish(fleet: Fleet, number: signal.Signals) -> None:
    """A body arrives slowly; the server is told to end in the middle of it, answers, and then ends with 0."""
    name = f"signal-{number.name.lower()}"
    server = fleet.start("ferroflow", name, fleet.database("sqlite", name))
    body = b'{"name": "created slowly"}'
    answer: list[bytes] = []
    half_sent = threading.Event()

    def create() -> None:
        with socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT) as connection:
            connection.sendall(SLOW_REQUEST.format(length=len(body)).encode() + body[:10])
            half_sent.set()
            time.sleep(1.5)
            connection.sendall(body[10:])
            answer.append(connection.recv(65536))

    thread = threading.Thread(target=create)
    thread.start()
    assert half_sent.wait(TIMEOUT)
    time.sleep(0.3)
    os.kill(server.process.pid, number)
    time.sleep(0.3)
    assert server.process.poll() is None, "the server ended before its last request"
    with pytest.raises(OSError):
        Connection(server.port, timeout=2.0).send(Request("GET", "/health"))
    thread.join(TIMEOUT)
    assert answer and answer[0].startswith(b"HTTP/1.1 200")
    assert server.process.wait(TIMEOUT) == 0
    with sqlite3.connect(server.directory.parent / f"{name}-sqlite" / "mlflow.db") as database:
        assert database.execute("SELECT count(*) FROM experiments WHERE name = 'created slowly'").fetchone() == (1,)
    assert not any(trace in server.log() for trace in TRACES_OF_A_CRASH)


def test_idle_connections_do_not_hold_up_the_end(fleet: Fleet) -> None:
    name = "signal-idle"
    server = fleet.start("ferroflow", name, fleet.database("sqlite", name))
    idle = Connection(server.port)
    assert idle.send(Request("GET", "/health")).status == 200
    os.kill(server.process.pid, signal.SIGTERM)
    assert server.process.wait(5.0) == 0
    idle.close()
