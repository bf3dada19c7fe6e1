"""`ferroflow db upgrade` makes of a database of any older revision what MLflow's own migrations make of it, to the row."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from fleet import Fleet
from old_databases import OldDatabases, read_rows, revisions, upgrade_by_mlflow
from schema import read_schema
from servers import ENGINES, ferroflow_binary

TIMEOUT = 60.0
HEAD = "bf29a5ff90ea"
STARTS = ["none", *revisions()]
OLDEST = STARTS[0]
LOCK = 7811887170463919


@pytest.fixture(scope="module", params=ENGINES)
def old(request: pytest.FixtureRequest, session_directory: Path, fleet: Fleet) -> Iterator[OldDatabases]:
    """Databases of every revision."""
    yield OldDatabases(request.param, session_directory / f"old-{request.param}", fleet.cluster)


def _start(*arguments: str) -> subprocess.Popen[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "FERROFLOW_"))}
    command = [str(ferroflow_binary()), *arguments]
    return subprocess.Popen(command, env=clean, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def _run(*arguments: str, code: int = 0) -> str:
    process = _start(*arguments)
    stdout, stderr = process.communicate(timeout=TIMEOUT)
    assert process.returncode == code, stderr
    return stdout + stderr


def _assert_same(uri: str, official: str) -> None:
    own, theirs = read_schema(uri), read_schema(official)
    assert own.version == theirs.version == HEAD
    assert own.others == theirs.others
    assert own.tables == theirs.tables
    assert read_rows(uri) == read_rows(official)


def _both(old: OldDatabases, revision: str) -> tuple[str, str]:
    """A filled database, and a copy of it that MLflow has upgraded."""
    uri = old.filled(revision)
    official = old.copy(uri, f"official_{revision}")
    upgrade_by_mlflow(official)
    return uri, official


@pytest.mark.parametrize("revision", STARTS)
def test_every_revision(old: OldDatabases, revision: str) -> None:
    uri, official = _both(old, revision)
    said = _run("db", "upgrade", uri)
    assert said.count("database migration") == (0 if revision == HEAD else 1), said
    _assert_same(uri, official)
    assert "nothing to do" in _run("db", "upgrade", uri)
    _assert_same(uri, official)


def test_the_plan_does_the_same(old: OldDatabases) -> None:
    uri, official = _both(old, OLDEST)
    plan = _run("db", "upgrade", "--plan", uri)
    if old.engine == "sqlite":
        database = sqlite3.connect(uri.removeprefix("sqlite:///"), isolation_level=None)
        database.executescript(plan)
    else:
        database = psycopg2.connect(uri)
        database.autocommit = True
        for step in plan.split("BEGIN;")[1:]:
            database.cursor().execute(step.split("COMMIT;")[0])
    database.close()
    _assert_same(uri, official)


def test_a_killed_upgrade_is_finished_by_the_next(old: OldDatabases) -> None:
    uri, official = _both(old, OLDEST)
    revisions_seen = set()
    for steps in (1, 2, 3, 5, 8, 2, 1):
        process = _start("db", "upgrade", uri)
        assert process.stderr is not None
        for _ in range(steps):
            process.stderr.readline()
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=TIMEOUT)
        revisions_seen.add(_run("db", "status", uri).split("revision ")[1].split("\n")[0])
    assert len(revisions_seen) > 1, "no kill fell into the middle"
    _run("db", "upgrade", uri)
    _assert_same(uri, official)


def test_an_empty_database_gets_the_schema(engine: str, fleet: Fleet) -> None:
    """Several Jobs may come upon it at once; a server that must not migrate finds it as one that may has made its own."""
    uri = fleet.database(engine, "empty")
    if engine == "sqlite":
        Path(uri.removeprefix("sqlite:///")).touch()
    assert "the database is empty" in _run("db", "check", uri, code=1)
    processes = [_start("db", "upgrade", uri) for _ in range(3)]
    said = [process.communicate(timeout=TIMEOUT)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 3, said
    assert any("database migration of an empty database" in text for text in said), said
    assert "nothing to do" in _run("db", "upgrade", uri)
    _run("db", "check", uri)
    own, made = read_schema(uri), read_schema(fleet.candidate(engine).backend_uri)
    assert (own.version, own.tables, own.others) == (made.version, made.tables, made.others)


def test_several_at_once(old: OldDatabases) -> None:
    uri, official = _both(old, OLDEST)
    processes = [_start("db", "upgrade", uri) for _ in range(4)]
    said = [process.communicate(timeout=TIMEOUT)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, said
    if old.engine == "postgresql":
        assert sum("database migration" in text for text in said) == 1, said
    _assert_same(uri, official)


def test_who_waits_says_so(old: OldDatabases) -> None:
    if old.engine == "sqlite":
        pytest.skip("on SQLite processes take turns, a step each")
    uri = old.filled(OLDEST)
    holder = psycopg2.connect(uri)
    holder.cursor().execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
    process = _start("db", "upgrade", uri)
    assert process.stderr is not None
    assert "another process migrates this database" in process.stderr.readline()
    assert "revision none" in _run("db", "status", uri)
    holder.close()
    process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0
    _run("db", "check", uri)


def test_a_table_in_use_is_not_waited_for_long(old: OldDatabases) -> None:
    """Whoever waits to change a table keeps everyone behind him waiting: a step gives up after 10 s, and nobody loses anything."""
    if old.engine == "sqlite":
        pytest.skip("SQLite locks the file, not a table")
    uri, official = _both(old, OLDEST)
    reader = psycopg2.connect(uri)
    reader.cursor().execute("SELECT count(*) FROM runs")
    refused = _run("db", "upgrade", uri, code=1)
    assert "another session holds the table" in refused and "goes on with this step" in refused, refused
    reached = _run("db", "status", uri)
    assert f"steps to {HEAD}" in reached
    reader.close()
    _run("db", "upgrade", uri)
    _assert_same(uri, official)


def test_status_and_check(old: OldDatabases) -> None:
    uri = old.filled("400f98739977")
    status = _run("db", "status", uri)
    assert "revision 400f98739977" in status and "11 steps to bf29a5ff90ea" in status
    assert "6953534de441" in status and "0584bdc529eb" not in status
    refused = _run("db", "check", uri, code=1)
    assert "400f98739977" in refused and HEAD in refused and "ferroflow db upgrade" in refused
    _run("db", "upgrade", uri)
    assert "up to date" in _run("db", "status", uri)
    assert _run("db", "check", uri) == ""


def test_the_server_migrates_at_its_start(old: OldDatabases, fleet: Fleet) -> None:
    uri, official = _both(old, OLDEST)
    server = fleet.start("ferroflow", f"migrating-{old.engine}", uri)
    assert server.log().count("database migration") == 1
    server.stop()
    upgraded, expected = read_rows(uri), read_rows(official)
    assert upgraded == expected


def test_unknown_databases_are_refused(old: OldDatabases) -> None:
    uri = old.filled(HEAD)
    _change(old, uri, "UPDATE alembic_version SET version_num = '0123456789ab'")
    for command in ("upgrade", "status", "check"):
        refused = _run("db", command, uri, code=1)
        assert "0123456789ab" in refused and HEAD in refused and "newer Ferroflow" in refused
    _change(old, uri, "DROP TABLE alembic_version")
    assert "no MLflow schema revision" in _run("db", "upgrade", uri, code=1)


def _change(old: OldDatabases, uri: str, statement: str) -> None:
    path = uri.removeprefix("sqlite:///")
    database = sqlite3.connect(path) if old.engine == "sqlite" else psycopg2.connect(uri)
    database.cursor().execute(statement)
    database.commit()
    database.close()
