"""The command line: exit codes, one-line messages without a backtrace, an orderly end, and the name `mlflow`."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy
from mlflow.store.tracking.dbmodels.initial_models import Base

from fleet import Fleet
from http_client import Answer, Connection, Request
from object_stores import ACCOUNT, ACCOUNT_KEY, ObjectStores
from ports import free_port
from postgres import SERVER_USER
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


def _clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "FERROFLOW_"))}


def _run(directory: Path, *arguments: str, program: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the binary; one that starts instead of ending fails the test by the timeout."""
    return subprocess.run(
        [str(program or ferroflow_binary()), *arguments],
        cwd=directory,
        env={**_clean_environment(), **environment},
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


@pytest.fixture
def mlflow(tmp_path: Path) -> Path:
    """The binary under the name that charts and scripts know."""
    link = tmp_path / "bin" / "mlflow"
    link.parent.mkdir()
    link.symlink_to(ferroflow_binary())
    return link


class Started:
    """A server that was started by whole arguments."""

    def __init__(self, directory: Path, command: list[str], **environment: str) -> None:
        self._log = directory / "log"
        with open(self._log, "wb") as log:
            self.process = subprocess.Popen(
                command, cwd=directory, env={**_clean_environment(), **environment}, stdout=log, stderr=subprocess.STDOUT
            )

    def __enter__(self) -> Started:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(TIMEOUT)
        finally:
            self.process.kill()

    def log(self) -> str:
        """What it has written so far."""
        return self._log.read_text(errors="replace")

    def wait_for(self, port: int, path: str) -> Answer:
        """The first answer 200."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                answer = Connection(port, timeout=5.0).send(Request("GET", path))
                if answer.status == 200:
                    return answer
            except OSError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"no answer 200 of {path}:\n{self.log()}")


def test_the_version_as_mlflow_prints_it(tmp_path: Path, mlflow: Path) -> None:
    official = Path(sys.prefix) / "bin" / "mlflow"
    theirs = subprocess.run([str(official), "--version"], capture_output=True, text=True, check=True).stdout.strip()
    done = _run(tmp_path, "--version", program=mlflow)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 1
    assert done.stdout.startswith(f"{theirs} (Ferroflow ")
    # Its own name still says its own version.
    assert _run(tmp_path, "--version").stdout.startswith("ferroflow ")


def test_help_and_mistakes_speak_of_mlflow(tmp_path: Path, mlflow: Path) -> None:
    for arguments in ((), ("server",), ("ui",), ("ui", "install"), ("db",), ("db", "upgrade"), ("gc",)):
        done = _run(tmp_path, *arguments, "--help", program=mlflow)
        assert done.returncode == 0 and "mlflow" in done.stdout
        assert "ferroflow " not in done.stdout
    done = _run(tmp_path, "server", "--no-such-option", program=mlflow)
    _assert_ends(done, USAGE, "--no-such-option", "mlflow server --help")
    # A database is kept from a server that would let everybody in.
    _assert_ends(_run(tmp_path, "server", "--app-name=basic-auth", program=mlflow), USAGE, "users and permissions")


@pytest.mark.parametrize("server_option", ["--gunicorn-opts", "--uvicorn-opts"])
def test_the_arguments_of_the_community_chart(
    tmp_path: Path, mlflow: Path, fleet: Fleet, object_stores: ObjectStores, server_option: str
) -> None:
    """What the chart gives its container for PostgreSQL and Azure, the quotes that no shell takes away included."""
    place, port = object_stores.place("azure"), free_port()
    database = fleet.cluster.create_database("community").rsplit("/", 1)[1]
    command = [
        *(str(mlflow), "server", "--host=0.0.0.0", f"--port={port}", "--backend-store-uri=postgresql://"),
        *(f"--artifacts-destination={place.root}/", "--serve-artifacts", f"{server_option}='--log-level=info'"),
    ]
    environment = {
        "MLFLOW_VERSION": "3.7.0",
        **{"PGHOST": "127.0.0.1", "PGPORT": str(fleet.cluster.port), "PGDATABASE": database, "PGUSER": SERVER_USER, "PGPASSWORD": "any"},
        **{"MLFLOW_CONFIGURE_LOGGING": "true", "MLFLOW_LOGGING_LEVEL": "INFO", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"},
        **{"MLFLOW_SERVER_ALLOWED_HOSTS": "mlflow.frakma.io", "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": "https://mlflow.frakma.io"},
        # The address is the stand-in's; the key is what the chart's Secret has.
        **{"AZURE_STORAGE_ACCESS_KEY": ACCOUNT_KEY, "AZURE_STORAGE_BLOB_ENDPOINT": f"http://127.0.0.1:{place.port}/{ACCOUNT}"},
    }
    host = (("Host", "mlflow.frakma.io"),)
    with Started(tmp_path, command, **environment) as server:
        server.wait_for(port, "/readyz")
        assert server.wait_for(port, "/health").body == b"OK"
        connection = Connection(port)
        create = Request("POST", "/api/2.0/mlflow/experiments/create", body={"name": "by the chart"}, headers=host)
        assert connection.send(create).status == 200
        upload = Request("PUT", "/api/2.0/mlflow-artifacts/artifacts/some/model.pkl", body=b"bytes", headers=host)
        assert connection.send(upload).status == 200
        assert place.read("model.pkl", below="some") == b"bytes"
        assert f"no effect here: {server_option};" in server.log()
        assert ACCOUNT_KEY not in server.log()
    assert server.process.returncode == 0


def test_the_other_arguments_of_the_community_chart(tmp_path: Path, mlflow: Path) -> None:
    port = free_port()
    command = [
        *(str(mlflow), "server", "--host=127.0.0.1", f"--port={port}", f"--backend-store-uri=sqlite:///{tmp_path}/mlflow.db"),
        *("--default-artifact-root=./mlruns", "--static-prefix=/mlflow", "--workers=2", "--expose-prometheus=/mlflow/metrics"),
    ]
    with Started(tmp_path, command) as server:
        assert server.wait_for(port, "/mlflow/health").body == b"OK"
        server.wait_for(port, "/mlflow/readyz")
        assert "no effect here: --workers; one process uses every core; --expose-prometheus;" in server.log()


def test_the_databases_commands_under_the_name_mlflow(tmp_path: Path, mlflow: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'old.db'}"
    database = sqlalchemy.create_engine(uri)
    Base.metadata.create_all(database)
    database.dispose()
    upgraded = _run(tmp_path, "db", "upgrade", uri, program=mlflow)
    assert upgraded.returncode == 0 and "database migration from" in upgraded.stderr, upgraded.stderr
    (tmp_path / "artifacts").mkdir()
    arguments = ("--older-than=1d", f"--backend-store-uri={uri}", f"--artifacts-destination={tmp_path / 'artifacts'}")
    collected = _run(tmp_path, "gc", *arguments, "--tracking-uri=http://127.0.0.1:1", program=mlflow)
    assert collected.returncode == 0 and "Deleted: nothing" in collected.stdout, collected.stderr


COMMUNITY_VALUES = """
image: {repository: burakince/mlflow, tag: "3.7.0"}
backendStore:
  databaseMigration: true
  postgres: {enabled: true, host: db.example, port: 5432, password: geheim}
auth: {enabled: true, adminPassword: geheim}
"""


def test_values_are_converted(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(COMMUNITY_VALUES)
    done = _run(tmp_path, "values", "convert", str(file))
    assert done.returncode == 0
    assert "left: auth.enabled, auth.adminPassword:" in done.stderr and "geheim" not in done.stderr
    assert "# Not carried over" in done.stdout and "\n    host: db.example\n" in done.stdout
    with open(file, "rb") as given:
        command = [str(ferroflow_binary()), "values", "convert", "-", "--from", "community"]
        piped = subprocess.run(command, stdin=given, env=_clean_environment(), capture_output=True, text=True, timeout=TIMEOUT)
    assert (piped.returncode, piped.stdout) == (0, done.stdout)
    strict = _run(tmp_path, "values", "convert", "--strict", str(file))
    assert strict.returncode == FAILURE and strict.stdout == done.stdout and len(_error_lines(strict)) == 1


@pytest.mark.parametrize(
    ("text", "arguments", "code", "word"),
    [
        (None, ("values", "convert", "no-such-file.yaml"), FAILURE, "no-such-file.yaml"),
        ("a: [", ("values", "convert", "values.yaml"), FAILURE, "values.yaml"),
        ("- a", ("values", "convert", "values.yaml"), FAILURE, "no values file"),
        ("ingress: {}", ("values", "convert", "values.yaml"), FAILURE, "--from"),
        ("ingress: {}", ("values", "convert", "values.yaml", "--from", "another"), USAGE, "--from"),
        (None, ("values", "convert"), USAGE, "FILE"),
    ],
)
def test_values_that_cannot_be_converted(
    tmp_path: Path, text: str | None, arguments: tuple[str, ...], code: int, word: str
) -> None:
    if text is not None:
        (tmp_path / "values.yaml").write_text(text)
    done = _run(tmp_path, *arguments)
    _assert_ends(done, code, word)
    assert len(_error_lines(done)) == 1
