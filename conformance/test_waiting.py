"""`ferroflow db wait`: what an init container asks before the server starts."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from fleet import Fleet
from ports import free_port
from postgres import Cluster, start_cluster
from servers import ferroflow_binary, start_ferroflow

READY, REFUSED, USAGE = 0, 1, 2
TIMEOUT = 30.0
BEFORE_HEAD, HEAD = "3da73c924c2f", "bf29a5ff90ea"


@pytest.fixture(scope="module")
def cluster(fleet: Fleet) -> Iterator[Cluster]:
    """A PostgreSQL of this module's own."""
    own = start_cluster(fleet.directory / "postgresql-waiting.log")
    try:
        yield own
    finally:
        own.stop()


def _start(*arguments: str, **variables: str) -> subprocess.Popen[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "FERROFLOW_", "PG"))}
    command = [str(ferroflow_binary()), "db", "wait", *arguments]
    return subprocess.Popen(command, env={**clean, **variables}, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def _wait(*arguments: str, code: int = READY, **variables: str) -> str:
    process = _start(*arguments, **variables)
    stdout, stderr = process.communicate(timeout=TIMEOUT)
    assert process.returncode == code, stderr
    assert "geheim" not in stdout + stderr
    if code != READY:
        assert stdout == "" and stderr.splitlines()[-1].startswith("Error: "), stderr
    return stdout + stderr


def test_a_database_that_is_there(engine: str, fleet: Fleet, tmp_path: Path) -> None:
    """Empty, with our schema, before an upgrade, and after a newer version's."""
    uri = fleet.database(engine, "wait")
    for arguments in ((), ("--migrated",)):
        assert "is ready: " in _wait(uri, *arguments) and "no tables yet" in _wait(uri, *arguments)
    start_ferroflow(tmp_path, uri).stop()
    for arguments in ((), ("--migrated",)):
        assert f"schema revision {HEAD}," in _wait(uri, *arguments)
    _change(uri, "DROP TABLE jobs", f"UPDATE alembic_version SET version_num = '{BEFORE_HEAD}'")
    assert f"schema revision {BEFORE_HEAD}, to be upgraded" in _wait(uri)
    late = _wait(uri, "--migrated", "--timeout", "1", code=REFUSED)
    assert "is not ready after" in late and BEFORE_HEAD in late and HEAD in late
    process = _start(uri, "--migrated", "--timeout", "30")
    assert process.stderr is not None and "waiting for" in process.stderr.readline()
    subprocess.run([ferroflow_binary(), "db", "upgrade", uri], check=True, capture_output=True, timeout=TIMEOUT)
    assert process.wait(TIMEOUT) == READY
    _change(uri, "UPDATE alembic_version SET version_num = '0123456789ab'")
    for arguments in ((), ("--migrated",)):
        refused = _wait(uri, *arguments, code=REFUSED)
        assert "0123456789ab" in refused and HEAD in refused and "newer Ferroflow" in refused


def test_a_database_that_comes_up_later(cluster: Cluster) -> None:
    uri = cluster.create_database("later").replace("postgres@", "postgres:geheim@")
    cluster.down()
    try:
        late = _wait(uri, "--timeout", "1", code=REFUSED)
        assert "is not ready after" in late and "refused" in late
        process = _start("--timeout", "30", MLFLOW_BACKEND_STORE_URI=uri)
        assert process.stderr is not None and "waiting for PostgreSQL" in process.stderr.readline()
    finally:
        cluster.up()
    began = time.monotonic()
    stdout, stderr = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, stderr) == (READY, "") and "is ready: PostgreSQL" in stdout and "geheim" not in stdout
    assert time.monotonic() - began < 2.0


def test_rights(cluster: Cluster, tmp_path: Path) -> None:
    uri = cluster.create_database("rights")
    cluster.execute("CREATE ROLE member LOGIN")
    member = uri.replace("postgres@", "member@")
    assert "GRANT CREATE ON SCHEMA public" in _wait(member, code=REFUSED), "PostgreSQL 15 gives nobody that right"
    start_ferroflow(tmp_path, uri).stop()
    refused = _wait(member, code=REFUSED)
    # The revision is what is asked for first, so that it is what cannot be read.
    assert "alembic_version" in refused
    _change(uri, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO member")
    refused = _wait(member, code=REFUSED)
    assert "runs, " in refused and "experiments_experiment_id_seq" in refused and "alembic_version" not in refused
    _change(uri, "GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO member")
    assert "may not read and write experiments_experiment_id_seq;" in _wait(member, code=REFUSED)
    _change(uri, "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO member")
    assert "is ready" in _wait(member)
    # Who runs the upgrade needs more, and who waits for it does not.
    _change(uri, "DROP TABLE jobs", f"UPDATE alembic_version SET version_num = '{BEFORE_HEAD}'")
    refused = _wait(member, code=REFUSED)
    assert "GRANT CREATE ON SCHEMA public" in refused and "only their owner can change the tables" in refused
    assert "is not ready after" in _wait(member, "--migrated", "--timeout", "0", code=REFUSED)
    _change(uri, "REVOKE USAGE ON SCHEMA public FROM PUBLIC")
    assert "search_path" in _wait(member, code=REFUSED)


def test_a_server_that_takes_no_writes_for_a_while(cluster: Cluster) -> None:
    uri = cluster.create_database("read_only")
    name = uri.rsplit("/", 1)[1]
    cluster.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    process = _start(uri)
    assert process.stderr is not None and "takes no writes at present" in process.stderr.readline()
    cluster.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
    assert process.wait(TIMEOUT) == READY


def test_what_waiting_does_not_mend(cluster: Cluster, tmp_path: Path) -> None:
    began = time.monotonic()
    assert "does not exist" in _wait(cluster.uri("no_such_database"), code=REFUSED)
    nobody = cluster.uri("postgres").replace("postgres@", "nobody:geheim@")
    assert "nobody" in _wait(nobody, code=REFUSED)
    assert "no folder" in _wait(f"sqlite:///{tmp_path}/no/mlflow.db", code=REFUSED)
    (tmp_path / "text.db").write_text("this is not a database\n" * 200)
    assert "text.db" in _wait(f"sqlite:///{tmp_path}/text.db", code=REFUSED)
    assert time.monotonic() - began < 20.0


def test_the_parts_of_an_address(cluster: Cluster) -> None:
    name = cluster.create_database("parts").rsplit("/", 1)[1]
    place = ("--db-host", "127.0.0.1", "--db-port", str(cluster.port), "--db-user", "postgres")
    assert "is ready" in _wait(*place, "--db-name", name)
    assert "is ready" in _wait(*place, FERROFLOW_DB_NAME=name)
    variables = {"PGHOST": "127.0.0.1", "PGPORT": str(cluster.port), "PGUSER": "postgres", "PGDATABASE": name}
    assert "is ready" in _wait("postgresql://", **variables)


def test_wrong_usage() -> None:
    closed = f"postgresql://member:geheim@127.0.0.1:{free_port()}/x"
    assert "--db-host" in _wait(code=USAGE)
    assert "--db-host" in _wait(closed, "--db-host", "localhost", code=USAGE)
    assert "see ferroflow db wait --help" in _wait(closed, "--timeout", "soon", code=USAGE)
    assert "see ferroflow db wait --help" in _wait(closed, "--soon", code=USAGE)


def _change(uri: str, *statements: str) -> None:
    path = uri.removeprefix("sqlite:///")
    database = sqlite3.connect(path) if path != uri else psycopg2.connect(uri)
    for statement in statements:
        database.cursor().execute(statement)
    database.commit()
    database.close()
