"""A server that starts before its database can be served: it listens, is not ready, and becomes ready by itself."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from fleet import Fleet
from http_client import Answer, Connection, Request
from postgres import Cluster, start_cluster
from servers import Server, ferroflow_binary, start_ferroflow

API = "/api/2.0/mlflow/"
HEAD, BEFORE_HEAD, UNKNOWN = "bf29a5ff90ea", "3da73c924c2f", "0123456789ab"
SECONDS_AFTER_THE_DATABASE = 2.0
# It looks at a schema that somebody else must put right every five seconds.
SECONDS_AFTER_THE_SCHEMA = 8.0


@pytest.fixture(scope="module")
def cluster(fleet: Fleet) -> Iterator[Cluster]:
    """A PostgreSQL of this module's own."""
    own = start_cluster(fleet.directory / "postgresql-starting.log")
    try:
        yield own
    finally:
        own.stop()


def test_a_database_that_comes_up_later(cluster: Cluster, tmp_path: Path) -> None:
    uri = cluster.create_database("later").replace("postgres@", "postgres:geheim@")
    cluster.down()
    try:
        server = start_ferroflow(tmp_path, uri, probe="/livez")
        _check_closed(server)
        report = _get(server, "/readyz").json()
        assert report["database"].startswith("does not answer: ") and "refused" in report["database"]
        assert (report["schema"], report["artifacts"]) == ("unknown", "ok")
        # Many tries later there still is one line about them.
        time.sleep(2)
        assert server.log().count("not ready") == 1, server.log()
    finally:
        cluster.up()
    _wait_until_ready(server, SECONDS_AFTER_THE_DATABASE)
    assert _get(server, API + "experiments/get?experiment_id=0").status == 200
    log = server.log()
    assert log.count("connected to PostgreSQL") == 1 and "created, schema revision" in log
    assert "geheim" not in log
    server.stop()
    assert server.process.returncode == 0


def test_a_database_that_is_full_for_a_while(cluster: Cluster, tmp_path: Path) -> None:
    uri = cluster.create_database("full")
    cluster.execute("CREATE ROLE crowded LOGIN SUPERUSER")
    cluster.execute(f'ALTER DATABASE "{uri.rsplit("/", 1)[1]}" CONNECTION LIMIT 0')
    cluster.execute("ALTER ROLE crowded NOSUPERUSER")
    cluster.execute(f'ALTER DATABASE "{uri.rsplit("/", 1)[1]}" OWNER TO crowded')
    server = start_ferroflow(tmp_path, uri.replace("postgres@", "crowded@"), probe="/livez")
    _check_closed(server)
    assert "too many connections" in _get(server, "/readyz").json()["database"]
    cluster.execute(f'ALTER DATABASE "{uri.rsplit("/", 1)[1]}" CONNECTION LIMIT 20')
    _wait_until_ready(server, SECONDS_AFTER_THE_DATABASE)
    server.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_waits_ends_when_told(number: signal.Signals, tmp_path: Path) -> None:
    server = start_ferroflow(tmp_path, "postgresql://postgres@no-such-host.invalid/x", probe="/livez")
    os.kill(server.process.pid, number)
    assert server.process.wait(5.0) == 0, server.log()
    assert "no-such-host.invalid" in server.log()


def test_what_does_not_mend_itself_ends_the_wait(cluster: Cluster, tmp_path: Path) -> None:
    uri = cluster.uri("no_such_database")
    cluster.down()
    try:
        server = start_ferroflow(tmp_path, uri, probe="/livez")
    finally:
        cluster.up()
    assert server.process.wait(10.0) == 1
    last = server.log().splitlines()[-1]
    assert last.startswith("Error: cannot open PostgreSQL no_such_database") and "does not exist" in last


def test_a_newer_database(engine: str, fleet: Fleet, tmp_path: Path) -> None:
    """It is refused in one sentence, left alone, and served once it has been put right."""
    uri = _made(engine, fleet, tmp_path, "newer")
    _change(uri, f"UPDATE alembic_version SET version_num = '{UNKNOWN}'")
    server = start_ferroflow(tmp_path, uri, probe="/livez")
    _check_closed(server)
    schema = _get(server, "/readyz").json()["schema"]
    assert UNKNOWN in schema and HEAD in schema
    (line,) = [line for line in server.log().splitlines() if "not ready" in line]
    assert UNKNOWN in line and HEAD in line and "Use a newer Ferroflow" in line
    _change(uri, f"UPDATE alembic_version SET version_num = '{HEAD}'")
    _wait_until_ready(server, SECONDS_AFTER_THE_SCHEMA)
    server.stop()


def test_an_older_database_that_somebody_else_upgrades(engine: str, fleet: Fleet, tmp_path: Path) -> None:
    uri = _made(engine, fleet, tmp_path, "older")
    _change(uri, "DROP TABLE jobs", f"UPDATE alembic_version SET version_num = '{BEFORE_HEAD}'")
    server = start_ferroflow(tmp_path, uri, {"FERROFLOW_NO_DATABASE_MIGRATION": "true"}, probe="/livez")
    _check_closed(server)
    assert BEFORE_HEAD in _get(server, "/readyz").json()["schema"]
    (line,) = [line for line in server.log().splitlines() if "not ready" in line]
    assert BEFORE_HEAD in line and "ferroflow db upgrade" in line
    subprocess.run([ferroflow_binary(), "db", "upgrade", uri], check=True, capture_output=True, timeout=30)
    _wait_until_ready(server, SECONDS_AFTER_THE_SCHEMA)
    assert "database migration from" not in server.log()
    server.stop()


def test_the_log_says_what_became_of_the_migration(engine: str, fleet: Fleet, tmp_path: Path) -> None:
    """People who follow MLflow's guides look for it there."""
    uri = fleet.database(engine, "nothing-to-migrate")
    for start, expected in (("first", "was empty and got the schema"), ("second", "is at revision bf29a5ff90ea already")):
        server = start_ferroflow(tmp_path / start, uri)
        (line,) = [line for line in server.log().splitlines() if "database migration" in line]
        assert expected in line, line
        server.stop()


def _made(engine: str, fleet: Fleet, folder: Path, name: str) -> str:
    uri = fleet.database(engine, name)
    start_ferroflow(folder / "first", uri).stop()
    return uri


def _change(uri: str, *statements: str) -> None:
    path = uri.removeprefix("sqlite:///")
    database = sqlite3.connect(path) if path != uri else psycopg2.connect(uri)
    for statement in statements:
        database.cursor().execute(statement)
    database.commit()
    database.close()


def _get(server: Server, target: str) -> Answer:
    connection = Connection(server.port)
    answer = connection.send(Request("GET", target))
    connection.close()
    return answer


def _check_closed(server: Server) -> None:
    """Probes of the process say yes, that of readiness no, and everything else is asked to come back."""
    for path in ("/livez", "/health", "/version"):
        assert _get(server, path).status == 200, path
    assert _get(server, "/version").body == b"3.7.0"
    assert _get(server, "/readyz").json()["ready"] is False
    for path in ("/readyz", "/", API + "experiments/get?experiment_id=0", "/api/2.0/mlflow-artifacts/artifacts/x"):
        answer = _get(server, path)
        assert answer.status == 503 and int(answer.headers["retry-after"]) > 0, path
        assert path == "/readyz" or answer.json()["error_code"] == "TEMPORARILY_UNAVAILABLE", path


def _wait_until_ready(server: Server, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    connection = Connection(server.port)
    while connection.send(Request("GET", "/readyz")).status != 200:
        assert time.monotonic() < deadline, f"not ready after {seconds} s:\n{server.log()}"
        time.sleep(0.02)
    connection.close()
